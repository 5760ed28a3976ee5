package drf_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/drf"
)

// answer is what came back for a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// send gives the request to the handler. headers are "Name: value".
func send(tb testing.TB, h http.Handler, method, target, body string, headers ...string) answer {
	tb.Helper()
	// What a client may send is more than httptest.NewRequest likes in a URL.
	r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
	r.Method, r.Host = method, "testserver"
	target, _, _ = strings.Cut(target, "#")
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ":")
		r.Header[http.CanonicalHeaderKey(name)] = []string{strings.TrimSpace(value)}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// noteDraft is what was sent of a note.
type noteDraft struct {
	title, mood *string
	done        *bool
	stars       *int64
}

// echo writes the fields that were sent.
func (d *noteDraft) echo(dst []byte) []byte {
	var members []string
	add := func(name, value string) { members = append(members, `"`+name+`":`+value) }
	if d.title != nil {
		add("title", string(drf.AppendString(nil, *d.title)))
	}
	if d.mood != nil {
		add("mood", string(drf.AppendString(nil, *d.mood)))
	}
	if d.done != nil {
		add("done", strconv.FormatBool(*d.done))
	}
	if d.stars != nil {
		add("stars", strconv.FormatInt(*d.stars, 10))
	}
	return append(dst, "{"+strings.Join(members, ",")+"}"...)
}

// noteFields are those of the site from which testdata/views.json was recorded.
func noteFields() *drf.Serializer[int, noteDraft] {
	ignoreText := func(*noteDraft, *string) {}
	s := drf.NewSerializer[int, noteDraft]("Note")
	s.Int("id", drf.Opt{Label: "Id"}, 0, 0, func(n *int) int64 { return int64(*n) }, nil)
	s.Char("title", drf.Opt{Required: true, Max: 10, Min: 2}, nil, func(d *noteDraft, v string) { d.title = &v })
	s.Choice("mood", drf.Opt{}, []drf.Choice{{Value: "good", Label: "Good"}, {Value: "bad", Label: "Bad"}}, nil, func(d *noteDraft, v string) { d.mood = &v })
	s.Bool("done", drf.Opt{}, nil, func(d *noteDraft, v bool) { d.done = &v })
	s.Int("stars", drf.Opt{}, 0, 5, nil, func(d *noteDraft, v int64) { d.stars = &v })
	s.URLOrNull("link", drf.Opt{Max: 200}, nil, ignoreText)
	s.TimeOrNull("due", drf.Opt{}, nil, func(*noteDraft, *time.Time) {})
	s.JSON("extra", drf.Opt{}, nil, func(*noteDraft, json.RawMessage) {})
	s.Strings("labels", drf.Opt{}, []drf.Choice{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}, nil, func(*noteDraft, []string) {})
	s.Float("weight", drf.Opt{}, nil, func(*noteDraft, float64) {})
	return s
}

// newSite lets everybody in who sends "Bearer <name>"; bad is nobody, guest may
// not, busy must wait.
func newSite() *drf.Site {
	return &drf.Site{
		Authenticate: func(r *http.Request) (any, error) {
			name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			switch {
			case !ok:
				return nil, nil
			case name == "bad":
				return nil, &drf.Error{Status: http.StatusUnauthorized, Detail: "Given token not valid for any token type"}
			default:
				return name, nil
			}
		},
		Throttle: func(r *drf.Request) (time.Duration, bool) {
			return 41200 * time.Millisecond, r.Principal != "busy"
		},
		BaseURL:   func(r *http.Request) string { return "http://" + r.Host },
		MaxBody:   1 << 16,
		Challenge: `Bearer realm="api"`,
		Vary:      "Accept",
	}
}

func noGuests(r *drf.Request) error {
	if r.Principal == "guest" {
		return drf.ErrPermissionDenied
	}
	return nil
}

const noteCount = 45

var notePages = drf.Pages{Default: 20, Max: 30}

// noteView lists 45 notes and echoes what is posted.
func noteView() *drf.View {
	fields := noteFields()
	list := func(w http.ResponseWriter, r *drf.Request) error {
		q, err := notePages.ListQuery(r, []string{"id", "title"}, nil)
		if err != nil {
			return err
		}
		last := (noteCount + q.Size - 1) / q.Size
		if q.Last {
			q.Number = last
		}
		if q.Number > last {
			return drf.ErrInvalidPage
		}
		var items []int
		for id := (q.Number-1)*q.Size + 1; id <= min(q.Number*q.Size, noteCount); id++ {
			items = append(items, id)
		}
		return drf.RespondPage(w, r, drf.PageInfo{Count: noteCount, Number: q.Number, Size: q.Size}, items, fields.Append)
	}
	create := func(w http.ResponseWriter, r *drf.Request) error {
		var d noteDraft
		if err := fields.Decode(r, &d, drf.Whole); err != nil {
			return err
		}
		return r.Respond(w, http.StatusCreated, d.echo)
	}
	return &drf.View{
		Path: "notes/", Name: "List", Description: "Notes of the user", Permit: noGuests, Metadata: fields,
		Methods: []drf.Method{
			{Verb: http.MethodGet, Handler: list, Doc: drf.Operation{Out: fields, List: true}},
			{Verb: http.MethodPost, Handler: create, Doc: drf.Operation{In: fields, Out: fields, Status: http.StatusCreated}},
		},
	}
}

func sortedLines(m map[string]string) []string {
	var lines []string
	for name, value := range m {
		lines = append(lines, name+": "+value)
	}
	slices.Sort(lines)
	return lines
}
