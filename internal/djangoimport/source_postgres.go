package djangoimport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const sourceConnectTimeout = 10 * time.Second

// postgresSource reads a PostgreSQL database of Django.
type postgresSource struct {
	label string
	conn  *pgx.Conn
	tx    pgx.Tx
	// hidden holds the tables that this user may not read.
	hidden map[string]bool
}

func openPostgresSource(ctx context.Context, url string) (source, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open the Django database: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = sourceConnectTimeout
	}
	// Nothing is prepared: the connection may lead through a pooler.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the Django database: %w", err)
	}
	s := &postgresSource{conn: conn, hidden: map[string]bool{}}
	host := net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port)))
	s.label = "postgres://" + host + "/" + cfg.Database
	if err := s.begin(ctx); err != nil {
		_ = s.close()
		return nil, fmt.Errorf("read the Django database %s: %w", s.label, err)
	}
	return s, nil
}

// begin takes the snapshot and fixes how values are printed.
func (s *postgresSource) begin(ctx context.Context) error {
	var err error
	s.tx, err = s.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	for _, set := range []string{
		"SET LOCAL TIME ZONE 'UTC'",
		"SET LOCAL datestyle = 'ISO, YMD'",
		"SET LOCAL extra_float_digits = 1", // shortest text that reads back exactly
		"SET LOCAL statement_timeout = 0",
		// The snapshot waits while the other database is written.
		"SET LOCAL idle_in_transaction_session_timeout = 0",
	} {
		if _, err := s.tx.Exec(ctx, set); err != nil {
			return err
		}
	}
	return nil
}

func (s *postgresSource) name() string { return s.label }

func (s *postgresSource) close() error {
	// The caller's context may be over; the server ends the transaction anyway.
	ctx, cancel := context.WithTimeout(context.Background(), sourceConnectTimeout)
	defer cancel()
	return s.conn.Close(ctx)
}

func (s *postgresSource) tables(ctx context.Context) (map[string][]string, error) {
	rows, err := s.tx.Query(ctx, `SELECT c.relname::text, a.attname::text, has_table_privilege(c.oid, 'SELECT')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
		  AND pg_catalog.pg_table_is_visible(c.oid)
		  AND c.relnamespace NOT IN (SELECT oid FROM pg_catalog.pg_namespace
		      WHERE nspname IN ('pg_catalog', 'information_schema') OR nspname LIKE 'pg\_%')
		ORDER BY 1, a.attnum`)
	if err != nil {
		return nil, fmt.Errorf("list the tables of the Django database: %w", err)
	}
	defer rows.Close()
	out := map[string][]string{}
	for rows.Next() {
		var table, column string
		var readable bool
		if err := rows.Scan(&table, &column, &readable); err != nil {
			return nil, err
		}
		out[table] = append(out[table], column)
		if !readable {
			s.hidden[table] = true
		}
	}
	return out, rows.Err()
}

func (s *postgresSource) count(ctx context.Context, table string) (int64, error) {
	if s.hidden[table] {
		return unreadable, nil
	}
	var n int64
	err := s.tx.QueryRow(ctx, "SELECT count(*) FROM "+quote(table)).Scan(&n)
	return n, err
}

func (s *postgresSource) lastID(ctx context.Context, table string) (int64, error) {
	var last int64
	// pg_sequences shows NULL for a sequence that was never used or may not be
	// read, where reading the sequence itself would spoil the transaction.
	err := s.tx.QueryRow(ctx, `SELECT COALESCE(max(q.last_value), 0)
		FROM pg_catalog.pg_sequences q
		WHERE to_regclass(quote_ident(q.schemaname) || '.' || quote_ident(q.sequencename))
		    = to_regclass(pg_get_serial_sequence(quote_ident($1), 'id'))`, table).Scan(&last)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return last, err
}

func (s *postgresSource) each(ctx context.Context, table string, columns []string, by string, fn func([]*string) error) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = "t." + quote(c) + "::text"
	}
	query := fmt.Sprintf("SELECT %s FROM %s t ORDER BY t.%s", strings.Join(list, ", "), quote(table), quote(by))
	rows, err := s.tx.Query(ctx, query)
	if err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		values := make([]*string, len(columns))
		dest := make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		if err := fn(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", table, err)
	}
	return nil
}
