package widget

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/bdash/bdash/internal/identity"
)

// Kinds of Widget.Source. The first three are built in and need no data source;
// the others name the kind of the widget's data source.
const (
	SourcePush       = "push"   // somebody stores the data; there is nothing to fetch
	SourceStatic     = "static" // the query is the data
	SourceBdash      = "bdash"  // bdash's own figures
	SourcePostgreSQL = "postgresql"
	SourceMySQL      = "mysql" // MySQL and MariaDB
	SourceSQLite     = "sqlite"
	SourceHTTP       = "http"
	SourcePrometheus = "prometheus"
)

// Sources fetches what widgets show. Safe for concurrent use.
type Sources interface {
	// Fetch asks the source and waits for its answer, within Ask.Limits. A
	// source that gives no frame is a *SourceError; other errors are bdash's own.
	Fetch(ctx context.Context, ask Ask) (Frame, error)
	// Uses tells what the answer to a query depends on besides the query. It
	// asks nobody. A query that the kind cannot take is a *SourceError.
	Uses(kind string, query json.RawMessage) (Uses, error)
}

// Datasources tells of the registered data sources.
type Datasources interface {
	// Datasource: an error of kind fault.NotFound when there is none.
	Datasource(ctx context.Context, id int64) (Datasource, error)
}

// Datasource is what this room needs to know of one.
type Datasource struct {
	ID   int64
	Kind string // one of the Source constants that are not built in; never changes
	// EditorsAllowed: editors may use it in their widgets.
	EditorsAllowed bool
}

// Ask is one question to a source.
type Ask struct {
	// Kind is one of the Source constants, but SourcePush.
	Kind string
	// DatasourceID names the data source; 0 for the built-in kinds.
	DatasourceID int64
	// Query is a JSON object in the words of the kind.
	Query json.RawMessage
	// Settings are the widget's: a JSON object, or nil for none. A query uses
	// them as setting.NAME.
	Settings json.RawMessage
	// Span is what period_from and period_to stand for in the query.
	Span Span
	// User is what user_id, user_email and user_role stand for. It may be
	// nobody when the query does not use them; asking as nobody otherwise is a
	// *SourceError.
	User identity.Actor
	// Limits bound the answer.
	Limits Limits
}

// Limits bound what one question costs; zero fields take the default.
type Limits struct {
	Rows    int           // the frame is cut there and marked Truncated
	Bytes   int64         // of the values: SQL is cut and marked, a body that is larger fails
	Timeout time.Duration // from the first connection to the last row
}

// The default and the greatest limits.
var (
	DefaultLimits = Limits{Rows: 10_000, Bytes: 8 << 20, Timeout: 15 * time.Second}
	MaxLimits     = Limits{Rows: 100_000, Bytes: 64 << 20, Timeout: time.Minute}
)

// Bounded gives l with its zero fields filled and the others cut to MaxLimits.
func (l Limits) Bounded() Limits {
	fill := func(v, normal, most int64) int64 {
		if v <= 0 {
			return normal
		}
		return min(v, most)
	}
	return Limits{
		Rows:    int(fill(int64(l.Rows), int64(DefaultLimits.Rows), int64(MaxLimits.Rows))),
		Bytes:   fill(l.Bytes, DefaultLimits.Bytes, MaxLimits.Bytes),
		Timeout: time.Duration(fill(int64(l.Timeout), int64(DefaultLimits.Timeout), int64(MaxLimits.Timeout))),
	}
}

// Uses is what an answer depends on besides the query itself.
type Uses struct {
	User   bool // differs from user to user
	Period bool // differs with the span
	// Settings are the names of those that the query uses, sorted, each once.
	Settings []string
}

// SourceCode says what kept a source from answering. Stable.
type SourceCode string

// The codes.
const (
	CodeSettings    SourceCode = "settings"    // the data source's settings cannot work
	CodeName        SourceCode = "dns"         // the host has no address
	CodeBlocked     SourceCode = "blocked"     // the address may not be connected to
	CodeRefused     SourceCode = "refused"     // nothing listens there
	CodeUnreachable SourceCode = "unreachable" // no way to the host, or the line broke
	CodeTimeout     SourceCode = "timeout"     // no answer in time
	CodeTLS         SourceCode = "tls"         // no trustworthy encryption
	CodeAuth        SourceCode = "auth"        // user, password or token is wrong
	CodeDatabase    SourceCode = "database"    // the database does not exist, or is not open to the user
	CodePermission  SourceCode = "permission"  // the source does not allow what the query asks for
	CodePrivileged  SourceCode = "privileged"  // the role may do more than read
	CodeQuery       SourceCode = "query"       // the query is wrong
	CodeResponse    SourceCode = "response"    // the answer is none that can be used
	CodeTooLarge    SourceCode = "too_large"   // the answer is larger than the limit
	CodeGone        SourceCode = "gone"        // the data source was deleted
)

// SourceError is why a source gave no frame.
type SourceError struct {
	Code SourceCode
	// Message is a sentence for whoever sees the widget: no host, no user, no
	// text of the source.
	Message string
	// Detail is for administrators and for who wrote the query: what the source
	// said, with its secrets taken out. May be empty.
	Detail string
	// Err is the cause, for errors.Is; it may hold more than Detail.
	Err error
}

// Error implements error; it is for logs and holds no secret.
func (e *SourceError) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("source: %s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("source: %s: %s", e.Code, e.Detail)
}

// Unwrap gives the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// Transient reports whether asking again later may help.
func (e *SourceError) Transient() bool {
	switch e.Code {
	case CodeName, CodeRefused, CodeUnreachable, CodeTimeout, CodeResponse:
		return true
	}
	return false
}
