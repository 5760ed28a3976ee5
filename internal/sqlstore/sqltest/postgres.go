package sqltest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bdash/bdash/internal/sqlstore"
)

// serverEnv names the variable with the URL of the server to test on. The
// database in it is used for creating and dropping others only.
const serverEnv = "TEST_DATABASE_URL"

// A template holds the migrated schema and carries the fingerprint of the
// migrations and its age in its name. It is built once per schema and stays on
// the server for the next run; tests get copies, which takes a few dozen
// milliseconds instead of a migration. What a killed run left behind is dropped
// when the next template is built.
const (
	templatePrefix = "bdash_tpl_"
	buildPrefix    = "bdash_bld_"
	testPrefix     = "bdash_test_"

	templateAge = 24 * time.Hour
	testAge     = 2 * time.Hour
	// templateLock keeps two test binaries from building at the same time.
	templateLock = 0x74706c
)

// postgresURL makes a fresh, migrated database and drops it after the test.
func postgresURL(t testing.TB) string {
	t.Helper()
	template, err := postgresTemplate()
	if err != nil {
		t.Fatalf("make the PostgreSQL template: %v", err)
	}
	name := uniqueName(testPrefix)
	if err := copyDatabase(t.Context(), name, template); err != nil {
		t.Fatalf("copy the PostgreSQL template: %v", err)
	}
	t.Cleanup(func() {
		err := withServer(context.Background(), func(c *pgx.Conn) error { return drop(context.Background(), c, name) })
		if err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
	})
	return databaseURL(name)
}

// copyDatabase tries again while the template is in use: the server checks that
// nobody is connected to it, and the builder's connection may not be quite gone.
func copyDatabase(ctx context.Context, name, template string) error {
	return withServer(ctx, func(c *pgx.Conn) error {
		for tries := 0; ; tries++ {
			_, err := c.Exec(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE "+quote(template))
			var pg *pgconn.PgError
			if err == nil || tries == 50 || !errors.As(err, &pg) || pg.Code != "55006" {
				return err
			}
			if _, err := c.Exec(ctx, "SELECT pg_sleep(0.1)"); err != nil {
				return err
			}
		}
	})
}

// postgresTemplate gives the name of the template, building it if need be.
var postgresTemplate = sync.OnceValues(func() (name string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	prefix, err := fingerprint()
	if err != nil {
		return "", err
	}
	prefix = templatePrefix + prefix + "_"
	err = withServer(ctx, func(c *pgx.Conn) error {
		// The lock goes with the connection.
		if _, err := c.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
			return err
		}
		names, err := databases(ctx, c, prefix)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			name = names[0]
			return nil
		}
		if err := sweep(ctx, c); err != nil {
			return err
		}
		name = prefix + strconv.FormatInt(time.Now().Unix(), 10)
		return build(ctx, c, name)
	})
	return name, err
})

// build migrates under another name, so that a template is either whole or not
// there.
func build(ctx context.Context, c *pgx.Conn, name string) error {
	half := uniqueName(buildPrefix)
	if _, err := c.Exec(ctx, "CREATE DATABASE "+quote(half)+" TEMPLATE template0"); err != nil {
		return err
	}
	if err := migrated(ctx, databaseURL(half)); err != nil {
		return errors.Join(err, drop(ctx, c, half))
	}
	// The server may not have noticed yet that the migrating connections ended.
	_, err := c.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", half)
	for tries := 0; err == nil; tries++ {
		if _, err = c.Exec(ctx, "ALTER DATABASE "+quote(half)+" RENAME TO "+quote(name)); err == nil || tries == 50 {
			return err
		}
		_, err = c.Exec(ctx, "SELECT pg_sleep(0.1)")
	}
	return err
}

// sweep drops what earlier runs left.
func sweep(ctx context.Context, c *pgx.Conn) error {
	for prefix, age := range map[string]time.Duration{
		templatePrefix: templateAge, buildPrefix: testAge, testPrefix: testAge,
	} {
		names, err := databases(ctx, c, prefix)
		if err != nil {
			return err
		}
		for _, name := range names {
			if made, ok := madeAt(name); !ok || time.Since(made) < age {
				continue
			}
			if err := drop(ctx, c, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func databases(ctx context.Context, c *pgx.Conn, prefix string) ([]string, error) {
	rows, err := c.Query(ctx, "SELECT datname FROM pg_database WHERE starts_with(datname, $1) ORDER BY datname", prefix)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func drop(ctx context.Context, c *pgx.Conn, name string) error {
	_, err := c.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)")
	return err
}

var (
	namesMu   sync.Mutex
	namesMade int
)

// uniqueName ends in the time, so that sweep can tell its age.
func uniqueName(prefix string) string {
	namesMu.Lock()
	defer namesMu.Unlock()
	namesMade++
	return fmt.Sprintf("%s%d_%d_%d", prefix, os.Getpid(), namesMade, time.Now().Unix())
}

// madeAt reads the time at the end of a name.
func madeAt(name string) (time.Time, bool) {
	s, err := strconv.ParseInt(name[strings.LastIndexByte(name, '_')+1:], 10, 64)
	return time.Unix(s, 0), err == nil
}

// fingerprint changes with the migrations.
func fingerprint() (string, error) {
	h := sha256.New()
	err := fs.WalkDir(sqlstore.Migrations(), "postgres", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(sqlstore.Migrations(), path)
		fmt.Fprintf(h, "%s %d\n%s", path, len(text), text)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:6]), err
}

func withServer(ctx context.Context, f func(*pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, os.Getenv(serverEnv))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	return f(c)
}

// databaseURL is the server's URL with another database in it.
func databaseURL(name string) string {
	u, err := url.Parse(os.Getenv(serverEnv))
	if err != nil {
		return "" // withServer has connected with it before
	}
	u.Path = "/" + name
	return u.String()
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
