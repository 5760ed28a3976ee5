package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// IsNoRows tells whether err says that a single row was asked for and there is
// none.
func IsNoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// ConstraintKind is the sort of rule that a statement broke.
type ConstraintKind int

// The kinds. The zero value is no violation.
const (
	UniqueViolation ConstraintKind = iota + 1
	ForeignKeyViolation
	CheckViolation
	NotNullViolation
)

// Violation says which constraint a statement broke.
type Violation struct {
	Kind ConstraintKind
	// Constraint is the name in the migrations, the same on both engines. It is
	// empty for a not-null constraint, and on SQLite for a foreign key, which
	// SQLite does not name.
	Constraint string
	// Column is "table.column" for a not-null constraint, else empty.
	Column string
}

// AsViolation gives the constraint that err says was broken.
func AsViolation(err error) (Violation, bool) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return postgresViolation(pg)
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return sqliteViolation(lite)
	}
	return Violation{}, false
}

// Violates tells whether err says that the constraint of that name was broken:
// a unique or primary key, or a check; see constraints.go. Foreign keys have no
// name on SQLite: use IsForeignKey.
func Violates(err error, constraint string) bool {
	v, ok := AsViolation(err)
	return ok && v.Constraint == constraint
}

// IsUnique tells whether err says that a unique or primary key exists already.
func IsUnique(err error) bool { return isKind(err, UniqueViolation) }

// IsForeignKey tells whether err says that a referenced row is missing, or that
// a row is still referenced.
func IsForeignKey(err error) bool { return isKind(err, ForeignKeyViolation) }

// IsCheck tells whether err says that a CHECK constraint refused the row.
func IsCheck(err error) bool { return isKind(err, CheckViolation) }

// IsNotNull tells whether err says that a column was left without a value.
func IsNotNull(err error) bool { return isKind(err, NotNullViolation) }

func isKind(err error, kind ConstraintKind) bool {
	v, ok := AsViolation(err)
	return ok && v.Kind == kind
}

// Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
func postgresViolation(err *pgconn.PgError) (Violation, bool) {
	switch err.Code {
	case "23505":
		return Violation{Kind: UniqueViolation, Constraint: err.ConstraintName}, true
	case "23503", "23001": // 23001: ON DELETE RESTRICT
		return Violation{Kind: ForeignKeyViolation, Constraint: err.ConstraintName}, true
	case "23514":
		return Violation{Kind: CheckViolation, Constraint: err.ConstraintName}, true
	case "23502":
		return Violation{Kind: NotNullViolation, Column: err.TableName + "." + err.ColumnName}, true
	}
	return Violation{}, false
}

// sqliteViolation takes the kind from the code. What was violated stands in the
// message alone: "UNIQUE constraint failed: themes.user_id, themes.name".
// Codes: https://www.sqlite.org/rescode.html#constraint
func sqliteViolation(err *sqlite.Error) (Violation, bool) {
	_, subject, _ := strings.Cut(err.Error(), " constraint failed: ")
	if i := strings.LastIndex(subject, " ("); i >= 0 {
		subject = subject[:i] // the driver appends the code
	}
	switch err.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		if name, ok := strings.CutPrefix(subject, "index '"); ok { // an index over expressions
			return Violation{Kind: UniqueViolation, Constraint: strings.TrimSuffix(name, "'")}, true
		}
		return Violation{Kind: UniqueViolation, Constraint: constraintOf[subject]}, true
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return Violation{Kind: ForeignKeyViolation}, true
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return Violation{Kind: CheckViolation, Constraint: subject}, true
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL:
		return Violation{Kind: NotNullViolation, Column: subject}, true
	}
	return Violation{}, false
}

// isLostRace tells whether the database undid a transaction in favour of
// another one, so that running it again may succeed.
func isLostRace(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01" // serialization failure, deadlock
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	return false
}

// IsUnavailable tells whether err says that the database is away or has no room:
// refused or broken connections, a server that shuts down or has too many
// clients, no connection or no answer before the deadline, a file that stays
// locked or cannot be read or written. The same request may succeed later.
// A context that was cancelled is not that.
func IsUnavailable(err error) bool {
	if err == nil {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return postgresAway(pg.Code)
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return sqliteAway(lite.Code())
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	var connect *pgconn.ConnectError
	var network *net.OpError
	return errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) ||
		errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, puddle.ErrClosedPool) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, errClosed)
}

// postgresAway: class 08 is the connection, 53 a lack of room (disk, memory,
// connections), 57P an operator, 58 the server's own files, 25006 a server that
// was made a replica under our feet.
func postgresAway(code string) bool {
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") ||
		strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "58") || code == "25006"
}

// errClosed is database/sql's own error for a closed DB. It is not exported, but
// a closed DB gives it away.
var errClosed = func() error {
	d := sql.OpenDB(&sqliteConnector{})
	_ = d.Close()
	return d.PingContext(context.Background())
}()

func sqliteAway(code int) bool {
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}
