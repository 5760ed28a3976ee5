package oracle

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// value compares one JSON value. The pointer names it: "$" is the body, "$.results[3].id" a member of it.
func (c *comparison) value(pointer string, want, got any) {
	switch want := want.(type) {
	case map[string]any:
		c.object(pointer, want, got)
	case []any:
		c.list(pointer, want, got)
	case string:
		c.str(pointer, want, got)
	case json.Number:
		c.number(pointer, want, got)
	default: // true, false, null
		if want != got {
			c.fail("%s is %s, want %s", pointer, show(got), show(want))
		}
	}
}

func (c *comparison) object(pointer string, want map[string]any, got any) {
	object, ok := got.(map[string]any)
	if !ok {
		c.fail("%s is %s, want an object", pointer, show(got))
		return
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		member := pointer + "." + key
		if value, ok := object[key]; ok {
			c.value(member, want[key], value)
		} else {
			c.fail("%s is missing, want %s", member, show(want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if _, recorded := want[key]; !recorded && !mayAdd(c.exchange.Path, pointer, key) {
			c.fail("%s.%s is %s, want no such key", pointer, key, show(object[key]))
		}
	}
}

func (c *comparison) list(pointer string, want []any, got any) {
	list, ok := got.([]any)
	if !ok {
		c.fail("%s is %s, want a list", pointer, show(got))
		return
	}
	if len(list) != len(want) {
		c.fail("%s has %d items, want %d: %s", pointer, len(list), len(want), show(got))
		return
	}
	for i := range want {
		c.value(fmt.Sprintf("%s[%d]", pointer, i), want[i], list[i])
	}
}

const (
	parseError = "JSON parse error - " // the words after it are free
	minute     = ` - \d{4}-\d\d-\d\d \d\d:\d\d$`
)

var (
	throttled      = regexp.MustCompile(`^Request was throttled\. Expected available in (\d+) seconds?\.$`)
	titleWithTime  = regexp.MustCompile(minute)
	looksLikeToken = regexp.MustCompile(`^eyJ[\w-]+\.[\w-]+\.[\w-]+$`)
)

func (c *comparison) str(pointer, want string, got any) {
	text, ok := got.(string)
	if !ok {
		c.fail("%s is %s, want %s", pointer, show(got), show(want))
		return
	}
	switch {
	case strings.HasPrefix(want, "‹"):
		c.marker(pointer, want, text)
	case strings.Contains(want, "{{"):
		captured := placeholder.ReplaceAllStringFunc(want, func(found string) string {
			return c.replayer.values[found[2:len(found)-2]]
		})
		if captured == "" || captured != text {
			c.fail("%s is %s, want the value of %s", pointer, show(got), want)
		}
	case looksLikeToken.MatchString(want):
		c.token(pointer, want, text)
	case isTime(want):
		c.time(pointer, want, text)
	case throttled.MatchString(want):
		c.wait(pointer, want, text)
	case strings.HasPrefix(want, parseError):
		if !strings.HasPrefix(text, parseError) || text == parseError {
			c.fail("%s is %s, want %q and a reason", pointer, show(got), parseError)
		}
	case titleWithTime.MatchString(want):
		prefix := titleWithTime.ReplaceAllString(want, "")
		if !titleWithTime.MatchString(text) || titleWithTime.ReplaceAllString(text, "") != prefix {
			c.fail("%s is %s, want %q and the minute", pointer, show(got), prefix+" - ")
		}
	default:
		if rest, ok := strings.CutPrefix(want, recordedBaseURL); ok {
			want = c.replayer.BaseURL + rest
		}
		if want != text {
			c.fail("%s is %s, want %s", pointer, show(got), show(want))
		}
	}
}

// wait compares the throttle's sentence, whose seconds may lie a minute off like Retry-After.
func (c *comparison) wait(pointer, want, got string) {
	w, g := throttled.FindStringSubmatch(want), throttled.FindStringSubmatch(got)
	if g == nil || compareHeader("retry-after", w[1], g[1]) != "" {
		c.fail("%s is %s, want %s within %d seconds", pointer, show(got), show(want), retrySlack)
		return
	}
	if header := c.got.header.Get("Retry-After"); header != g[1] {
		c.fail("%s says %s seconds, but Retry-After says %s", pointer, g[1], header)
	}
}

// number compares numbers by kind and value: 1 and 1.0 are different answers to a typed client, 1e-07 and 0.0000001
// are not. Ids of rows made during the replay stand for the recorded ones.
func (c *comparison) number(pointer string, want json.Number, got any) {
	number, ok := got.(json.Number)
	if !ok {
		c.fail("%s is %s, want %s", pointer, show(got), want)
		return
	}
	if kind := idKind(c.exchange.Path, pointer); kind != "" {
		if problem := c.replayer.bound.id(kind, want.String(), number.String()); problem != "" {
			c.fail("%s %s", pointer, problem)
		}
		return
	}
	if !sameNumber(want.String(), number.String()) {
		c.fail("%s is %s, want %s", pointer, number, want)
	}
}

func sameNumber(want, got string) bool {
	if want == got {
		return true
	}
	isFloat := func(s string) bool { return strings.ContainsAny(s, ".eE") }
	if isFloat(want) != isFloat(got) {
		return false
	}
	// 200 bits hold every recorded number; an absurd exponent becomes infinite, not a large allocation.
	w, _, errW := big.ParseFloat(want, 10, 200, big.ToNearestEven)
	g, _, errG := big.ParseFloat(got, 10, 200, big.ToNearestEven)
	return errW == nil && errG == nil && w.Cmp(g) == 0
}

// tiedLists names the lists whose rows tie in the sort key: rows with equal keys come in no defined order, so the
// sequence of the keys is compared, and each row with the recorded row of its id.
var tiedLists = map[place]string{
	{"13_themes_pagination_search_ordering", 27}: "colors",
	{"40_ai_agents", 46}:                         "last_used",
	{"40_ai_agents", 48}:                         "last_used",
}

func (c *comparison) tied(want, got any, key string) {
	wantRows, gotRows := listRows(want), listRows(got)
	if len(wantRows) != len(gotRows) {
		c.fail("$.results has %d items, want %d", len(gotRows), len(wantRows))
		return
	}
	known, seen := c.scenario.rowsByID(), make(map[string]bool)
	for i := range gotRows {
		pointer := fmt.Sprintf("$.results[%d]", i)
		row, ok := gotRows[i].(map[string]any)
		if !ok {
			c.fail("%s is %s, want an object", pointer, show(gotRows[i]))
			return
		}
		id := fmt.Sprint(row["id"])
		if known[id] == nil || seen[id] {
			c.fail("%s.id is %s, want the id of a recorded row, and once", pointer, id)
			continue
		}
		seen[id] = true
		c.value(pointer, known[id], row)
		c.value(pointer+"."+key, wantRows[i].(map[string]any)[key], row[key])
	}
	// The envelope is compared like any other, with the rows set aside.
	rest := func(v any) map[string]any {
		m := maps.Clone(v.(map[string]any))
		delete(m, "results")
		return m
	}
	c.value("$", rest(want), rest(got))
}

// show writes a value for a message.
func show(v any) string {
	text, err := encode(v)
	if err != nil {
		return strconv.Quote(fmt.Sprint(v))
	}
	return short(text)
}

// cleanPath returns the path of a request target, unescaped and without its query.
func cleanPath(target string) string {
	path, _, _ := strings.Cut(target, "?")
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// anyIndex turns "$.results[3].id" into "$.results[*].id".
func anyIndex(pointer string) string { return listIndex.ReplaceAllString(pointer, "[*]") }
