package source_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

func TestParametersOfStatements(t *testing.T) {
	t.Parallel()
	r := &source.Registry{}
	cases := []struct {
		kind, sql string
		want      string // Uses
		wrong     string // or what is wrong
	}{
		{"postgresql", "SELECT 1", "{false false []}", ""},
		{"postgresql", "SELECT :user_id, :period_from, :setting.b, :setting.a, :setting.b", "{true true [a b]}", ""},
		{"postgresql", "SELECT 'it''s :user_id', E'\\':user_id', \":user_id\", $$:user_id$$, $a$ $$ :user_id $a$", "{false false []}", ""},
		{"postgresql", "SELECT x::text, a[1:2], a[n:m] -- :nope", "{false false []}", ""},
		{"postgresql", "SELECT /* /* :nope */ ; */ 1;", "{false false []}", ""},
		{"postgresql", "SELECT name$1 FROM t", "{false false []}", ""},
		{"postgresql", "SELECT 'a\\' , :user_id", "{true false []}", ""}, // a backslash is none
		{"mysql", "SELECT 'a\\' , :user_id'", "{false false []}", ""},
		{"mysql", "SELECT `:user_id` # :nope\n, @x := 1, 5--3", "{false false []}", ""},
		{"sqlite", "SELECT [a:user_id], `:user_id`, x'00' ; -- the end", "{false false []}", ""},
		{"postgresql", "SELECT :nope", "", `unknown parameter "nope"`},
		{"postgresql", "SELECT :setting.", "", `unknown parameter "setting"`},
		{"postgresql", "SELECT 1; SELECT 2", "", "more than one statement"},
		{"postgresql", "SELECT 1; :user_id", "", "more than one statement"},
		{"postgresql", "SELECT 'open", "", "quote does not end"},
		{"postgresql", "SELECT /* open /* */", "", "comment does not end"},
		{"postgresql", "SELECT $a$ open", "", "does not end"},
		{"postgresql", "SELECT $1", "", "not as $"},
		{"sqlite", "SELECT ?", "", "not as ?"},
		{"sqlite", "SELECT @a", "", "not as @"},
		{"mysql", "SELECT ?", "", "not as ?"},
		{"mysql", "SELECT /*!50000 1 */", "", "comments that are run"},
		{"postgresql", " -- nothing", "", "empty"},
		{"postgresql", "SELECT \x00", "", "NUL"},
	}
	for _, c := range cases {
		u, err := r.Uses(c.kind, []byte(sqlText(c.sql)))
		if c.wrong != "" {
			wantCode(t, c.kind+" "+c.sql, err, widget.CodeQuery, c.wrong)
		} else if got := fmt.Sprint(u); err != nil || got != c.want {
			t.Errorf("%s %s: %s, %v; want %s", c.kind, c.sql, got, err, c.want)
		}
	}
	for _, query := range []string{``, `null`, `[]`, `{"sql":1}`, `{"sql":"SELECT 1","x":1}`, `{"sql":"SELECT 1","types":{"a":"date"}}`} {
		_, err := r.Uses(widget.SourceSQLite, []byte(query))
		wantCode(t, query, err, widget.CodeQuery, "")
	}
	_, err := r.Uses("oracle", []byte(`{}`))
	wantCode(t, "oracle", err, widget.CodeSettings, "oracle")
}

// Whatever the text, a value stays a value: SQLite, which looks at the
// statement itself, finds as many parameters as are bound, or refuses it.
func FuzzStatement(f *testing.F) {
	for _, s := range []string{"SELECT :user_id", "SELECT ':user_id' || :setting.name", "SELECT 1; SELECT 2", "SELECT [:user_id", "SELECT \"a\"\":user_id\" -- x"} {
		f.Add(s)
	}
	p, _ := sqlitePlace(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, word := range []string{"recursive", "randomblob", "zeroblob", "printf", "format", "replace"} {
			if strings.Contains(strings.ToLower(text), word) {
				return // slow, not wrong
			}
		}
		raw, err := json.Marshal(map[string]string{"sql": text})
		if err != nil {
			return
		}
		_, err = p.Fetch(t.Context(), p.conn, asked(string(raw)))
		if err != nil && strings.Contains(err.Error(), "missing argument") {
			t.Errorf("%q: %v", text, err)
		}
		for _, kind := range []string{widget.SourcePostgreSQL, widget.SourceMySQL} {
			_, _ = p.Uses(kind, raw)
		}
	})
}
