package drf_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bdash/bdash/internal/drf"
)

// Note is the resource of the example.
type Note struct {
	ID    int64
	Title string
	Done  bool
}

// NoteDraft is what a client sends of a note: nil is absent.
type NoteDraft struct {
	Title *string
	Done  *bool
}

// noteResource is everything that is said of the fields.
func noteResource() *drf.Serializer[Note, NoteDraft] {
	s := drf.NewSerializer[Note, NoteDraft]("Note")
	s.Int("id", drf.Opt{}, 0, 0, func(n *Note) int64 { return n.ID }, nil)
	s.Char("title", drf.Opt{Required: true, Max: 20, Help: "What to do.", Example: `"buy milk"`},
		func(n *Note) string { return n.Title }, func(d *NoteDraft, v string) { d.Title = &v })
	s.Bool("done", drf.Opt{},
		func(n *Note) bool { return n.Done }, func(d *NoteDraft, v bool) { d.Done = &v })
	return s
}

// notebook keeps notes in memory and answers for them.
type notebook struct {
	mu     sync.Mutex
	notes  []Note
	fields *drf.Serializer[Note, NoteDraft]
}

var (
	noteOrderings = []string{"id", "title"}
	noteFilters   = []drf.Filter{{Field: "done", Boolean: true}}
)

func (b *notebook) list(w http.ResponseWriter, r *drf.Request) error {
	q, err := drf.Pages{Default: 2, Max: 10}.ListQuery(r, noteOrderings, noteFilters)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	found := slices.DeleteFunc(slices.Clone(b.notes), func(n Note) bool {
		if done, ok := q.Filters["done"]; ok && done != strconv.FormatBool(n.Done) {
			return true
		}
		return slices.ContainsFunc(q.Search, func(word string) bool { return !strings.Contains(n.Title, word) })
	})
	for _, o := range slices.Backward(q.Ordering) {
		slices.SortStableFunc(found, func(x, y Note) int {
			order := int(x.ID - y.ID)
			if o.Field == "title" {
				order = strings.Compare(x.Title, y.Title)
			}
			if o.Desc {
				return -order
			}
			return order
		})
	}
	pages := max(1, (len(found)+q.Size-1)/q.Size)
	if q.Last {
		q.Number = pages
	}
	if q.Number > pages {
		return drf.ErrInvalidPage
	}
	page := found[(q.Number-1)*q.Size : min(q.Number*q.Size, len(found))]
	return drf.RespondPage(w, r, drf.PageInfo{Count: len(found), Number: q.Number, Size: q.Size}, page, b.fields.Append)
}

func (b *notebook) create(w http.ResponseWriter, r *drf.Request) error {
	var d NoteDraft
	if err := b.fields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := Note{ID: int64(len(b.notes) + 1), Title: *d.Title, Done: d.Done != nil && *d.Done}
	b.notes = append(b.notes, n)
	return b.fields.Respond(w, r, http.StatusCreated, &n)
}

func (b *notebook) patch(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if id < 1 || id > int64(len(b.notes)) {
		return drf.ErrNotFound
	}
	var d NoteDraft
	if err := b.fields.Decode(r, &d, drf.Partial); err != nil {
		return err
	}
	n := &b.notes[id-1]
	if d.Title != nil {
		n.Title = *d.Title
	}
	if d.Done != nil {
		n.Done = *d.Done
	}
	return b.fields.Respond(w, r, http.StatusOK, n)
}

// views declare the paths.
func (b *notebook) views() []*drf.View {
	return []*drf.View{
		{Path: "notes/", Name: "Note List", Auth: drf.AuthIgnored, Metadata: b.fields, Methods: []drf.Method{
			{Verb: http.MethodGet, Handler: b.list, Doc: drf.Operation{Out: b.fields, List: true, Params: drf.ListParams(noteOrderings, "the title", noteFilters)}},
			{Verb: http.MethodPost, Handler: b.create, Doc: drf.Operation{In: b.fields, Out: b.fields, Status: http.StatusCreated}},
		}},
		{Path: "notes/{id}/", Name: "Note Instance", Auth: drf.AuthIgnored, Methods: []drf.Method{
			{Verb: http.MethodPatch, Handler: b.patch, Doc: drf.Operation{In: b.fields, PartialIn: true, Out: b.fields}},
		}},
	}
}

// serve mounts the views on a ServeMux: each path once, without a method, and
// with {$} after the slash.
func (b *notebook) serve() http.Handler {
	site := &drf.Site{
		BaseURL: func(*http.Request) string { return "http://notes.example" },
		MaxBody: 1 << 20,
		Vary:    "Accept",
	}
	mux := http.NewServeMux()
	for _, v := range b.views() {
		mux.Handle("/"+v.Path+"{$}", site.Handler(v))
	}
	return mux
}

// A whole API: a list with pages, ordering, search and a filter, creation from
// JSON and from a form, partial updates, OPTIONS and errors.
func Example() {
	server := httptest.NewServer((&notebook{fields: noteResource()}).serve())
	defer server.Close()
	call := func(method, path, body string) {
		r, err := http.NewRequest(method, server.URL+path, strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Header.Set("Content-Type", "application/json")
		if !strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := server.Client().Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(strings.TrimSpace(method + " " + path + " " + body))
		fmt.Println("  ", res.StatusCode, string(answer))
	}
	call("POST", "/notes/", `{"title":"  buy milk "}`)
	call("POST", "/notes/", `title=buy+bread&done=on`)
	call("POST", "/notes/", `{"title":"sleep","done":"no"}`)
	call("POST", "/notes/", `{"title":"","done":7}`)
	call("GET", "/notes/?ordering=-title", "")
	call("GET", "/notes/?search=buy&done=true", "")
	call("GET", "/notes/?page=9", "")
	call("PATCH", "/notes/1/", `{"done":true}`)
	call("PATCH", "/notes/7/", `{"done":true}`)
	call("DELETE", "/notes/1/", "")
	call("OPTIONS", "/notes/1/", "")
	// Output:
	// POST /notes/ {"title":"  buy milk "}
	//    201 {"id":1,"title":"buy milk","done":false}
	// POST /notes/ title=buy+bread&done=on
	//    201 {"id":2,"title":"buy bread","done":true}
	// POST /notes/ {"title":"sleep","done":"no"}
	//    201 {"id":3,"title":"sleep","done":false}
	// POST /notes/ {"title":"","done":7}
	//    400 {"title":["This field may not be blank."],"done":["Must be a valid boolean."]}
	// GET /notes/?ordering=-title
	//    200 {"count":3,"next":"http://notes.example/notes/?ordering=-title&page=2","previous":null,"results":[{"id":3,"title":"sleep","done":false},{"id":1,"title":"buy milk","done":false}]}
	// GET /notes/?search=buy&done=true
	//    200 {"count":1,"next":null,"previous":null,"results":[{"id":2,"title":"buy bread","done":true}]}
	// GET /notes/?page=9
	//    404 {"detail":"Invalid page."}
	// PATCH /notes/1/ {"done":true}
	//    200 {"id":1,"title":"buy milk","done":true}
	// PATCH /notes/7/ {"done":true}
	//    404 {"detail":"Not found."}
	// DELETE /notes/1/
	//    405 {"detail":"Method \"DELETE\" not allowed."}
	// OPTIONS /notes/1/
	//    200 {"name":"Note Instance","description":"","renders":["application/json","text/html"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}
}

// The description of the same API: ids and summaries follow from the
// declarations, as do parameters, bodies, answers and errors.
func ExampleOpenAPI() {
	doc := drf.OpenAPI(drf.Info{Title: "Notes", Version: "1.0", License: "MIT"}, (&notebook{fields: noteResource()}).views())
	if err := doc.Err(); err != nil {
		fmt.Println(err)
		return
	}
	for line := range strings.Lines(string(doc.YAML())) {
		if line = strings.TrimRight(line, "\n"); strings.HasPrefix(line, "  /") || strings.HasPrefix(line, "      summary: ") || strings.HasPrefix(line, "      operationId: ") {
			fmt.Println(line)
		}
	}
	// Output:
	//   /notes/:
	//       summary: List notes
	//       operationId: notes_list
	//       summary: Create a note
	//       operationId: notes_create
	//   /notes/{id}/:
	//       summary: Update a note
	//       operationId: notes_partial_update
}

// ExampleSerializer_DecodeValue decodes input that did not come by HTTP.
func ExampleSerializer_DecodeValue() {
	input, err := drf.ParseJSON([]byte(`{"title": 42, "done": "maybe"}`), drf.ParseOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var d NoteDraft
	fmt.Println(noteResource().DecodeValue(input, &d, drf.Partial))
	// Output:
	// invalid input; done: Must be a valid boolean.
}
