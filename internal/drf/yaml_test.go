package drf_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/bdash/bdash/internal/drf"
)

// yamlTexts are texts that YAML could misread.
var yamlTexts = []string{
	"", " ", "a", "a b", " a", "a ", "true", "No", "y", "null", "~", "1", "1.5", "0x1", "1e3", ".inf", "-", "- a", "a: b", "a:", "a #b", "#a", "*a", "&a", "!a", "%a", "@a", "`a`",
	"{a}", "[a]", "'a'", `"a"`, `\`, "a\nb", "a\n", "a\n\n", "\na", "a\n b", " a\nb", "a\n\nb\n", "a\r\nb", "a\tb", "\t", "a\n\tb", "a\n  \nb", "a\nb  ", "é", "😀", "\u0085", "\u2028", "\ufeff", "\x00", "\x7f", "\u00a0",
	"/themes/{id}/", "application/json", "$ref", "#/components/x", "2026-01-02", "2026-01-02T03:04:05Z", "a, b", "---", "...", "? a", "=", "<<", "yes", "OFF", "a\n---\nb", "0o7", "1_000", "12:30:45",
}

// described puts texts into every place of a document that holds free text.
func described(texts ...string) *drf.Document {
	fields := drf.Shape("Thing", drf.FieldInfo{Name: "a"})
	view := &drf.View{Path: "a/", Methods: []drf.Method{{Verb: "GET"}}}
	info := drf.Info{Title: "t", Version: "1", Description: texts[0]}
	for i, text := range texts {
		quoted := string(drf.AppendString(nil, text))
		info.Tags = append(info.Tags, drf.Tag{Name: text, Text: text})
		view.Methods[0].Doc = drf.Operation{Text: text, Summary: text, Out: fields, Example: `{` + quoted + `:[` + quoted + `,{` + quoted + `:` + quoted + `,"z":[[],{},[` + quoted + `]]}]}`}
		view.Methods[0].Doc.Params = append(view.Methods[0].Doc.Params, drf.Param{Name: "p" + strings.Repeat("x", i), Enum: texts})
	}
	return drf.OpenAPI(info, []*drf.View{view})
}

func checkYAML(t *testing.T, doc *drf.Document) {
	t.Helper()
	var fromYAML, fromJSON any
	if err := yaml.Unmarshal(doc.YAML(), &fromYAML); err != nil {
		t.Fatalf("%v in\n%s", err, doc.YAML())
	}
	if err := json.Unmarshal(doc.JSON(), &fromJSON); err != nil {
		t.Fatal(err)
	}
	// Once more through JSON: YAML tells whole numbers from others, JSON does not.
	text, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var again any
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, again); diff != "" {
		t.Errorf("YAML says something else (-JSON +YAML):\n%s\n%s", diff, doc.YAML())
	}
}

func TestYAMLSaysWhatJSONSays(t *testing.T) {
	t.Parallel()
	checkYAML(t, drf.OpenAPI(petInfo(), petViews()))
	checkYAML(t, described(yamlTexts...))
	for _, text := range yamlTexts {
		checkYAML(t, described(text))
	}
}

func FuzzYAML(f *testing.F) {
	for _, text := range yamlTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { checkYAML(t, described(text)) })
}
