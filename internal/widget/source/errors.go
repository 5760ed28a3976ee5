package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/outbound"
	"github.com/bdash/bdash/internal/widget"
)

// messages are what a user is told.
var messages = map[widget.SourceCode]string{
	widget.CodeSettings:    "The data source is not set up.",
	widget.CodeName:        "The data source cannot be found.",
	widget.CodeBlocked:     "The data source is at an address that may not be connected to.",
	widget.CodeRefused:     "The data source does not accept connections.",
	widget.CodeUnreachable: "The data source cannot be reached.",
	widget.CodeTimeout:     "The source did not answer in time.",
	widget.CodeTLS:         "There is no safe connection to the data source.",
	widget.CodeAuth:        "The data source does not accept its credentials.",
	widget.CodeDatabase:    "The data source's database cannot be opened.",
	widget.CodePermission:  "The data source does not allow this query.",
	widget.CodeQuery:       "The query of this widget is wrong.",
	widget.CodeResponse:    "The data source gave an answer that cannot be used.",
	widget.CodeTooLarge:    "The answer of the data source is too large.",
}

// maxDetail is how much of a source's own words is kept, in bytes.
const maxDetail = 500

// explain makes a SourceError of what a driver or a client said.
func explain(ctx context.Context, err error, secrets datasource.Secrets) error {
	var known *widget.SourceError
	if errors.As(err, &known) {
		return known
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // nobody waits any more
	}
	code, detail := classify(ctx, err)
	for _, secret := range []string{secrets.Password, secrets.Token} {
		if secret != "" {
			detail = strings.ReplaceAll(detail, secret, "***")
		}
	}
	detail = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(detail, "\uFFFD"))
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "…"
	}
	return &widget.SourceError{Code: code, Message: messages[code], Detail: detail, Err: err}
}

// classify asks what is most telling first: a database's own word, then the
// address, then the encryption, then the line.
func classify(ctx context.Context, err error) (widget.SourceCode, string) {
	if code, detail := classifySQL(err); code != "" {
		return code, detail
	}
	var name *net.DNSError
	var blocked *outbound.BlockedError
	var timeout interface{ Timeout() bool }
	text := err.Error()
	switch {
	case errors.As(err, &blocked):
		return widget.CodeBlocked, blocked.Error()
	case errors.Is(err, outbound.ErrBlocked):
		return widget.CodeBlocked, text
	case errors.Is(err, outbound.ErrTooLarge), errors.As(err, new(*pgproto3.ExceededMaxBodyLenErr)):
		return widget.CodeTooLarge, "the source sent more than the limit"
	case errors.As(err, &name) && name.IsTimeout:
		return widget.CodeTimeout, name.Error()
	case errors.As(err, &name):
		return widget.CodeName, name.Error()
	case isTLS(err):
		return widget.CodeTLS, lastPart(err)
	case errors.Is(err, outbound.ErrRedirects), errors.Is(err, outbound.ErrDowngrade):
		return widget.CodeResponse, text
	case errors.Is(err, context.DeadlineExceeded), errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return widget.CodeTimeout, "no answer in time"
	case errors.Is(err, syscall.ECONNREFUSED):
		return widget.CodeRefused, lastPart(err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, new(*net.OpError)),
		errors.Is(err, mysql.ErrInvalidConn):
		return widget.CodeUnreachable, lastPart(err)
	}
	return widget.CodeResponse, text
}

func isTLS(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(tls.RecordHeaderError)) ||
		errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) ||
		errors.As(err, new(x509.CertificateInvalidError)) || errors.As(err, new(tls.AlertError)) ||
		errors.Is(err, mysql.ErrNoTLS) || errors.Is(err, http.ErrSchemeMismatch) ||
		strings.Contains(err.Error(), "server refused TLS connection") // pgconn has no value for it
}

// lastPart is what the line said: the errors around it repeat settings.
func lastPart(err error) string {
	var line *net.OpError
	if errors.As(err, &line) {
		return line.Error() // it says which address
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func classifySQL(err error) (widget.SourceCode, string) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return classifyPostgreSQL(pg), strings.TrimSpace(pg.Message + " (SQLSTATE " + pg.Code + ")")
	}
	var my *mysql.MySQLError
	if errors.As(err, &my) {
		return classifyMySQL(my.Number), my.Error()
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return classifySQLite(lite.Code()), lite.Error()
	}
	return "", ""
}

// Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
func classifyPostgreSQL(e *pgconn.PgError) widget.SourceCode {
	switch {
	case strings.HasPrefix(e.Code, "28"):
		return widget.CodeAuth
	case e.Code == "3D000", e.Code == "55000", e.Code == "42501" && strings.Contains(e.Routine, "InitPostgres"):
		return widget.CodeDatabase
	case e.Code == "42501", e.Code == "25006", strings.HasPrefix(e.Code, "25"):
		return widget.CodePermission
	case e.Code == "57014", e.Code == "55P03":
		return widget.CodeTimeout
	case strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57"), strings.HasPrefix(e.Code, "08"), strings.HasPrefix(e.Code, "58"):
		return widget.CodeUnreachable
	case strings.HasPrefix(e.Code, "XX"):
		return widget.CodeResponse
	}
	return widget.CodeQuery
}

// Numbers: https://mariadb.com/kb/en/mariadb-error-code-reference/
func classifyMySQL(number uint16) widget.SourceCode {
	switch number {
	case 1045, 1698, 1862, 3118:
		return widget.CodeAuth
	case 1044, 1049:
		return widget.CodeDatabase
	case 1142, 1143, 1227, 1370, 1792, 1290, 1419, 1410:
		return widget.CodePermission
	case 1969, 3024, 1205, 1317:
		return widget.CodeTimeout
	case 1040, 1053, 1129, 1130, 1203, 1226:
		return widget.CodeUnreachable
	}
	return widget.CodeQuery
}

func classifySQLite(code int) widget.SourceCode {
	switch code & 0xff {
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_PERM:
		return widget.CodePermission
	case sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return widget.CodeTimeout
	case sqlite3.SQLITE_TOOBIG:
		return widget.CodeTooLarge
	case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		return widget.CodeDatabase
	}
	return widget.CodeQuery
}
