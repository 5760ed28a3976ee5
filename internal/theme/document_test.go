package theme_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/theme"
)

// TestBuiltInThemesAsDocuments: their palettes have every colour of a document.
func TestBuiltInThemesAsDocuments(t *testing.T) {
	t.Parallel()
	b := newBundle(openFor(t))
	ann := b.user(t, "ann")
	for id := int64(-1); id >= -4; id-- {
		builtIn, err := b.ByID(t.Context(), ann, id)
		if err != nil {
			t.Fatal(err)
		}
		if doc := string(theme.DocumentOf(&builtIn)); strings.Contains(doc, "transparent") {
			t.Errorf("the document of %d lacks a color: %s", id, doc)
		}
		// What a browser was given, it can give back under an id of its own.
		made, err := b.CreateDocument(t.Context(), ann, []byte(strings.Replace(string(theme.DocumentOf(&builtIn)), `"id":"bdash-`, `"id":"copy`, 1)))
		if err != nil {
			t.Errorf("CreateDocument of the document of %d: %v", id, err)
		} else if made.ClientID == "" || !strings.HasPrefix(made.Name, builtIn.Name) {
			t.Errorf("CreateDocument = %q %q", made.ClientID, made.Name)
		}
	}
}

// FuzzDocument stores any JSON as a browser's theme. Either it is refused with
// a word about a field, or it is given back unchanged.
func FuzzDocument(f *testing.F) {
	b := newBundle(openFor(f))
	ann := b.user(f, "ann")
	builtIn, err := b.ByID(f.Context(), ann, -1)
	if err != nil {
		f.Fatal(err)
	}
	good := strings.Replace(string(theme.DocumentOf(&builtIn)), `"id":"bdash--1"`, `"id":"x"`, 1)
	for _, text := range []string{good, strings.Replace(good, `"x"`, `null`, 1), strings.Replace(good, `"Light"`, `"\ud800"`, 1), strings.Replace(good, "0.5rem", "1e9rem", 1),
		strings.Replace(good, `"name":`, `"Name":1,"name":`, 1), strings.Replace(good, `"metadata":{`, `"metadata":{"author":null,`, 1), "{}", "[]", "null", `{"name":1}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			return // such text is turned away before it comes to this room
		}
		made, err := b.CreateDocument(t.Context(), ann, []byte(text))
		if err != nil {
			if e, ok := fault.As(err); !ok || !errors.Is(err, theme.ErrClientIDTaken) && (e.Kind != fault.Invalid || len(e.Fields) != 1 || e.Fields[0].Message == "") {
				t.Fatalf("CreateDocument(%s) = %v, want a field fault", text, err)
			}
			return
		}
		read, err := b.ByClientID(t.Context(), ann, made.ClientID)
		if diff := cmp.Diff(made, read); err != nil || diff != "" {
			t.Fatalf("ByClientID: %v (-created +read):\n%s", err, diff)
		}
		var sent, got map[string]any
		if json.Unmarshal([]byte(text), &sent) != nil || json.Unmarshal(theme.DocumentOf(&read), &got) != nil {
			t.Fatalf("%s became %s", text, theme.DocumentOf(&read))
		}
		sent["id"] = made.ClientID
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Fatalf("the document changed (-sent +got):\n%s", diff)
		}
		if err := b.DeleteByClientID(t.Context(), ann, made.ClientID); err != nil {
			t.Fatal(err)
		}
	})
}
