package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	pgConnectTimeout = 5 * time.Second
	// Spreads the hourly renewal of connections, so that they do not all leave
	// at once.
	pgLifetimeJitter = 10 * time.Minute
	// A server that does not answer a ping (a silent network) for this long has
	// lost the connection, and the pool replaces it.
	pgPingTimeout = 3 * time.Second
)

// openPostgres connects a pool. What the url itself says (connect_timeout,
// application_name, pool_ping_timeout, …) wins over the defaults here, and
// opts.MaxConns wins over pool_max_conns. pgx keeps up to 512 prepared
// statements on each connection, which is more than there are queries.
func (d *DB) openPostgres(ctx context.Context, url string, opts Options) error {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if opts.MaxConns > 0 {
		cfg.MaxConns = int32(min(opts.MaxConns, 10_000))
	}
	if cfg.MaxConnLifetimeJitter == 0 {
		cfg.MaxConnLifetimeJitter = pgLifetimeJitter
	}
	if cfg.PingTimeout == 0 {
		cfg.PingTimeout = pgPingTimeout
	}
	cc := cfg.ConnConfig
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = pgConnectTimeout
	}
	if cc.RuntimeParams["application_name"] == "" {
		cc.RuntimeParams["application_name"] = "bdash"
	}
	cc.RuntimeParams["timezone"] = "UTC"
	cfg.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		// pgx hands times out in the zone of the machine unless told otherwise.
		c.TypeMap().RegisterType(&pgtype.Type{
			Name:  "timestamptz",
			OID:   pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
		})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return fmt.Errorf("open database: %w", err)
	}
	d.engine, d.pool = Postgres, pool
	d.readTx, d.writeTx = pool, pool
	return nil
}
