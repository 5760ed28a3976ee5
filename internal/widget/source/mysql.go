package source

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
)

const mysqlPort = 3306

// mysqlConn is one connection, closed without ceremony.
type mysqlConn struct {
	*sql.Conn
	pool    *sql.DB
	version string
}

// dialMySQL connects. The connection lives until its close, or until ctx ends.
func (r *Registry) dialMySQL(ctx context.Context, c datasource.Connection, wire int64) (*mysqlConn, error) {
	s := &c.Settings
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = s.Username, c.Secrets.Password, "tcp", address(s, mysqlPort), s.Database
	cfg.ParseTime, cfg.Loc = true, time.UTC
	cfg.MultiStatements, cfg.InterpolateParams, cfg.AllowAllFiles = false, false, false
	cfg.AllowFallbackToPlaintext, cfg.AllowCleartextPasswords = false, false
	cfg.Logger = &mysql.NopLogger{}
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, badSettings("%s", err)
	}
	if cfg.TLS, err = tlsConfig(s, host); err != nil {
		return nil, err
	}
	dial := r.Dialer.Bounded(wire)
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) { return dial(ctx, network, addr) }
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, badSettings("%s", err)
	}
	m := &mysqlConn{pool: sql.OpenDB(connector)}
	m.pool.SetMaxOpenConns(1)
	m.pool.SetMaxIdleConns(0)
	if m.Conn, err = m.pool.Conn(ctx); err != nil {
		_ = m.pool.Close()
		return nil, err
	}
	if err := m.QueryRowContext(ctx, "SELECT VERSION()").Scan(&m.version); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *mysqlConn) maria() bool { return strings.Contains(m.version, "MariaDB") }

func (m *mysqlConn) close() {
	_ = m.Close()
	_ = m.pool.Close()
}

// limit sets the server's own time-out for what follows.
func (m *mysqlConn) limit(ctx context.Context, milliseconds int64) error {
	set := "SET SESSION max_execution_time = " + strconv.FormatInt(milliseconds, 10)
	if m.maria() {
		set = "SET SESSION max_statement_time = " + strconv.FormatFloat(float64(milliseconds)/1000, 'f', 3, 64)
	}
	for _, s := range []string{set, "SET SESSION time_zone = '+00:00'"} {
		if _, err := m.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// mysqlReads are the statements that return rows. MySQL says what a statement
// is only by running it, and some that change something (SET PASSWORD) are
// allowed in a read-only transaction.
var mysqlReads = regexp.MustCompile(`(?i)^[\s(]*(SELECT|WITH|VALUES|TABLE|SHOW|DESCRIBE|DESC|EXPLAIN)\b`)

func fetchMySQL(ctx context.Context, r *Registry, c datasource.Connection, q *sqlAsk) (widget.Frame, error) {
	if !mysqlReads.MatchString(q.text) {
		return widget.Frame{}, noRows()
	}
	// Cancelled on the way out: the driver would read an answer to its end
	// before it closes, and so breaks the connection instead.
	ctx, cancel := context.WithCancel(ctx)
	m, err := r.dialMySQL(ctx, c, q.wire())
	if err != nil {
		cancel()
		return widget.Frame{}, err
	}
	defer m.close()
	defer cancel()
	if err := m.limit(ctx, q.milliseconds(ctx)); err != nil {
		return widget.Frame{}, err
	}
	tx, err := m.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return widget.Frame{}, err
	}
	defer func() { _ = tx.Rollback() }()
	defer cancel()
	// With arguments or without: prepared, so that it is one statement.
	prepared, err := tx.PrepareContext(ctx, q.text)
	if err != nil {
		return widget.Frame{}, err
	}
	defer func() { _ = prepared.Close() }()
	rows, err := prepared.QueryContext(ctx, q.values...)
	if err != nil {
		return widget.Frame{}, err
	}
	defer func() { _ = rows.Close() }()
	defer cancel()
	return readRows(rows, q, false, mysqlValue)
}

// readRows reads database/sql's rows up to the limits.
func readRows(rows *sql.Rows, q *sqlAsk, guess bool, value func(v any, typ string) any) (widget.Frame, error) {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return widget.Frame{}, err
	}
	if len(columns) == 0 {
		if err := rows.Err(); err != nil {
			return widget.Frame{}, err
		}
		return widget.Frame{}, noRows()
	}
	names, types := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], types[i] = c.Name(), c.DatabaseTypeName()
	}
	b := newBuilder(q.limits, guess, names...)
	row, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range row {
		b.columns[i].hint = hintOf(types[i])
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return widget.Frame{}, err
		}
		for i := range row {
			row[i] = value(row[i], types[i])
		}
		if !b.add(row) {
			return b.frame(q.types)
		}
	}
	if err := rows.Err(); err != nil {
		return widget.Frame{}, err
	}
	return b.frame(q.types)
}

// hintOf is the kind of a column without values, by the name of its type.
func hintOf(typ string) widget.ColumnKind {
	typ = strings.ToUpper(typ)
	for _, h := range []struct {
		part string
		kind widget.ColumnKind
	}{{"INT", widget.Integer}, {"DEC", widget.Number}, {"NUM", widget.Number}, {"REAL", widget.Number}, {"FLO", widget.Number},
		{"DOUBLE", widget.Number}, {"BOOL", widget.Bool}, {"DATE", widget.Time}, {"TIMESTAMP", widget.Time}} {
		if strings.Contains(typ, h.part) {
			return h.kind
		}
	}
	return widget.Text
}

func mysqlValue(v any, typ string) any {
	switch x := v.(type) {
	case []byte:
		s := string(x)
		switch {
		case typ == "DECIMAL", strings.Contains(typ, "BIGINT"): // an unsigned one that is more than an int64
			if f, err := strconv.ParseFloat(s, 64); err == nil {
				return f
			}
		case typ == "JSON":
			return jsonOrText(s)
		}
		return s
	case string:
		return mysqlValue([]byte(x), typ)
	case uint64:
		if x > 1<<63-1 {
			return float64(x)
		}
		return int64(x)
	case float32:
		// The shortest decimal that is this float32, not its float64 tail.
		f, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
		if err != nil {
			return nil
		}
		return f
	case time.Time:
		if x.IsZero() { // 0000-00-00
			return nil
		}
	case json.RawMessage:
		return jsonOrText(string(x))
	}
	return v
}

func probeMySQL(ctx context.Context, r *Registry, c datasource.Connection) (datasource.Report, error) {
	m, err := r.dialMySQL(ctx, c, probeWire)
	if err != nil {
		return datasource.Report{}, err
	}
	defer m.close()
	grants, err := m.grants(ctx)
	if err != nil {
		return datasource.Report{}, err
	}
	name := "MySQL "
	if m.maria() {
		name = "MariaDB "
	}
	version, _, _ := strings.Cut(m.version, "-")
	return datasource.Report{Server: name + version, Privileges: mysqlPrivileges(grants)}, nil
}

// grants gives the lines of SHOW GRANTS, with what the active roles add. Roles
// that are granted and not active do not count: no query can activate one.
func (m *mysqlConn) grants(ctx context.Context) ([]string, error) {
	show := "SHOW GRANTS" // MariaDB adds the active role by itself
	if !m.maria() {
		var active sql.NullString
		// MySQL 5.7 has neither roles nor the function.
		if err := m.QueryRowContext(ctx, "SELECT CURRENT_ROLE()").Scan(&active); err == nil && active.String != "" && active.String != "NONE" {
			show = "SHOW GRANTS FOR CURRENT_USER() USING " + active.String // quoted as it has to be
		}
	}
	rows, err := m.QueryContext(ctx, show)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, errors.Join(rows.Err(), rows.Close())
}

var (
	grantedOn  = regexp.MustCompile("^GRANT (.+?) ON (.+?) TO ")
	columnList = regexp.MustCompile(`\([^)]*\)`)
)

// mysqlHarmless only read, or lead to what only reads.
var mysqlHarmless = []string{"USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "EXECUTE", "LOCK TABLES", "REFERENCES",
	"CREATE TEMPORARY TABLES", "REPLICATION CLIENT", "BINLOG MONITOR", "SLAVE MONITOR", "REPLICA MONITOR", "SHOW_ROUTINE", "PROXY"}

// mysqlWrites change data or tables.
var mysqlWrites = []string{"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "TRIGGER", "EVENT", "CREATE ROUTINE",
	"ALTER ROUTINE", "CREATE VIEW", "DELETE HISTORY", "DELETE VERSIONING ROWS"}

// mysqlPrivileges reads what the lines allow. A privilege that is not known
// counts as a superuser's: there is a new one in every release.
func mysqlPrivileges(lines []string) []string {
	var super, files, write bool
	for _, line := range lines {
		m := grantedOn.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		global := strings.HasPrefix(m[2], "*.*")
		for p := range strings.SplitSeq(columnList.ReplaceAllString(m[1], ""), ",") {
			p = strings.ToUpper(strings.TrimSpace(p))
			switch {
			case p == "ALL PRIVILEGES":
				super, write = super || global, true
			case p == "FILE":
				files = true
			case slices.Contains(mysqlWrites, p):
				write = true
			case !slices.Contains(mysqlHarmless, p):
				super = true
			}
		}
	}
	return privileges(super, files, write)
}
