package source

import (
	"context"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bdash/bdash/internal/datasource"
	"github.com/bdash/bdash/internal/widget"
)

const postgresPort = 5432

// closeTimeout bounds saying good-bye to a database.
const closeTimeout = time.Second

// dialPostgreSQL connects; wire bounds what the connection brings.
func (r *Registry) dialPostgreSQL(ctx context.Context, c datasource.Connection, wire int64) (*pgconn.PgConn, error) {
	// ParseConfig has to make the Config. What it took from the environment of
	// bdash's own process (PGHOST, PGPASSWORD, ~/.pgpass) is replaced.
	cfg, err := pgconn.ParseConfig("host=localhost user=x password=x dbname=x sslmode=disable")
	if err != nil {
		return nil, badSettings("%s", err)
	}
	s := &c.Settings
	host, port, err := net.SplitHostPort(address(s, postgresPort))
	if err != nil {
		return nil, badSettings("%s", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, badSettings("port %s", port)
	}
	cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database = host, uint16(number), s.Username, c.Secrets.Password, s.Database
	cfg.Fallbacks, cfg.RuntimeParams = nil, map[string]string{"application_name": "bdash", "client_encoding": "UTF8"}
	cfg.ValidateConnect, cfg.AfterConnect, cfg.KerberosSrvName, cfg.KerberosSpn = nil, nil, "", ""
	if cfg.TLSConfig, err = tlsConfig(s, host); err != nil {
		return nil, err
	}
	// The dialer resolves names itself, and looks at the address it dials.
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	cfg.DialFunc = pgconn.DialFunc(r.Dialer.Bounded(wire))
	cfg.BuildFrontend = func(in io.Reader, out io.Writer) *pgproto3.Frontend {
		f := pgproto3.NewFrontend(in, out)
		f.SetMaxBodyLen(int(min(wire, math.MaxInt32))) // one value could claim a gigabyte
		return f
	}
	return pgconn.ConnectConfig(ctx, cfg)
}

// hangUp closes without reading what is still to come.
func hangUp(conn *pgconn.PgConn) {
	_ = conn.Conn().Close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
}

func fetchPostgreSQL(ctx context.Context, r *Registry, c datasource.Connection, q *sqlAsk) (widget.Frame, error) {
	conn, err := r.dialPostgreSQL(ctx, c, q.wire())
	if err != nil {
		return widget.Frame{}, err
	}
	defer hangUp(conn)
	// The transaction is never committed: the connection ends with it.
	begin := "BEGIN READ ONLY; SET LOCAL statement_timeout = " + strconv.FormatInt(q.milliseconds(ctx), 10) +
		"; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL bytea_output = 'hex'"
	if _, err := conn.Exec(ctx, begin).ReadAll(); err != nil {
		return widget.Frame{}, err
	}
	// The extended protocol takes one statement only, and describes it before
	// it is run.
	described, err := conn.Prepare(ctx, "", q.text, nil)
	if err != nil {
		return widget.Frame{}, err
	}
	if len(described.Fields) == 0 {
		return widget.Frame{}, noRows()
	}
	args := make([][]byte, len(q.values))
	for i, v := range q.values {
		if s, ok := text(v); ok {
			args[i] = []byte(s)
		}
	}
	names := make([]string, len(described.Fields))
	for i := range described.Fields {
		names[i] = described.Fields[i].Name
	}
	b := newBuilder(q.limits, false, names...)
	for i := range described.Fields {
		b.columns[i].hint = postgresKind(described.Fields[i].DataTypeOID)
	}
	rows := conn.ExecPrepared(ctx, "", args, nil, nil)
	row := make([]any, len(names))
	for rows.NextRow() {
		for i, raw := range rows.Values() {
			row[i] = postgresValue(described.Fields[i].DataTypeOID, raw)
		}
		if !b.add(row) {
			return b.frame(q.types) // the rest is not read
		}
	}
	if _, err := rows.Close(); err != nil {
		return widget.Frame{}, err
	}
	return b.frame(q.types)
}

func postgresKind(oid uint32) widget.ColumnKind {
	switch oid {
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return widget.Integer
	case pgtype.Float4OID, pgtype.Float8OID, pgtype.NumericOID:
		return widget.Number
	case pgtype.BoolOID:
		return widget.Bool
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return widget.Time
	case pgtype.JSONOID, pgtype.JSONBOID:
		return widget.JSON
	}
	return widget.Text
}

// postgresValue reads PostgreSQL's text form of a value. What has no form in a
// frame (infinity, the years before Christ) is NULL.
func postgresValue(oid uint32, raw []byte) any {
	if raw == nil {
		return nil
	}
	s := string(raw)
	switch postgresKind(oid) {
	case widget.Integer:
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case widget.Number:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	case widget.Bool:
		return s == "t"
	case widget.Time:
		if t, ok := parseTime(s); ok {
			return t
		}
	case widget.JSON:
		return jsonOrText(s)
	default:
		return s
	}
	return nil
}

// postgresRights asks what the role may do besides reading. A superuser, and
// who may make roles (and so become one of the predefined), has all of it.
const postgresRights = `
SELECT current_setting('server_version'),
       r.rolsuper OR r.rolcreaterole,
       EXISTS (SELECT 1 FROM pg_catalog.pg_roles f
               WHERE f.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
                 AND pg_catalog.pg_has_role(current_user, f.oid, 'MEMBER')),
       pg_catalog.has_database_privilege(current_database(), 'CREATE')
       OR EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                  WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
                    AND n.nspname NOT LIKE 'pg\_toast%' AND n.nspname NOT LIKE 'pg\_temp%'
                    AND (pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
                         OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE')))
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`

func probePostgreSQL(ctx context.Context, r *Registry, c datasource.Connection) (datasource.Report, error) {
	conn, err := r.dialPostgreSQL(ctx, c, probeWire)
	if err != nil {
		return datasource.Report{}, err
	}
	defer hangUp(conn)
	res := conn.ExecParams(ctx, postgresRights, nil, nil, nil, nil).Read()
	if res.Err != nil {
		return datasource.Report{}, res.Err
	}
	if len(res.Rows) != 1 || len(res.Rows[0]) != 4 {
		return datasource.Report{}, badSettings("the server does not say what the role may do")
	}
	row := res.Rows[0]
	version, _, _ := strings.Cut(string(row[0]), " ")
	yes := func(i int) bool { return string(row[i]) == "t" }
	return datasource.Report{Server: "PostgreSQL " + version, Privileges: privileges(yes(1), yes(2), yes(3))}, nil
}

// privileges words them, always in this order.
func privileges(super, files, write bool) []string {
	list := []string{}
	for _, p := range []struct {
		has  bool
		name string
	}{{super, "superuser"}, {super || files, "files"}, {super || write, "write"}} {
		if p.has {
			list = append(list, p.name)
		}
	}
	return list
}
