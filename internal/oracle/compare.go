package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// retrySlack is how far a Retry-After, in seconds, may lie from the recorded one.
const retrySlack = 60

// A comparison judges one answer.
type comparison struct {
	replayer *Replayer
	scenario Scenario
	exchange Exchange
	want     Answer
	got      reply
	problems []string
}

func (c *comparison) fail(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *comparison) run() {
	if c.got.status != c.want.Status {
		c.fail("status %d, want %d; body %s", c.got.status, c.want.Status, short(c.got.body))
		return // what follows from a wrong status only hides it
	}
	c.headers()
	if c.want.Body == nil {
		if len(c.got.body) > 0 {
			c.fail("body %s, want none", short(c.got.body))
		}
		return
	}
	want, err := decode(c.want.Body)
	if err != nil {
		c.fail("expected body is not JSON: %v", err)
		return
	}
	got, err := decode(c.got.body)
	if err != nil {
		c.fail("body is not JSON (%v): %s", err, short(c.got.body))
		return
	}
	c.text()
	if key, tied := tiedLists[place{c.scenario.Name, c.exchange.Index}]; tied {
		c.tied(want, got, key)
		return
	}
	c.value("$", want, got)
}

// notCompared are recorded headers that bdash is free in. Lengths follow from the body, which is compared.
var notCompared = map[string]bool{"content-length": true}

// notUnasked are headers that must not appear where they were not recorded.
var notUnasked = []string{
	"content-type", "www-authenticate", "location", "retry-after", "set-cookie",
	"access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-headers",
	"access-control-allow-methods", "access-control-max-age",
}

func (c *comparison) headers() {
	for _, name := range slices.Sorted(maps.Keys(c.want.Header)) {
		if notCompared[name] {
			continue
		}
		want, got := c.want.Header[name], strings.Join(c.got.header.Values(name), ", ")
		if problem := compareHeader(name, want, got); problem != "" {
			c.fail("header %s: %s", name, problem)
		}
	}
	for _, name := range notUnasked {
		if _, asked := c.want.Header[name]; !asked && len(c.got.header.Values(name)) > 0 {
			c.fail("header %s: is %q, want none", name, c.got.header.Get(name))
		}
	}
	if c.got.status == http.StatusNoContent && c.got.header.Get("Content-Length") != "" {
		c.fail("header content-length: is %q on a 204, want none", c.got.header.Get("Content-Length"))
	}
}

// compareHeader returns what is wrong with a header's value, or "".
func compareHeader(name, want, got string) string {
	differs := fmt.Sprintf("is %q, want %q", got, want)
	switch name {
	case "allow", "access-control-allow-headers", "access-control-allow-methods":
		for item := range words(want) {
			if !words(got)[item] {
				return differs + " or more"
			}
		}
	case "vary":
		if !maps.Equal(words(want), words(got)) {
			return differs + " in any order"
		}
	case "retry-after":
		wantSeconds, _ := strconv.Atoi(want)
		gotSeconds, err := strconv.Atoi(got)
		if err != nil || gotSeconds < wantSeconds-retrySlack || gotSeconds > wantSeconds+retrySlack {
			return fmt.Sprintf("%s within %d seconds", differs, retrySlack)
		}
	default:
		if want != got {
			return differs
		}
	}
	return ""
}

// words splits a comma-separated header into a set, without case.
func words(list string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.ToLower(strings.TrimSpace(word)); word != "" {
			set[word] = true
		}
	}
	return set
}

// text checks how the JSON text is written: without spaces, or indented as the Accept header asks; with only those
// characters escaped that were escaped in the recording. Every recorded text obeys this.
func (c *comparison) text() {
	var plain bytes.Buffer
	var err error
	if _, spaces, ok := strings.Cut(c.exchange.Header["Accept"], "indent="); ok {
		n, _ := strconv.Atoi(spaces)
		err = json.Indent(&plain, c.got.body, "", strings.Repeat(" ", n))
	} else {
		err = json.Compact(&plain, c.got.body)
	}
	if err != nil {
		c.fail("body text: %v", err)
		return
	}
	if !bytes.Equal(plain.Bytes(), c.got.body) {
		c.fail("body text has other white space than recorded: %s", short(c.got.body))
	}
	if bytes.ContainsAny(c.got.body, "\u2028\u2029") {
		c.fail(`body text holds U+2028 or U+2029 unescaped`)
	}
	if found := needlessEscape(string(c.got.body)); found != "" {
		c.fail("body text escapes %s, which was recorded as it is", found)
	}
}

// needlessEscape returns the first \u escape that the recording would not have used, or "".
func needlessEscape(text string) string {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		i++ // the escaped character; a second backslash is consumed with its partner
		if text[i] != 'u' || i+4 >= len(text) {
			continue
		}
		code, err := strconv.ParseUint(text[i+1:i+5], 16, 16)
		if err == nil && code >= 0x20 && code != 0x2028 && code != 0x2029 {
			return text[i-1 : i+5]
		}
	}
	return ""
}

// capture keeps the values that later requests use.
func (c *comparison) capture(captures map[string]string) {
	if len(captures) == 0 || c.got.status != c.want.Status {
		return
	}
	body, err := decode(c.got.body)
	if err != nil {
		return // already reported
	}
	for name, path := range captures {
		value := body
		for step := range strings.SplitSeq(path, ".") {
			object, _ := value.(map[string]any)
			value = object[step]
		}
		switch v := value.(type) {
		case string:
			c.replayer.values[name] = v
		case json.Number:
			c.replayer.values[name] = v.String()
		default:
			c.fail("nothing to capture for {{%s}} at %s", name, path)
		}
	}
}
