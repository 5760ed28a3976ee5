package sqlstore

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"modernc.org/sqlite"
)

// Parsing a statement costs SQLite about as much as running a small one, so
// every connection keeps what it has prepared. The cache sits below
// database/sql: a connection only ever prepares for itself, at the moment it is
// used, so that nothing waits for the writer while a transaction holds it, and
// statements of a transaction and of other packages are kept like all others.
const (
	stmtCacheSize = 200
	// A longer text is run once and forgotten.
	stmtCacheMaxText = 8 << 10
)

// sqliteConnector opens connections that keep their statements and, if watch
// is set, tell it of their commits.
type sqliteConnector struct {
	driver.Connector
	watch *foreignWatch
}

func newSQLiteConnector(dsn string, watch *foreignWatch) (*sqliteConnector, error) {
	base, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return &sqliteConnector{Connector: base, watch: watch}, nil
}

// innerConn is what the driver's connection can do, as far as it is used here.
type innerConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

func (c *sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	raw, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	inner, ok := raw.(innerConn)
	if !ok {
		_ = raw.Close()
		return nil, fmt.Errorf("sqlite driver: %T lacks a method", raw)
	}
	conn := &sqliteConn{innerConn: inner, stmts: make(map[string]*cachedStmt), watch: c.watch}
	if c.watch != nil {
		if err := c.watch.follow(raw); err != nil {
			_ = raw.Close()
			return nil, err
		}
	}
	return conn, nil
}

// sqliteConn is one connection. database/sql uses it from one goroutine at a
// time.
type sqliteConn struct {
	innerConn
	stmts map[string]*cachedStmt
	clock uint64 // counts uses, to find the statement unused for longest
	watch *foreignWatch
}

// cachedStmt is a prepared statement that stays with its connection.
type cachedStmt struct {
	driver.Stmt
	used uint64
	busy bool // its rows are being read
}

// stmt gives the kept statement for query, preparing it if need be, or nil if
// query is to be run without.
func (c *sqliteConn) stmt(ctx context.Context, query string) (*cachedStmt, error) {
	c.clock++
	if s, ok := c.stmts[query]; ok {
		if s.busy {
			return nil, nil // the same text inside a loop over its own rows
		}
		s.used = c.clock
		return s, nil
	}
	if len(query) > stmtCacheMaxText || !cacheable(query) {
		return nil, nil
	}
	inner, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if len(c.stmts) >= stmtCacheSize {
		c.evict()
	}
	s := &cachedStmt{Stmt: inner, used: c.clock}
	// database/sql may hand in a text that is part of a larger string.
	c.stmts[strings.Clone(query)] = s
	return s, nil
}

// evict drops the statement that has not been used for longest.
func (c *sqliteConn) evict() {
	var oldest string
	least := uint64(1<<64 - 1)
	for q, s := range c.stmts {
		if !s.busy && s.used < least {
			oldest, least = q, s.used
		}
	}
	if s, ok := c.stmts[oldest]; ok {
		_ = s.Close()
		delete(c.stmts, oldest)
	}
}

func (c *sqliteConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	defer c.settle()
	s, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.innerConn.ExecContext(ctx, query, args)
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (c *sqliteConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.stmt(ctx, query)
	if err != nil {
		return nil, err
	}
	var rows driver.Rows
	if s == nil {
		rows, err = c.innerConn.QueryContext(ctx, query, args)
	} else {
		rows, err = s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	}
	if err != nil {
		c.settle()
		return nil, err
	}
	if s != nil {
		s.busy = true
	}
	return &sqliteDriverRows{Rows: rows, stmt: s, conn: c}, nil
}

func (c *sqliteConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.innerConn.BeginTx(ctx, opts)
	if err != nil || c.watch == nil {
		return tx, err
	}
	return &sqliteDriverTx{Tx: tx, conn: c}, nil
}

func (c *sqliteConn) Close() error {
	for _, s := range c.stmts {
		_ = s.Close()
	}
	c.stmts = nil
	return c.innerConn.Close()
}

// settle lets the watch know that whatever was being committed now is.
func (c *sqliteConn) settle() {
	if c.watch != nil {
		c.watch.settle()
	}
}

// sqliteDriverTx reports its end.
type sqliteDriverTx struct {
	driver.Tx
	conn *sqliteConn
}

func (t *sqliteDriverTx) Commit() error {
	defer t.conn.settle()
	return t.Tx.Commit()
}

// sqliteDriverRows hands its statement back when closed. A write with a
// RETURNING clause commits then.
type sqliteDriverRows struct {
	driver.Rows
	stmt *cachedStmt
	conn *sqliteConn
}

func (r *sqliteDriverRows) Close() error {
	err := r.Rows.Close()
	if r.stmt != nil {
		r.stmt.busy = false
		r.stmt = nil
	}
	r.conn.settle()
	return err
}

// ColumnTypeDatabaseTypeName is the type in the column's declaration, in upper
// case, or empty for an expression.
func (r *sqliteDriverRows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// cacheable tells whether query reads or writes rows. Other statements run
// rarely, and some pragmas act while they are prepared.
func cacheable(query string) bool {
	for {
		query = strings.TrimLeft(query, " \t\r\n;")
		if !strings.HasPrefix(query, "--") {
			break
		}
		_, query, _ = strings.Cut(query, "\n") // sqlc's "-- name:" line
	}
	verb, _, _ := strings.Cut(query[:min(len(query), 8)], " ")
	verb, _, _ = strings.Cut(verb, "\n")
	switch strings.ToUpper(verb) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}
