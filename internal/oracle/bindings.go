package oracle

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// bindings remember what stands for what: the recorded id 47 may be 12 here, but then it is 12 everywhere, and a time
// that stayed the same in the recording stays the same here.
type bindings struct {
	ids     map[string]string // kind and recorded id -> real id
	owners  map[string]string // kind and real id -> recorded id
	times   map[string]string // recorded time -> real time
	changes map[string]string // real updated_at -> recorded one
}

func newBindings() bindings {
	return bindings{
		ids: make(map[string]string), owners: make(map[string]string),
		times: make(map[string]string), changes: make(map[string]string),
	}
}

// lastSeedID is the highest id of each kind in [RecordSeed]. Those are kept by the import and compared exactly.
var lastSeedID = map[string]int64{
	"user": 8, "theme": 46, "view": 1, "widget": 5, "agent": 23, "conversation": 1,
}

// id compares an id and returns what is wrong with it, or "".
func (b bindings) id(kind, want, got string) string {
	recorded, err := strconv.ParseInt(want, 10, 64)
	if err != nil {
		return fmt.Sprintf("is recorded as %q, which is no id", want)
	}
	id, err := strconv.ParseInt(got, 10, 64)
	if err != nil {
		return fmt.Sprintf("is %s, want an integer", got)
	}
	if recorded <= lastSeedID[kind] {
		if id != recorded {
			return fmt.Sprintf("is %d, want %d from the seed", id, recorded)
		}
		return ""
	}
	if id <= lastSeedID[kind] {
		return fmt.Sprintf("is %d, want the id of a new %s", id, kind)
	}
	if bound, ok := b.ids[kind+want]; ok && bound != got {
		return fmt.Sprintf("is %s, want %s as before", got, bound)
	}
	if owner, ok := b.owners[kind+got]; ok && owner != want {
		return fmt.Sprintf("is %s, which was another %s before", got, kind)
	}
	b.ids[kind+want], b.owners[kind+got] = got, want
	return ""
}

// idPlaces says which numbers in an answer are ids, and of what.
var idPlaces = []struct {
	path    *regexp.Regexp
	pointer *regexp.Regexp
	kind    string
}{
	{regexp.MustCompile(`^/api/auth/`), regexp.MustCompile(`^\$(\.user)?\.id$`), "user"},
	{regexp.MustCompile(`^/api/themes/`), regexp.MustCompile(`^\$(\.results\[\*\])?\.id$`), "theme"},
	{regexp.MustCompile(`^/api/dashboard/views/`), regexp.MustCompile(`^\$(\.results\[\*\])?\.id$`), "view"},
	{regexp.MustCompile(`^/api/widgets/`), regexp.MustCompile(`^\$(\.results\[\*\])?\.id$`), "widget"},
	{regexp.MustCompile(`^/api/widgets/`), regexp.MustCompile(`^\$(\.results\[\*\])?\.created_by$`), "user"},
	{regexp.MustCompile(`^/api/ai/agents/conversations/`), regexp.MustCompile(`^\$\[\*\]\.id$`), "conversation"},
	{regexp.MustCompile(`^/api/ai/agents/conversations/`), regexp.MustCompile(`^\$\[\*\]\.agent$`), "agent"},
	{regexp.MustCompile(`^/api/ai/agents/`), regexp.MustCompile(`^\$(\.results\[\*\])?\.id$`), "agent"},
	{regexp.MustCompile(`^/api/ai/agents/`), regexp.MustCompile(`^\$\.conversation_id$`), "conversation"},
}

// idKind returns whose id stands at a pointer of an answer, or "".
func idKind(target, pointer string) string {
	path, pointer := cleanPath(target), anyIndex(pointer)
	for _, p := range idPlaces {
		if p.path.MatchString(path) && p.pointer.MatchString(pointer) {
			return p.kind
		}
	}
	return ""
}

// seedMade is when the seed was complete and the recording had not begun: earlier times come from the seed.
var seedMade = time.Date(2026, 11, 22, 15, 6, 35, 0, time.UTC)

// Times end in Z, but for those inside chat messages. Six digits of fraction, or none when they are all zero.
var timeForm = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?(Z?)$`)

func isTime(text string) bool { return timeForm.MatchString(text) }

// time compares a time: exactly when it comes from the seed, otherwise by form and by being the same as before.
func (c *comparison) time(pointer, want, got string) {
	moment, err := parseTime(want)
	if err != nil {
		c.fail("%s: recorded time: %v", pointer, err)
		return
	}
	if moment.Before(seedMade) {
		if want != got {
			c.fail("%s is %q, want %q from the seed", pointer, got, want)
		}
		return
	}
	w, g := timeForm.FindStringSubmatch(want), timeForm.FindStringSubmatch(got)
	if _, err := parseTime(got); err != nil || g == nil || g[1] == ".000000" || g[2] != w[2] {
		c.fail("%s is %q, want a time in the form of %q", pointer, got, want)
		return
	}
	b := c.replayer.bound
	if bound, ok := b.times[want]; ok && bound != got {
		c.fail("%s is %q, want %q as before", pointer, got, bound)
		return
	}
	b.times[want] = got
	if strings.HasSuffix(pointer, ".updated_at") {
		if other, ok := b.changes[got]; ok && other != want {
			c.fail("%s is still %q, want it to have moved", pointer, got)
			return
		}
		b.changes[got] = want
	}
}

func parseTime(text string) (time.Time, error) {
	return time.Parse("2006-01-02T15:04:05.999999", strings.TrimSuffix(text, "Z"))
}
