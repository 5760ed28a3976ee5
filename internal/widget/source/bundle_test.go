package source_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/outbound"
	"github.com/bdash/bdash/internal/widget"
	"github.com/bdash/bdash/internal/widget/source"
)

// local lets sources of this machine through.
func local() *outbound.Dialer {
	return &outbound.Dialer{Allow: []outbound.Rule{
		{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")},
	}}
}

// place is a source to ask.
type place struct {
	*source.Registry
	conn datasource.Connection
}

var (
	from = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	to   = time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)
)

func asked(query string) widget.Ask {
	return widget.Ask{
		Query: json.RawMessage(query), Settings: json.RawMessage(`{"limit":2,"name":"O'Brien; --","on":true,"ratio":1.5,"list":[1,2]}`),
		Span: widget.Span{From: from, To: to, Zone: time.UTC}, User: identity.Actor{UserID: 7, Email: "eve@example.com", Role: identity.Editor},
	}
}

// sqlText is a query of the SQL kinds.
func sqlText(text string) string {
	raw, _ := json.Marshal(map[string]string{"sql": text})
	return string(raw)
}

func (p *place) ask(t testing.TB, query string) (widget.Frame, error) {
	t.Helper()
	return p.Fetch(t.Context(), p.conn, asked(query))
}

func (p *place) fetch(t testing.TB, query string) widget.Frame {
	t.Helper()
	f, err := p.ask(t, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return f
}

// rows spells a frame: "name:kind …" and the values, row by row.
func rows(f widget.Frame) string {
	var b strings.Builder
	for i, c := range f.Columns {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(c.Name + ":" + string(c.Kind))
	}
	for row := range f.Rows() {
		b.WriteByte('\n')
		for i, c := range f.Columns {
			if i > 0 {
				b.WriteByte(' ')
			}
			switch v := c.Values[row].(type) {
			case nil:
				b.WriteString("NULL")
			case string:
				b.WriteString(strconv.Quote(v))
			case int64:
				b.WriteString(strconv.FormatInt(v, 10))
			case float64:
				b.WriteString(strconv.FormatFloat(v, 'f', -1, 64))
			case bool:
				b.WriteString(strconv.FormatBool(v))
			case time.Time:
				b.WriteString(v.Format(time.RFC3339Nano))
			case json.RawMessage:
				b.Write(v)
			}
		}
	}
	if f.Truncated {
		b.WriteString("\n…")
	}
	return b.String()
}

func wantRows(t testing.TB, f widget.Frame, want ...string) {
	t.Helper()
	if got := rows(f); got != strings.Join(want, "\n") {
		t.Errorf("frame:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// wantCode checks a refusal, that its message is fit for everybody, and that
// its detail holds the words.
func wantCode(t testing.TB, what string, err error, code widget.SourceCode, words string) {
	t.Helper()
	var e *widget.SourceError
	if !errors.As(err, &e) {
		t.Errorf("%s: error = %v, want a SourceError %s", what, err, code)
		return
	}
	if e.Code != code || !strings.Contains(e.Detail, words) || e.Message == "" {
		t.Errorf("%s: %s %q %q, want %s with %q", what, e.Code, e.Message, e.Detail, code, words)
	}
	if strings.Contains(e.Message, "127.0.0.1") || strings.Contains(e.Detail+e.Error(), "top-secret") {
		t.Errorf("%s gives away too much: %q %q", what, e.Message, e.Detail)
	}
}

func name(prefix string) string { return prefix + strings.ToLower(rand.Text()[:12]) }

// env gives the address of a test server, "" when there is none.
func env(key string) string { return os.Getenv(key) }

func background(t testing.TB) context.Context {
	t.Helper()
	return context.WithoutCancel(t.Context())
}
