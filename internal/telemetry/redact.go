package telemetry

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// secretWords make a name secret wherever they stand in it, as in
// db_password, X-Auth-Token or sessionCookie. Plurals are left out on
// purpose: total_tokens counts what a model used.
var secretWords = []string{"password", "passwd", "passphrase", "secret", "token", "authorization", "cookie", "cookies", "credential", "credentials", "ticket", "apikey"}

// secretNames are secret as a whole name only: refresh_count is not.
var secretNames = []string{"access", "refresh"}

// aboutSecrets end the names of what describes a secret and is none, such as
// token_type and api_key_id.
var aboutSecrets = []string{"type", "name", "id", "kind"}

// redactAttr is a slog.HandlerOptions.ReplaceAttr.
func redactAttr(groups []string, a slog.Attr) slog.Attr {
	if slices.ContainsFunc(groups, secretName) {
		a.Value = slog.StringValue(Redacted)
		return a
	}
	a.Value = a.Value.Resolve()
	if secretName(a.Key) && canHoldSecret(a.Value) {
		a.Value = slog.StringValue(Redacted)
		return a
	}
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Scrub(a.Value.String()))
	case slog.KindAny:
		a.Value = redactAny(a.Value)
	}
	return a
}

// canHoldSecret lets numbers, times and truth values pass: token_count and
// refresh are no secrets as 12 and 5m.
func canHoldSecret(v slog.Value) bool {
	switch v.Kind() {
	case slog.KindString:
		return v.String() != ""
	case slog.KindAny:
		return v.Any() != nil
	default:
		return false
	}
}

// redactAny looks into values that slog leaves to encoders. A struct or map
// goes by way of JSON, because that is how it would be written; that costs
// something, and only those who log whole structs pay it.
func redactAny(v slog.Value) slog.Value {
	switch x := v.Any().(type) {
	case nil, *slog.Source, slog.Level:
		return v
	case error:
		return slog.StringValue(Scrub(x.Error()))
	case fmt.Stringer:
		return slog.StringValue(Scrub(x.String()))
	case []byte:
		return slog.StringValue(Scrub(string(x)))
	}
	raw, err := json.Marshal(v.Any())
	if err != nil {
		return slog.StringValue(Scrub(fmt.Sprintf("%+v", v.Any())))
	}
	var tree any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber() // large ids keep their digits
	if err := dec.Decode(&tree); err != nil {
		return slog.StringValue(Redacted)
	}
	return slog.AnyValue(redactTree(tree))
}

func redactTree(tree any) any {
	switch x := tree.(type) {
	case string:
		return Scrub(x)
	case []any:
		for i := range x {
			x[i] = redactTree(x[i])
		}
	case map[string]any:
		for k, v := range x {
			switch v.(type) {
			case json.Number, bool, nil:
				continue
			}
			if secretName(k) {
				x[k] = Redacted
			} else {
				x[k] = redactTree(v)
			}
		}
	}
	return tree
}

// secretName tells whether a name promises a secret.
func secretName(name string) bool {
	parts := words(name)
	if len(parts) == 1 && slices.Contains(secretNames, parts[0]) {
		return true
	}
	if len(parts) > 1 && slices.Contains(aboutSecrets, parts[len(parts)-1]) {
		return false
	}
	for i, w := range parts {
		if slices.Contains(secretWords, w) {
			return true
		}
		if w == "key" && i > 0 && slices.Contains([]string{"api", "secret", "signing", "private"}, parts[i-1]) {
			return true
		}
	}
	return false
}

// words cuts snake_case, kebab-case, camelCase and HTTPCase into lower-case words.
func words(name string) []string {
	var parts []string
	letters := []rune(name)
	start := 0
	flush := func(end int) {
		if end > start {
			parts = append(parts, strings.ToLower(string(letters[start:end])))
		}
		start = end
	}
	for i, r := range letters {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush(i)
			start = i + 1
		case !unicode.IsUpper(r) || i == 0:
		case unicode.IsLower(letters[i-1]), i+1 < len(letters) && unicode.IsLower(letters[i+1]):
			flush(i)
		}
	}
	flush(len(letters))
	return parts
}

// patterns find secrets in running text. hint is a cheap test that spares
// most texts the expression; $1 is what stays readable.
var patterns = []struct {
	hint string // lower case
	expr *regexp.Regexp
}{
	{"bearer", regexp.MustCompile(`(?i)(\bbearer\s+)[^\s"',;]+`)},
	{"basic", regexp.MustCompile(`(?i)(\bbasic\s+)[A-Za-z0-9+/=_-]{8,}`)},
	{"eyj", regexp.MustCompile(`()\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?`)},
	{"bdash_", regexp.MustCompile(`()\bbdash_[A-Za-z0-9-]{16,}[A-Za-z0-9_-]*`)},
	{"sk-", regexp.MustCompile(`()\bsk-[A-Za-z0-9_-]{12,}`)},
	{"://", regexp.MustCompile(`(://[^\s/:@]*:)[^\s/@]+@`)},
	{"=", regexp.MustCompile(`(?i)(\b(?:password|passwd|secret|token|ticket|access_token|refresh_token|api_key)=)[^\s&"',;]+`)},
}

// Scrub returns the text with everything that looks like a secret replaced
// by Redacted.
func Scrub(text string) string {
	lower := strings.ToLower(text)
	for _, p := range patterns {
		if !strings.Contains(lower, p.hint) {
			continue
		}
		end := Redacted
		if p.hint == "://" {
			end += "@"
		}
		text = p.expr.ReplaceAllString(text, "${1}"+end)
	}
	return text
}
