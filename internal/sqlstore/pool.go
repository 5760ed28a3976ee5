package sqlstore

import (
	"database/sql"
	"time"
)

// PoolStats tells of one pool of connections.
type PoolStats struct {
	// Name of the pool: "postgres", or "reader" and "writer" on SQLite.
	Name string
	// Max is how many connections there may be, Open how many there are, InUse
	// how many of those run something.
	Max, Open, InUse int
	// Waits counts requests for a connection that found none free, Waited how
	// long all of them waited together. PostgreSQL's pool counts the opening of
	// a new connection as waiting; SQLite's do not.
	Waits  uint64
	Waited time.Duration
}

// PoolStats tells of every pool, without asking the database.
func (d *DB) PoolStats() []PoolStats {
	if d.pool != nil {
		s := d.pool.Stat()
		return []PoolStats{{
			Name: "postgres", Max: int(s.MaxConns()), Open: int(s.TotalConns()), InUse: int(s.AcquiredConns()),
			Waits: uint64(max(s.EmptyAcquireCount(), 0)), Waited: s.EmptyAcquireWaitTime(),
		}}
	}
	reader := sqlPool("reader", d.sqlite.reader.Stats())
	// The anchor is held for ever and runs nothing.
	reader.Max, reader.Open, reader.InUse = reader.Max-1, max(reader.Open-1, 0), max(reader.InUse-1, 0)
	return []PoolStats{reader, sqlPool("writer", d.sqlite.writer.Stats())}
}

func sqlPool(name string, s sql.DBStats) PoolStats {
	return PoolStats{
		Name: name, Max: s.MaxOpenConnections, Open: s.OpenConnections, InUse: s.InUse,
		Waits: uint64(max(s.WaitCount, 0)), Waited: s.WaitDuration,
	}
}
