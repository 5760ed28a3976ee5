package source

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"crypto/tls"
	"crypto/x509"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
)

// sqlQuery is the query of the SQL kinds.
type sqlQuery struct {
	// SQL is one statement that returns rows, with parameters as :name.
	SQL string `json:"sql"`
	// Types say what columns are, where the database does not.
	Types map[string]string `json:"types"`
}

type fetchSQL func(ctx context.Context, r *Registry, c datasource.Connection, q *sqlAsk) (widget.Frame, error)

// sqlPlan is a statement in the words of a database.
type sqlPlan struct {
	statement
	types map[string]string
	needs widget.Uses
	run   fetchSQL
}

// sqlAsk is a statement with its values.
type sqlAsk struct {
	text   string
	values []any // nil, string, int64, float64, bool, time.Time
	types  map[string]string
	limits widget.Limits
}

func parseSQL(d dialect, run fetchSQL) func([]byte) (plan, error) {
	return func(query []byte) (plan, error) {
		var q sqlQuery
		if err := decode(query, &q); err != nil {
			return nil, err
		}
		st, err := parseStatement(q.SQL, d)
		if err != nil {
			return nil, err
		}
		if err := checkTypes(q.Types); err != nil {
			return nil, err
		}
		needs, err := usesOf(st.names)
		if err != nil {
			return nil, err
		}
		return &sqlPlan{statement: st, types: q.Types, needs: needs, run: run}, nil
	}
}

func (p *sqlPlan) uses() widget.Uses { return p.needs }

func (p *sqlPlan) fetch(ctx context.Context, r *Registry, c datasource.Connection, ask widget.Ask) (widget.Frame, error) {
	vals, err := valuesOf(ask)
	if err != nil {
		return widget.Frame{}, err
	}
	q := &sqlAsk{text: p.text, values: make([]any, len(p.names)), types: p.types, limits: ask.Limits}
	for i, name := range p.names {
		if q.values[i], err = vals.value(name); err != nil {
			return widget.Frame{}, err
		}
	}
	return p.run(ctx, r, c, q)
}

// milliseconds is the time that is left, for the database's own time-out.
func (q *sqlAsk) milliseconds(ctx context.Context) int64 {
	left := q.limits.Timeout
	if until, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(until))
	}
	return max(left.Milliseconds(), 1)
}

// wire is how many bytes a connection may bring for an answer: values travel
// with lengths and headers, and the last rows may be more than is kept.
func (q *sqlAsk) wire() int64 { return 2*q.limits.Bytes + 1<<20 }

// probeWire bounds what a probe reads.
const probeWire = 4 << 20

// address is host:port.
func address(s *datasource.Settings, port int64) string {
	if s.Port != 0 {
		port = s.Port
	}
	return net.JoinHostPort(s.Host, strconv.FormatInt(port, 10))
}

// tlsConfig is nil for no encryption.
func tlsConfig(s *datasource.Settings, host string) (*tls.Config, error) {
	if s.TLS == datasource.TLSOff {
		return nil, nil
	}
	roots, err := rootsOf(s)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: roots,
		InsecureSkipVerify: s.TLS == datasource.TLSRequire, //nolint:gosec // the administrator's choice, by name
	}, nil
}

// rootsOf is nil for the system's certificates.
func rootsOf(s *datasource.Settings) (*x509.CertPool, error) {
	if s.CA == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, badSettings("ca holds no certificate")
	}
	return pool, nil
}

// badSettings is a data source that cannot work.
func badSettings(format string, args ...any) error {
	return &widget.SourceError{Code: widget.CodeSettings, Message: "The data source is not set up.", Detail: fmt.Sprintf(format, args...)}
}

// noRows is a statement that is none that a widget can show.
func noRows() error { return badQuery("this statement returns no rows: only one that reads is taken") }

// jsonOrText: databases give JSON as text; only objects and arrays are JSON in
// a frame.
func jsonOrText(s string) any {
	trimmed := strings.TrimLeft(s, " \t\r\n")
	if (strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[")) && json.Valid([]byte(s)) {
		return json.RawMessage(s)
	}
	var scalar any
	if json.Unmarshal([]byte(s), &scalar) == nil {
		switch scalar.(type) {
		case string, float64, bool, nil:
			return scalar
		}
	}
	return s
}
