package widget_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/jsonschema"
	"github.com/bdash/bdash/internal/widget"
)

// col makes a column; the values are of the kind's Go type, or nil.
func col(name string, kind widget.ColumnKind, values ...any) widget.Column {
	return widget.Column{Name: name, Kind: kind, Values: values}
}

func frame(columns ...widget.Column) *widget.Frame { return &widget.Frame{Columns: columns} }

func day(d int) time.Time { return time.Date(2026, 3, d, 0, 0, 0, 0, time.UTC) }

// valid compiles each schema once.
func schemas(t testing.TB) map[widget.Shape]*jsonschema.Schema {
	t.Helper()
	out := map[widget.Shape]*jsonschema.Schema{}
	for _, s := range widget.Shapes {
		compiled, err := jsonschema.Compile(s.Schema())
		if err != nil {
			t.Fatalf("the schema of %s: %v", s, err)
		}
		out[s] = compiled
	}
	return out
}

func TestShapeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		widgetType, variant string
		want                widget.Shape
	}{
		{"stats", "", "stats"}, {"chart", "", "chart"}, {"chart", "chart-line", "chart"}, {"chart", "chart-bar", "chart"},
		{"chart", "chart-pie", "chart-pie"}, {"table", "", "table"}, {"calendar", "", "calendar"}, {"custom", "", "table"},
		{"custom", "list", "list"}, {"custom", "activity-feed", "activity-feed"}, {"custom", "quick-actions", "quick-actions"},
	} {
		if got := widget.ShapeOf(c.widgetType, c.variant); got != c.want {
			t.Errorf("ShapeOf(%q, %q) = %q, want %q", c.widgetType, c.variant, got, c.want)
		}
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	revenue := frame(col("day", widget.Time, day(3), day(1), day(2)), col("revenue", widget.Number, 30.0, 10.0, 20.5), col("orders", widget.Integer, int64(3), int64(1), nil))
	byShop := frame(col("day", widget.Time, day(1), day(1), day(2)), col("shop", widget.Text, "A", "B", "A"), col("n", widget.Integer, int64(1), int64(2), int64(3)))
	check := schemas(t)
	for _, c := range []struct {
		name          string
		shape         widget.Shape
		mapping       string
		frame, before *widget.Frame
		want          string
	}{
		{"a single row", widget.ShapeStats, ``, frame(col("n", widget.Integer, int64(5))), nil,
			`{"value":5,"previous":null,"change":null,"change_percent":null,"unit":null,"sparkline":[]}`},
		{"last by time", widget.ShapeStats, ``, revenue, nil,
			`{"value":30,"previous":null,"change":null,"change_percent":null,"unit":null,"sparkline":[10,20.5,30]}`},
		{"sum against before", widget.ShapeStats, `{"aggregate":"sum","unit":"€"}`, revenue, frame(col("day", widget.Time, day(1)), col("revenue", widget.Number, 40.0)),
			`{"value":60.5,"previous":40,"change":20.5,"change_percent":51.24999999999999,"unit":"€","sparkline":[10,20.5,30]}`},
		{"compare off", widget.ShapeStats, `{"compare":false}`, frame(col("n", widget.Integer, int64(5))), frame(col("n", widget.Integer, int64(4))),
			`{"value":5,"previous":null,"change":null,"change_percent":null,"unit":null,"sparkline":[]}`},
		{"previous column", widget.ShapeStats, `{"previous":"was"}`, frame(col("n", widget.Integer, int64(5)), col("was", widget.Integer, int64(0))), nil,
			`{"value":5,"previous":0,"change":5,"change_percent":null,"unit":null,"sparkline":[]}`},
		{"no rows", widget.ShapeStats, `{"aggregate":"sum"}`, frame(col("n", widget.Integer)), nil,
			`{"value":null,"previous":null,"change":null,"change_percent":null,"unit":null,"sparkline":[]}`},
		{"nothing at all", widget.ShapeStats, `{"value":"n"}`, frame(), nil,
			`{"value":null,"previous":null,"change":null,"change_percent":null,"unit":null,"sparkline":[]}`},
		{"every number is a series", widget.ShapeChart, ``, revenue, nil,
			`{"x":{"name":"day","type":"time"},"y":{"name":"revenue","type":"number"},"series":[` +
				`{"name":"revenue","points":[{"x":"2026-03-03T00:00:00Z","y":30},{"x":"2026-03-01T00:00:00Z","y":10},{"x":"2026-03-02T00:00:00Z","y":20.5}]},` +
				`{"name":"orders","points":[{"x":"2026-03-03T00:00:00Z","y":3},{"x":"2026-03-01T00:00:00Z","y":1},{"x":"2026-03-02T00:00:00Z","y":null}]}]}`},
		{"text names the series", widget.ShapeChart, ``, byShop, frame(col("day", widget.Time, day(1)), col("shop", widget.Text, "B"), col("n", widget.Integer, int64(9))),
			`{"x":{"name":"day","type":"time"},"y":{"name":"n","type":"number"},"series":[` +
				`{"name":"A","points":[{"x":"2026-03-01T00:00:00Z","y":1},{"x":"2026-03-02T00:00:00Z","y":3}]},` +
				`{"name":"B","points":[{"x":"2026-03-01T00:00:00Z","y":2}]}],` +
				`"previous":[{"name":"B","points":[{"x":"2026-03-01T00:00:00Z","y":9}]}]}`},
		{"categories, y named", widget.ShapeChart, `{"x":"shop","y":"n"}`, byShop, nil,
			`{"x":{"name":"shop","type":"category"},"y":{"name":"n","type":"number"},"series":[{"name":"n","points":[{"x":"A","y":1},{"x":"B","y":2},{"x":"A","y":3}]}]}`},
		{"numbers only", widget.ShapeChart, ``, frame(col("a", widget.Integer, int64(1)), col("b", widget.Number, 2.5)), nil,
			`{"x":{"name":"a","type":"number"},"y":{"name":"b","type":"number"},"series":[{"name":"b","points":[{"x":1,"y":2.5}]}]}`},
		{"pie", widget.ShapePie, ``, frame(col("n", widget.Integer, int64(1), int64(3), nil), col("from", widget.Text, "ads", nil, "mail")), nil,
			`{"slices":[{"label":"ads","value":1,"percent":25},{"label":"","value":3,"percent":75}],"total":4}`},
		{"table", widget.ShapeTable, ``, byShop, nil,
			`{"columns":[{"name":"day","label":"day","type":"time"},{"name":"shop","label":"shop","type":"text"},{"name":"n","label":"n","type":"integer"}],` +
				`"rows":[["2026-03-01T00:00:00Z","A",1],["2026-03-01T00:00:00Z","B",2],["2026-03-02T00:00:00Z","A",3]]}`},
		{"columns chosen", widget.ShapeTable, `{"columns":["n",{"name":"shop","label":"Shop"}]}`, byShop, nil,
			`{"columns":[{"name":"n","label":"n","type":"integer"},{"name":"shop","label":"Shop","type":"text"}],"rows":[[1,"A"],[2,"B"],[3,"A"]]}`},
		{"calendar of texts", widget.ShapeCalendar, `{"start":"d","title":"t"}`, frame(col("d", widget.Text, "2026-03-01", "2026-03-02 10:30:00", nil), col("t", widget.Text, "Fair", nil, "x"), col("link", widget.Text, "javascript:alert(1)", "/fairs/2", nil)), nil,
			`{"events":[{"id":null,"title":"Fair","start":"2026-03-01T00:00:00Z","end":null,"all_day":true,"description":null,"color":null,"link":null},` +
				`{"id":null,"title":"","start":"2026-03-02T10:30:00Z","end":null,"all_day":false,"description":null,"color":null,"link":"/fairs/2"}]}`},
		{"list", widget.ShapeList, `{"unit":"$"}`, frame(col("id", widget.Integer, int64(7)), col("product", widget.Text, "Lamp"), col("revenue", widget.Number, 12.5)), nil,
			`{"items":[{"id":"7","title":"Lamp","subtitle":null,"value":12.5,"image":null,"link":null}],"unit":"$"}`},
		{"feed, newest first", widget.ShapeFeed, ``, frame(col("at", widget.Time, day(1), day(2)), col("what", widget.Text, "old", "new"), col("user", widget.Text, nil, "ann")), nil,
			`{"items":[{"id":null,"time":"2026-03-02T00:00:00Z","title":"new","text":null,"user":"ann","type":null,"link":null},` +
				`{"id":null,"time":"2026-03-01T00:00:00Z","title":"old","text":null,"user":null,"type":null,"link":null}]}`},
		{"actions", widget.ShapeActions, ``, frame(col("id", widget.Text, "newOrder", " "), col("label", widget.Text, "New order", "x"), col("link", widget.Text, "https://example.org/new", nil)), nil,
			`{"actions":[{"id":"newOrder","label":"New order","description":null,"icon":null,"link":"https://example.org/new"}]}`},
		{"cut", widget.ShapeList, ``, &widget.Frame{Columns: []widget.Column{col("t", widget.Text)}, Truncated: true}, nil, `{"items":[],"unit":null,"truncated":true}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := c.shape.Form(json.RawMessage(c.mapping), c.frame, c.before)
			if err != nil || string(got) != c.want {
				t.Errorf("Form = %s, %v\nwant %s", got, err, c.want)
			}
			if problems := check[c.shape].Validate(got); len(problems) > 0 {
				t.Errorf("%s does not match the schema: %v", got, problems)
			}
		})
	}
}

// What does not fit names the column, and tells the owner which there are.
func TestFormNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shape                    widget.Shape
		mapping, message, detail string
	}{
		{widget.ShapeStats, `{"value":"revenue"}`, `The column "revenue" (value) is missing.`, `The query gives "shop" (text), "open" (yes and no).`},
		{widget.ShapeStats, `{"value":"shop"}`, `The column "shop" (value) has the wrong type: it holds text, and numbers are needed.`, ``},
		{widget.ShapeStats, ``, `A column of numbers (value) is missing.`, `The query gives "shop" (text)`},
		{widget.ShapeChart, ``, `A column of numbers (y) is missing.`, ``},
		{widget.ShapeChart, `{"x":"nope"}`, `The column "nope" (x) is missing.`, ``},
		{widget.ShapePie, ``, `A column of numbers (value) is missing.`, ``},
		{widget.ShapeTable, `{"columns":["nope"]}`, `The column "nope" is missing.`, ``},
		{widget.ShapeCalendar, ``, `A column of times (start) is missing.`, ``},
		{widget.ShapeCalendar, `{"start":"shop","title":"shop"}`, `The column "shop" (start) has the wrong type: times are needed, and row 1 holds other text.`, ``},
		{widget.ShapeFeed, ``, `A column of times (time) is missing.`, ``},
		{widget.ShapeList, `{"title":"open"}`, `The column "open" (title) has the wrong type: it holds yes and no, and text are needed.`, ``},
		{widget.ShapeActions, `{"nope":1}`, `The widget's mapping is not valid.`, `A mapping of shape "quick-actions" has no "nope".`},
	} {
		_, err := c.shape.Form(json.RawMessage(c.mapping), frame(col("shop", widget.Text, "A"), col("open", widget.Bool, true)), nil)
		var fault *widget.SourceError
		if !errors.As(err, &fault) || fault.Code != widget.CodeShape || fault.Message != c.message || !strings.Contains(fault.Detail, c.detail) {
			t.Errorf("%s with %s: %#v, want %q (%q)", c.shape, c.mapping, err, c.message, c.detail)
		}
	}
}

func TestCheckMapping(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shape         widget.Shape
		mapping, want string
	}{
		{widget.ShapeStats, ``, ""}, {widget.ShapeStats, `null`, ""}, {widget.ShapeStats, `{}`, ""}, {widget.ShapeStats, `{"value":"a","aggregate":"sum"}`, ""},
		{widget.ShapeStats, `[]`, "A mapping is an object."}, {widget.ShapeStats, `{"value":1}`, `"value" has the wrong type in a mapping of shape "stats".`},
		{widget.ShapeStats, `{"aggregate":"median"}`, `"median" is no aggregate: choose one of avg, count, first, last, max, min, sum.`},
		{widget.ShapeStats, `{"x":"day"}`, `A mapping of shape "stats" has no "x".`},
		{widget.ShapeChart, `{"y":["a","b"],"x":"t"}`, ""}, {widget.ShapeChart, `{"y":["a","b"],"series":"t"}`, "A mapping with series has one y."},
		{widget.ShapeChart, `{"y":[""]}`, "Every column of y has a name."}, {widget.ShapeChart, `{"y":{"a":1}}`, `Not a mapping of shape "chart".`},
		{widget.ShapeTable, `{"columns":["a",{"name":"b","label":"B"}]}`, ""}, {widget.ShapeTable, `{"columns":[{"label":"B"}]}`, "Every column of a table's mapping has a name."},
		{widget.ShapeTable, `{"columns":[1]}`, `"columns" has the wrong type in a mapping of shape "table".`}, {"nonsense", `{}`, `There is no shape "nonsense".`},
	} {
		if got := c.shape.CheckMapping(json.RawMessage(c.mapping)); got != c.want {
			t.Errorf("CheckMapping(%s, %s) = %q, want %q", c.shape, c.mapping, got, c.want)
		}
	}
}

// Whatever a source returns: a body that matches the schema, or an error that
// says what is missing.
func TestFormAlwaysMatchesItsSchema(t *testing.T) {
	t.Parallel()
	check := schemas(t)
	r := rand.New(rand.NewPCG(1, 2))
	formed := map[widget.Shape]int{}
	for range 3000 {
		f, before := randomFrame(r), randomFrame(r)
		for _, s := range widget.Shapes {
			body, err := s.Form(nil, f, before)
			if err != nil {
				var fault *widget.SourceError
				if !errors.As(err, &fault) || fault.Message == "" {
					t.Fatalf("%s of %+v: %v", s, f, err)
				}
				continue
			}
			formed[s]++
			if problems := check[s].Validate(body); len(problems) > 0 {
				t.Fatalf("%s of %+v gives %s: %v", s, f, body, problems)
			}
		}
	}
	for _, s := range widget.Shapes {
		if formed[s] < 20 {
			t.Errorf("%d frames fitted %s: the test says little", formed[s], s)
		}
	}
}

func randomFrame(r *rand.Rand) *widget.Frame {
	names := []string{"time", "value", "title", "id", "label", "n", "start", "end", "link", "all_day", "previous", "x"}
	kinds := []widget.ColumnKind{widget.Integer, widget.Number, widget.Text, widget.Time, widget.Bool, widget.JSON}
	f := &widget.Frame{Truncated: r.IntN(5) == 0}
	rows := r.IntN(5)
	for range r.IntN(5) {
		c := widget.Column{Name: names[r.IntN(len(names))], Kind: kinds[r.IntN(len(kinds))]}
		for range rows {
			c.Values = append(c.Values, randomValue(r, c.Kind))
		}
		f.Columns = append(f.Columns, c)
	}
	return f
}

func randomValue(r *rand.Rand, kind widget.ColumnKind) any {
	if r.IntN(6) == 0 {
		return nil
	}
	switch kind {
	case widget.Integer:
		return int64(r.Uint64())
	case widget.Number:
		return []float64{0, 1.5, -1, 1.7e308, -1.7e308, 1e-300}[r.IntN(6)]
	case widget.Time:
		return time.Unix(r.Int64N(4e9), r.Int64N(1e9)).UTC()
	case widget.Bool:
		return r.IntN(2) == 0
	case widget.JSON:
		return json.RawMessage([]string{`{"a":1}`, `[]`}[r.IntN(2)])
	default:
		return []string{"", "2026-03-01", "x\u2028<b>", "https://example.org", "2026-03-01T10:00:00+02:00", "\x00"}[r.IntN(6)]
	}
}
