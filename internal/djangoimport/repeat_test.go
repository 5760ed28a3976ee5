package djangoimport_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/djangoimport"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

func TestSecondRunWritesNothing(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		opts := djangoimport.Options{From: file(t, oracle.DjangoDatabase), Target: db}
		first := mustRun(t, opts)
		before, stamps := dump(t, db), read(t, db, "imported_rows")
		second := mustRun(t, opts)
		sameDump(t, "after the second run", dump(t, db), before)
		if after := read(t, db, "imported_rows"); !reflect.DeepEqual(after, stamps) {
			t.Error("the second run wrote imported_rows")
		}
		for _, c := range second.Tables {
			if c.Unchanged != first.Table(c.Name).Taken || c.Taken+c.Updated+c.ChangedInBdash+c.DeletedInBdash != 0 {
				t.Errorf("second run: %+v, want %d unchanged", c, first.Table(c.Name).Taken)
			}
		}
		if !reflect.DeepEqual(first.Notes, second.Notes) {
			t.Errorf("the notes differ:\n%+v\n%+v", first.Notes, second.Notes)
		}
	})
}

// The times in SQLite's copy of the recorded data are cut to milliseconds, so
// that its rows are not those of PostgreSQL's.
func TestSourceOfPostgresRepeats(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_DATABASE_URL") == "" {
		return // sqltest leaves PostgreSQL out in the same way
	}
	db := sqltest.Open(t)
	from := dumpedPostgres(t)
	c, err := pgx.Connect(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	// Users were deleted; tokens may still name them.
	if _, err := c.Exec(t.Context(), "SELECT setval('public.users_id_seq', 90)"); err != nil {
		t.Fatal(err)
	}
	mustRun(t, djangoimport.Options{From: from, Target: db})
	if got := lastID(t, db, "users"); got != 90 {
		t.Errorf("the sequence of users stands at %d, want 90", got)
	}
	before := dump(t, db)
	report := mustRun(t, djangoimport.Options{From: from, Target: db})
	sameDump(t, "after the second run", dump(t, db), before)
	if c := report.Table("themes"); c.Unchanged != 167 {
		t.Errorf("themes: %+v, want all unchanged", c)
	}
	if strings.Contains(report.Source, "postgres@") || !strings.HasPrefix(report.Source, "postgres://127.0.0.1") {
		t.Errorf("Source = %q, want host and database only", report.Source)
	}
}

func TestRowsChangedInBdashAreKept(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		path := file(t, oracle.DjangoDatabase)
		opts := djangoimport.Options{From: path, Target: db}
		mustRun(t, opts)
		exec(t, db, "UPDATE users SET password = $1 WHERE id = $2", "argon2$new", int64(3))
		exec(t, db, "UPDATE themes SET name = $1 WHERE id = $2", "Mine", int64(3))
		exec(t, db, "DELETE FROM dashboard_views WHERE id = $1", int64(5))
		exec(t, db, "INSERT INTO agent_messages (conversation_id, position, role, content, created_at) VALUES ($1, $2, $3, $4, $5)",
			int64(1), int64(4), "user", "and now?", db.Now())
		edit(t, path,
			"UPDATE users SET bio = 'new in Django' WHERE id IN (3, 4)",
			"UPDATE themes SET description = 'new in Django' WHERE id IN (3, 4)",
			"UPDATE dashboard_views SET description = 'new in Django' WHERE id IN (5, 6)",
			`UPDATE agent_conversations SET messages = '[{"role": "user", "content": "x", "timestamp": "2024-06-01T00:00:00"}]' WHERE id IN (1, 2)`,
			"DELETE FROM widget_data WHERE id = 7",
			"INSERT INTO themes SELECT 900, 'Late', '', color_mode, colors, '0', 0, 0, 0, created_at, updated_at, 4 FROM themes WHERE id = 1",
		)
		report := mustRun(t, opts)

		for _, want := range []djangoimport.Table{
			{Name: "users", Source: 52, Unchanged: 50, Updated: 1, ChangedInBdash: 1},
			{Name: "themes", Source: 168, Unchanged: 165, Updated: 1, ChangedInBdash: 1, Taken: 1},
			{Name: "dashboard_views", Source: 80, Unchanged: 78, Updated: 1, DeletedInBdash: 1},
			{Name: "widget_data", Source: 119, Unchanged: 119},
			{Name: "agent_conversations", Source: 91, Unchanged: 89, Updated: 1, ChangedInBdash: 1},
		} {
			if got := report.Table(want.Name); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
		users, themes := read(t, db, "users"), read(t, db, "themes")
		if u := byID(t, users, 3); u["password"] != "argon2$new" || u["bio"] != "" {
			t.Errorf("user 3 was overwritten: %v", u)
		}
		if u := byID(t, users, 4); u["bio"] != "new in Django" {
			t.Errorf("user 4 was not updated: %v", u)
		}
		if th := byID(t, themes, 3); th["name"] != "Mine" || th["description"] != "" {
			t.Errorf("theme 3 was overwritten: %v", th)
		}
		if th := byID(t, themes, 4); th["description"] != "new in Django" {
			t.Errorf("theme 4 was not updated: %v", th)
		}
		// Its themes moved twice: one changed, one came.
		if v := byID(t, users, 4)["themes_version"]; v == "1" {
			t.Errorf("themes_version of user 4 did not move")
		}
		for _, v := range read(t, db, "dashboard_views") {
			if v["id"] == "5" {
				t.Error("view 5 is back")
			}
		}
		counts := map[string]int{}
		for _, m := range read(t, db, "agent_messages") {
			counts[m["conversation_id"]]++
		}
		if counts["1"] != 5 || counts["2"] != 1 {
			t.Errorf("conversation 1 has %d messages, want 5 (kept); 2 has %d, want 1 (updated)", counts["1"], counts["2"])
		}
		if n := report.Find("widget_data", "was taken earlier and is gone from Django since: it stays in bdash"); n == nil || n.Count != 1 || n.Examples[0].ID != 7 {
			t.Errorf("the row that is gone from Django: %+v", n)
		}
		byID(t, read(t, db, "widget_data"), 7)

		before := dump(t, db)
		again := mustRun(t, opts)
		sameDump(t, "after the third run", dump(t, db), before)
		if c := again.Table("users"); c.Unchanged != 51 || c.ChangedInBdash != 1 {
			t.Errorf("third run: %+v", c)
		}
	})
}

// Rows that trade names, flags and addresses cannot be written one by one.
func TestRowsThatSwapTheirKeys(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		m := newMade(t)
		for id := int64(1); id <= 3; id++ {
			m.user(id, nil)
			m.add("user_preferences", id, map[string]any{"user_id": id})
		}
		for id := 1; id <= 3; id++ {
			m.add("themes", id, map[string]any{"user_id": 1, "name": fmt.Sprintf("t%d", id), "is_active": id == 1})
		}
		opts := djangoimport.Options{From: m.path, Target: db}
		mustRun(t, opts)
		m.exec("UPDATE themes SET name = 't' || (1 + id % 3), is_active = (id = 3), updated_at = '2024-02-02 00:00:00'")
		m.exec("UPDATE users SET username = 'u' || (1 + id % 3), email = 'u' || (1 + id % 3) || '@example.com'")
		m.exec("UPDATE user_preferences SET user_id = 1 + id % 3")
		report := mustRun(t, opts)
		for _, table := range []string{"users", "themes", "user_preferences"} {
			if c := report.Table(table); c.Updated != 3 {
				t.Errorf("%+v, want 3 updated", c)
			}
		}
		for id := int64(1); id <= 3; id++ {
			next := fmt.Sprint(1 + id%3)
			u, th, p := byID(t, read(t, db, "users"), id), byID(t, read(t, db, "themes"), id), byID(t, read(t, db, "user_preferences"), id)
			if u["username"] != "u"+next || u["email_claim"] != "u"+next+"@example.com" {
				t.Errorf("user %d: %v", id, u)
			}
			if th["name"] != "t"+next || th["is_active"] != fmt.Sprint(id == 3) {
				t.Errorf("theme %d: %v", id, th)
			}
			if p["user_id"] != next {
				t.Errorf("preferences %d belong to %s, want %s", id, p["user_id"], next)
			}
		}
		before := dump(t, db)
		if c := mustRun(t, opts).Table("themes"); c.Unchanged != 3 {
			t.Errorf("third run: %+v", c)
		}
		sameDump(t, "after the third run", dump(t, db), before)
	})
}

// What bdash's own rows hold is not taken from them.
func TestRowsOfBdashKeepTheirKeys(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		m := newMade(t)
		m.user(1, nil)
		m.add("themes", 1, map[string]any{"user_id": 1, "name": "one", "is_active": 1})
		opts := djangoimport.Options{From: m.path, Target: db}
		mustRun(t, opts)

		// In bdash: another active theme, and another account with an address.
		exec(t, db, "UPDATE themes SET is_active = $1 WHERE id = $2", false, int64(1))
		exec(t, db, `INSERT INTO themes (id, user_id, name, description, color_mode, colors, border_radius, is_active, is_default,
			search_text, created_at, updated_at) VALUES ($1, 1, 'own', '', 'dark', '{}', '', $2, $3, 'own', $4, $4)`,
			int64(500), true, false, db.Now())
		exec(t, db, `INSERT INTO users (id, username, email, email_key, email_claim, password, first_name, last_name, role, status,
			is_active, bio, preferred_locale, theme_mode, sidebar_collapsed, date_joined, themes_version, search_text, created_at,
			updated_at) VALUES ($1, 'new', 'new@example.com', 'new@example.com', 'new@example.com', '!', '', '', 'user', 'active',
			$2, '', 'en', 'system', $3, $4, 1, '', $4, $4)`, int64(600), true, false, db.Now())
		// In Django: a theme of that name, an active one, users of that name and address.
		m.add("themes", 2, map[string]any{"user_id": 1, "name": "own"})
		m.add("themes", 3, map[string]any{"user_id": 1, "name": "three", "is_active": 1, "updated_at": "2025-01-01 00:00:00"})
		m.user(2, map[string]any{"username": "new"})
		m.user(3, map[string]any{"email": "New@Example.com"})
		m.add("themes", 4, map[string]any{"user_id": 2, "name": "orphan"})

		report := mustRun(t, opts)
		themes := read(t, db, "themes")
		if byID(t, themes, 500)["is_active"] != "true" || byID(t, themes, 3)["is_active"] != "false" {
			t.Error("the active theme of bdash gave way")
		}
		for _, want := range []struct {
			table, reason string
			id            int64
		}{
			{"themes", "its owner has another theme of this name", 2},
			{"themes", "is not active here: its owner has another active theme in bdash", 3},
			{"themes", "belongs to a user that was not taken or was deleted in bdash", 4},
			{"users", "another account has this username", 2},
			{"users", "another account of bdash owns this e-mail address and signs in with it: this one signs in by username", 3},
		} {
			n := report.Find(want.table, want.reason)
			if n == nil || n.Count != 1 || n.Examples[0].ID != want.id {
				t.Errorf("Find(%q, %q) = %+v, want id %d", want.table, want.reason, n, want.id)
			}
		}
		if u := byID(t, read(t, db, "users"), 3); u["email_claim"] != "<nil>" || u["email_key"] != "new@example.com" {
			t.Errorf("user 3: %v", u)
		}
		before := dump(t, db)
		again := mustRun(t, opts)
		sameDump(t, "after another run", dump(t, db), before)
		if c := again.Table("themes"); c.Skipped != 2 || c.Unchanged != 1 || c.ChangedInBdash != 1 {
			t.Errorf("another run: %+v", c)
		}

		// A rename onto a name that bdash uses is not made; one that gave way
		// before does not count as a change.
		m.exec("UPDATE themes SET name = 'own' WHERE id = 3")
		m.exec("DELETE FROM themes WHERE id = 2")
		report = mustRun(t, opts)
		if n := report.Find("themes", "the change in Django was not taken: its owner has another theme of this name"); n == nil || n.Examples[0].ID != 3 {
			t.Errorf("the rename: %+v", n)
		}
		sameDump(t, "after the refused rename", dump(t, db), before)
	})
}

func TestForeignRowsAreRefused(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		mustRun(t, djangoimport.Options{From: file(t, oracle.RecordSeed), Target: db})
		before := dump(t, db)
		_, err := djangoimport.Run(t.Context(), djangoimport.Options{From: file(t, oracle.DjangoDatabase), Target: db})
		var conflict *djangoimport.ConflictError
		if !errors.As(err, &conflict) {
			t.Fatalf("Run = %v, want a ConflictError", err)
		}
		if u := conflict.Tables[0]; u.Name != "users" || !reflect.DeepEqual(u.IDs, []int64{1, 2, 3, 4, 5, 6, 7, 8}) {
			t.Errorf("conflicts: %+v", u)
		}
		if !strings.Contains(err.Error(), "the target holds other rows with those ids: users 1, 2, 3, 4, 5 and 3 more; themes 1,") {
			t.Errorf("Error = %q", err)
		}
		sameDump(t, "after the refusal", dump(t, db), before)
	})
}

func TestRowsOfBdashAreRefused(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		path := file(t, oracle.RecordSeed)
		// The very rows of Django, but without a record of the import.
		mustRun(t, djangoimport.Options{From: path, Target: db})
		exec(t, db, "DELETE FROM imported_rows WHERE table_name = $1 AND row_id = $2", "widgets", int64(2))
		before := dump(t, db)
		for _, dry := range []bool{true, false} {
			_, err := djangoimport.Run(t.Context(), djangoimport.Options{From: path, Target: db, DryRun: dry})
			var conflict *djangoimport.ConflictError
			if !errors.As(err, &conflict) || len(conflict.Tables) != 1 || !reflect.DeepEqual(conflict.Tables[0],
				djangoimport.ConflictTable{Name: "widgets", IDs: []int64{2}}) {
				t.Fatalf("Run = %v, want a conflict about widget 2", err)
			}
			sameDump(t, "after the refusal", dump(t, db), before)
		}
	})
}

func TestDryRunWritesNothing(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		path := file(t, oracle.DjangoDatabase)
		before := dump(t, db)
		dry := mustRun(t, djangoimport.Options{From: path, Target: db, DryRun: true})
		sameDump(t, "after the dry run", dump(t, db), before)
		if last := lastID(t, db, "users"); last != 0 {
			t.Errorf("the dry run moved the sequence of users to %d", last)
		}
		real := mustRun(t, djangoimport.Options{From: path, Target: db})
		if !dry.DryRun || real.DryRun {
			t.Error("DryRun is not reported")
		}
		dry.DryRun = false
		if !reflect.DeepEqual(dry, real) {
			t.Errorf("the dry run reports\n%+v\nthe real one\n%+v", dry, real)
		}
		before = dump(t, db)
		edit(t, path, "UPDATE users SET bio = 'x'")
		dry = mustRun(t, djangoimport.Options{From: path, Target: db, DryRun: true})
		sameDump(t, "after the second dry run", dump(t, db), before)
		if c := dry.Table("users"); c.Updated != 52 {
			t.Errorf("the second dry run: %+v, want 52 updated", c)
		}
	})
}

// lastID is the last id that the sequence of a table gave.
func lastID(t *testing.T, db *sqlstore.DB, table string) (last int64) {
	t.Helper()
	query := "SELECT COALESCE(max(seq), 0) FROM sqlite_sequence WHERE name = '" + table + "'"
	if db.Engine() == sqlstore.Postgres {
		query = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM " + table + "_id_seq"
	}
	if err := db.ReadDBTX().QueryRow(t.Context(), query).Scan(&last); err != nil {
		t.Fatal(err)
	}
	return last
}

func TestSequencesGoPastEveryIDThatDjangoGave(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		path := file(t, oracle.DjangoDatabase)
		// The user with the highest id was deleted: tokens may still name it.
		edit(t, path, "UPDATE sqlite_sequence SET seq = 77 WHERE name = 'users'")
		mustRun(t, djangoimport.Options{From: path, Target: db})
		for table, want := range map[string]int64{
			"users": 77, "themes": 167, "dashboard_views": 80, "user_preferences": 41, "widgets": 30, "widget_data": 120,
			"ai_agents": 59, "agent_conversations": 91,
		} {
			if got := lastID(t, db, table); got != want {
				t.Errorf("the sequence of %s stands at %d, want %d", table, got, want)
			}
		}
		exec(t, db, "INSERT INTO widgets (name, widget_type, description, config_schema, is_public, created_by, search_text, created_at, updated_at) "+
			"VALUES ('w', 'chart', '', '{}', $1, 1, 'w', $2, $2)", false, db.Now())
		widgets := read(t, db, "widgets")
		if last := widgets[len(widgets)-1]; last["id"] != "31" {
			t.Errorf("the next widget got the id %s, want 31", last["id"])
		}
		mustRun(t, djangoimport.Options{From: path, Target: db})
		if got := lastID(t, db, "widgets"); got != 31 {
			t.Errorf("a repeated import moved the sequence back to %d", got)
		}
	})
}

// A killed import is run again until it comes through: the result is that of
// one that was never killed. So it is with a repeated import.
func TestKilledImportGoesOn(t *testing.T) {
	t.Parallel()
	edits := []string{
		"UPDATE users SET bio = 'new in Django'",
		"UPDATE themes SET name = name || ' (old)' WHERE id % 2 = 0",
		"INSERT INTO themes SELECT id + 100, name || '!', '', color_mode, colors, '0', 0, 0, 0, created_at, updated_at, user_id FROM themes",
	}
	path := file(t, oracle.RecordSeed)
	whole := sqltest.Open(t)
	mustRun(t, djangoimport.Options{From: path, Target: whole})
	first := dump(t, whole)
	edit(t, path, edits...)
	mustRun(t, djangoimport.Options{From: path, Target: whole})
	second := dump(t, whole)
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		random := rand.New(rand.NewPCG(7, 11))
		path := file(t, oracle.RecordSeed)
		opts := djangoimport.Options{From: path, Target: db, BatchSize: 5}
		if partial := killAndGoOn(t, opts, random, 54); partial == 0 {
			t.Error("no kill came half-way: the test does not test")
		}
		sameDump(t, "after the kills", dump(t, db), first)
		edit(t, path, edits...)
		if partial := killAndGoOn(t, opts, random, 100); partial == 0 {
			t.Error("no kill of the repeated import came half-way: the test does not test")
		}
		sameDump(t, "after the kills of the repeated import", dump(t, db), second)
	})
}

// killAndGoOn lets the import live a little longer each time until it comes
// through. It tells how often some, but not all, of the so many users and
// themes were there after a kill.
func killAndGoOn(t *testing.T, opts djangoimport.Options, random *rand.Rand, all int) (partial int) {
	t.Helper()
	count := func() int { return len(read(t, opts.Target, "users")) + len(read(t, opts.Target, "themes")) }
	start := count()
	for length := int64(40); ; length += 5 + random.Int64N(30) {
		ctx := newFuse(t.Context(), length)
		report, err := djangoimport.Run(ctx, opts)
		ctx.cancel()
		if err == nil {
			return partial
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("Run = %v, want it to be cancelled", err)
		}
		if report.Complete {
			t.Error("a killed import calls itself complete")
		}
		n := count()
		if n > start && n < all {
			partial++
		}
		if remembered := len(read(t, opts.Target, "imported_rows")); remembered < n {
			t.Fatalf("%d users and themes, but %d rows are remembered", n, remembered)
		}
	}
}
