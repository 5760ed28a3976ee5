//go:build bench && linux

package bench_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"
)

// twinSQLite uses database/sql as its documentation says: statements prepared
// once, one connection that writes, some that read, the durability of bdash.
type twinSQLite struct{ page, update *sql.Stmt }

func openTwinSQLite(ctx context.Context, path string) (*twinSQLite, error) {
	open := func(connections int, params url.Values) (*sql.DB, error) {
		d, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: params.Encode()}).String())
		if err == nil {
			d.SetMaxOpenConns(connections)
			d.SetMaxIdleConns(connections)
		}
		return d, err
	}
	readers := max(4, runtime.NumCPU())
	writer, err := open(1, url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "temp_store(2)",
	}})
	if err != nil {
		return nil, err
	}
	t := &twinSQLite{}
	if t.update, err = writer.PrepareContext(ctx, patchQuery); err != nil {
		return nil, err
	}
	reader, err := open(readers, url.Values{"_pragma": {"busy_timeout(10000)", "query_only(1)", "temp_store(2)"}})
	if err != nil {
		return nil, err
	}
	t.page, err = reader.PrepareContext(ctx, themesQuery)
	return t, err
}

func (t *twinSQLite) access(context.Context, string) error { return nil }

func (t *twinSQLite) themes(ctx context.Context, dst []byte, user int64) ([]byte, error) {
	rows, err := t.page.QueryContext(ctx, user, pageSize, 0)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return appendThemes(dst, rows, storedTime)
}

const storedLayout = "2006-01-02 15:04:05.000000-07:00"

func (t *twinSQLite) patch(ctx context.Context, dst []byte, user int64, p patch) ([]byte, error) {
	var r preferencesRow[string]
	now := time.Now().UTC().Format(storedLayout)
	if err := t.update.QueryRowContext(ctx, patchArgs(p, now, user)...).Scan(r.dests()...); err != nil {
		return nil, err
	}
	return r.append(dst, storedTime), nil
}

// storedTime turns the text that the file holds into the text of the answer,
// without reading it as a time.
func storedTime(dst []byte, s string) []byte {
	dst = append(append(append(append(dst, '"'), s[:10]...), 'T'), s[11:19]...)
	if s[20:26] != "000000" {
		dst = append(dst, s[19:26]...)
	}
	return append(dst, `Z"`...)
}

// twinPostgres uses a pool of pgx, which keeps its statements by itself.
type twinPostgres struct{ pool *pgxpool.Pool }

func openTwinPostgres(ctx context.Context, address string) (*twinPostgres, error) {
	pool, err := pgxpool.New(ctx, address)
	return &twinPostgres{pool}, err
}

// accessQuery is what every request must ask of the database: whether the
// session and its user still are what they were.
const accessQuery = `SELECT users.id, users.username, users.email, users.email_key, users.email_claim, users.email_verified_at,
	users.password, users.first_name, users.last_name, users.role, users.status, users.is_active, users.avatar, users.bio,
	users.preferred_locale, users.theme_mode, users.sidebar_collapsed, users.last_login, users.date_joined,
	users.tokens_valid_after, users.themes_version, users.search_text, users.created_at, users.updated_at,
	sessions.ended_at, COALESCE(user_preferences.version, 0) AS preferences_version
	FROM sessions
	JOIN users ON users.id = sessions.user_id
	LEFT JOIN user_preferences ON user_preferences.user_id = users.id
	WHERE sessions.id = $1`

var errNoAccess = errors.New("the session has ended")

func (t *twinPostgres) access(ctx context.Context, session string) error {
	var u struct {
		id, themes, preferences                                                              int64
		username, email, key, password, first, last, role, status, bio, locale, mode, search string
		claim, avatar                                                                        *string
		verified, login, validAfter, ended                                                   *time.Time
		active, collapsed                                                                    bool
		joined, created, updated                                                             time.Time
	}
	err := t.pool.QueryRow(ctx, accessQuery, session).Scan(&u.id, &u.username, &u.email, &u.key, &u.claim, &u.verified,
		&u.password, &u.first, &u.last, &u.role, &u.status, &u.active, &u.avatar, &u.bio, &u.locale, &u.mode, &u.collapsed,
		&u.login, &u.joined, &u.validAfter, &u.themes, &u.search, &u.created, &u.updated, &u.ended, &u.preferences)
	if err != nil {
		return err
	}
	if u.ended != nil || !u.active || u.status == "inactive" {
		return errNoAccess
	}
	return nil
}

func (t *twinPostgres) themes(ctx context.Context, dst []byte, user int64) ([]byte, error) {
	rows, err := t.pool.Query(ctx, themesQuery, user, int64(pageSize), int64(0))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return appendThemes(dst, rows, timestamp)
}

func (t *twinPostgres) patch(ctx context.Context, dst []byte, user int64, p patch) ([]byte, error) {
	var r preferencesRow[time.Time]
	if err := t.pool.QueryRow(ctx, patchQuery, patchArgs(p, time.Now().UTC(), user)...).Scan(r.dests()...); err != nil {
		return nil, err
	}
	return r.append(dst, timestamp), nil
}
