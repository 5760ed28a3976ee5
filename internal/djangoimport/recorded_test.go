package djangoimport_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/djangoimport"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// sourceRows reads a table of Django as text, by a way of its own.
type sourceRows func(t *testing.T, table string) []map[string]*string

func sqliteRows(path string) sourceRows {
	return func(t *testing.T, table string) []map[string]*string {
		t.Helper()
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		columns, err := db.QueryContext(t.Context(), "SELECT name FROM pragma_table_info('"+table+"')")
		if err != nil {
			t.Fatal(err)
		}
		defer columns.Close()
		var names, parts []string
		for columns.Next() {
			var name string
			if err := columns.Scan(&name); err != nil {
				t.Fatal(err)
			}
			names, parts = append(names, name), append(parts, `CAST("`+name+`" AS TEXT)`)
		}
		rows, err := db.QueryContext(t.Context(), "SELECT "+strings.Join(parts, ", ")+" FROM "+table+" ORDER BY id")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []map[string]*string
		for rows.Next() {
			out = append(out, scanText(t, names, rows.Scan))
		}
		return out
	}
}

func postgresRows(url string) sourceRows {
	return func(t *testing.T, table string) []map[string]*string {
		t.Helper()
		c, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		if _, err := c.Exec(t.Context(), "SET TIME ZONE 'UTC'"); err != nil {
			t.Fatal(err)
		}
		rows, err := c.Query(t.Context(), "SELECT * FROM public."+table+" ORDER BY id", pgx.QueryResultFormats{pgx.TextFormatCode})
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []map[string]*string
		for rows.Next() {
			r := map[string]*string{}
			for i, raw := range rows.RawValues() {
				var v *string
				if raw != nil {
					s := string(raw)
					v = &s
				}
				r[rows.FieldDescriptions()[i].Name] = v
			}
			out = append(out, r)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func scanText(t *testing.T, names []string, scan func(...any) error) map[string]*string {
	t.Helper()
	values := make([]*string, len(names))
	dests := make([]any, len(names))
	for i := range values {
		dests[i] = &values[i]
	}
	if err := scan(dests...); err != nil {
		t.Fatal(err)
	}
	r := map[string]*string{}
	for i, n := range names {
		r[n] = values[i]
	}
	return r
}

// copied lists the columns that are to arrive as they were. A colon gives the
// name that the column has in bdash.
var copied = map[string][]string{
	"users": {
		"id", "password", "last_login", "username", "first_name", "last_name", "is_active", "date_joined", "email",
		"status", "avatar", "bio", "preferred_locale", "theme_mode", "sidebar_collapsed", "created_at", "updated_at",
	},
	"themes": {
		"id", "name", "description", "color_mode", "colors", "border_radius", "is_active", "is_default", "created_at",
		"updated_at", "user_id",
	},
	"dashboard_views": {
		"id", "name", "description", "is_default", "is_active", "widgets_config", "created_at", "updated_at", "user_id",
	},
	"user_preferences": {
		"id", "locale", "theme_mode", "active_theme_id", "sidebar_collapsed", "active_dashboard_view", "created_at",
		"updated_at", "user_id",
	},
	"widgets": {
		"id", "name", "widget_type", "description", "config_schema", "is_public", "created_at", "updated_at",
		"created_by_id:created_by",
	},
	"widget_data": {"id", "data", "cached_at", "cache_ttl", "user_id", "widget_id"},
	"ai_agents": {
		"id", "name", "description", "agent_type", "system_prompt", "model", "temperature", "max_tokens",
		"available_tools", "status", "total_interactions", "last_used", "created_at", "updated_at", "user_id",
	},
	"agent_conversations": {"id", "title", "total_tokens_used", "created_at", "updated_at", "agent_id", "user_id"},
}

var (
	jsonColumns = []string{"colors", "widgets_config", "config_schema", "data", "available_tools"}
	boolColumns = []string{"is_active", "is_default", "is_public", "sidebar_collapsed"}
	timeColumns = []string{"created_at", "updated_at", "last_login", "last_used", "date_joined", "cached_at"}
)

func TestRecordedDatabasesArriveWhole(t *testing.T) {
	t.Parallel()
	sources := map[string]func(t *testing.T) (from string, rows sourceRows){
		"record_seed": func(t *testing.T) (string, sourceRows) {
			path := file(t, oracle.RecordSeed)
			return path, sqliteRows(path)
		},
		"django_db": func(t *testing.T) (string, sourceRows) {
			path := file(t, oracle.DjangoDatabase)
			return "sqlite://" + path, sqliteRows(path)
		},
	}
	if os.Getenv("TEST_DATABASE_URL") != "" {
		sources["django_dump"] = func(t *testing.T) (string, sourceRows) {
			url := dumpedPostgres(t)
			return url, postgresRows(url)
		}
	}
	for name, open := range sources {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
				from, rows := open(t)
				report := mustRun(t, djangoimport.Options{From: from, Target: db})
				for table, columns := range copied {
					compareTable(t, db, report, table, columns, rows(t, table))
				}
				compareUsers(t, db, rows(t, "users"))
				compareConversations(t, db, report, rows(t, "agent_conversations"))
			})
		})
	}
}

// compareTable holds every row and column of bdash against Django's.
func compareTable(t *testing.T, db *sqlstore.DB, report djangoimport.Report, table string, columns []string, want []map[string]*string) {
	t.Helper()
	got := read(t, db, table)
	n := int64(len(want))
	if c := report.Table(table); c.Source != n || c.Taken != n || int64(len(got)) != n {
		t.Fatalf("%s: %d rows in Django, %d in bdash, counted %+v", table, n, len(got), c)
	}
	for i, w := range want {
		for _, c := range columns {
			from, to, renamed := strings.Cut(c, ":")
			if !renamed {
				to = from
			}
			compareValue(t, fmt.Sprintf("%s %s.%s", table, *w["id"], from), from, w[from], got[i][to])
		}
	}
}

func compareValue(t *testing.T, what, column string, want *string, got string) {
	t.Helper()
	switch {
	case want == nil:
		if got != "<nil>" {
			t.Errorf("%s = %q, want NULL", what, got)
		}
	case slices.Contains(jsonColumns, column):
		compareJSON(t, what, *want, got)
	case slices.Contains(boolColumns, column):
		if yes := strings.ContainsAny(*want, "1t"); got != fmt.Sprint(yes) {
			t.Errorf("%s = %s, want %t", what, got, yes)
		}
	case slices.Contains(timeColumns, column):
		text := strings.TrimSuffix(*want, "+00")
		at, err := time.Parse("2006-01-02 15:04:05", text)
		if err != nil || got != printed(at) {
			t.Errorf("%s = %s, want %s (%v)", what, got, text, err)
		}
	default:
		// SQLite prints 1 as 1.0 in a REAL column.
		if got != *want && got+".0" != *want {
			t.Errorf("%s = %q, want %q", what, got, *want)
		}
	}
}

// compareJSON wants the same value, the same order of keys, and no white space.
func compareJSON(t *testing.T, what, want, got string) {
	t.Helper()
	tokens := func(s string) (out []json.Token) {
		dec := json.NewDecoder(strings.NewReader(s))
		dec.UseNumber()
		for {
			token, err := dec.Token()
			if err != nil {
				return out
			}
			out = append(out, token)
		}
	}
	if !reflect.DeepEqual(tokens(got), tokens(want)) {
		t.Errorf("%s = %s, want %s", what, got, want)
	}
	if strings.Contains(got, `": `) || strings.Contains(got, `\u00`) {
		t.Errorf("%s is not compact: %s", what, got)
	}
}

func compareUsers(t *testing.T, db *sqlstore.DB, want []map[string]*string) {
	t.Helper()
	for i, got := range read(t, db, "users") {
		w := want[i]
		role := *w["role"]
		switch {
		case strings.ContainsAny(*w["is_superuser"], "1t"):
			role = "admin"
		case role == "admin":
			role = "editor"
		}
		key := account.EmailKey(*w["email"])
		for column, value := range map[string]string{
			"role": role, "email_key": key, "email_claim": key, "email_verified_at": "<nil>", "tokens_valid_after": "<nil>",
			"search_text": strings.ToLower(*w["email"] + "\n" + *w["username"] + "\n" + *w["first_name"] + "\n" + *w["last_name"]),
		} {
			if got[column] != value {
				t.Errorf("user %s: %s = %q, want %q", got["id"], column, got[column], value)
			}
		}
	}
}

func compareConversations(t *testing.T, db *sqlstore.DB, report djangoimport.Report, want []map[string]*string) {
	t.Helper()
	messages := read(t, db, "agent_messages")
	total := 0
	for i, got := range read(t, db, "agent_conversations") {
		cost, _ := new(big.Rat).SetString(*want[i]["total_cost"])
		nanos := cost.Mul(cost, big.NewRat(1e9, 1)).FloatString(0)
		if got["total_cost_nanos"] != nanos {
			t.Errorf("conversation %s costs %s, want %s", got["id"], got["total_cost_nanos"], nanos)
		}
		var list []struct{ Role, Content, Timestamp string }
		if err := json.Unmarshal([]byte(*want[i]["messages"]), &list); err != nil {
			t.Fatal(err)
		}
		for position, w := range list {
			if total >= len(messages) {
				t.Fatalf("%d messages arrived, there are more", len(messages))
			}
			m := messages[total]
			total++
			at, err := time.Parse("2006-01-02T15:04:05", w.Timestamp)
			if err != nil {
				t.Fatal(err)
			}
			wantRow := row{
				"id": m["id"], "conversation_id": got["id"], "position": fmt.Sprint(position), "role": w.Role,
				"content": w.Content, "payload": "<nil>", "steps": "<nil>", "created_at": printed(at),
			}
			if !reflect.DeepEqual(m, wantRow) {
				t.Errorf("message %v, want %v", m, wantRow)
			}
		}
	}
	if c := report.Table("agent_messages"); c.Taken != int64(total) || len(messages) != total {
		t.Errorf("%d messages in Django, %d in bdash, counted %+v", total, len(messages), c)
	}
}

func TestRecordedReportListsWhatChanges(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t)
	report := mustRun(t, djangoimport.Options{From: file(t, oracle.DjangoDatabase), Target: db})
	for _, want := range []struct {
		table, reason string
		count         int64
	}{
		{"users", "role admin without is_superuser had no power in Django and becomes editor", 10},
		{"users", "is_active is false: cannot sign in whatever the status is", 4},
		{"users", "status is inactive: could sign in at Django, cannot in bdash", 6},
		{"users", "status is pending: could chat in Django, cannot in bdash until active", 5},
		{"auth_permission", "groups and permissions: bdash has the roles admin, editor and user instead", 88},
		{"users_groups", "groups and permissions: bdash has the roles admin, editor and user instead", 0},
		{"django_content_type", "Django's own bookkeeping: bdash has no use for it", 22},
		{"django_migrations", "Django's own bookkeeping: bdash has no use for it", 53},
		{"django_session", "Django's browser sessions: they are good for its admin site only", 0},
		{"django_admin_log", "Django's admin log: bdash keeps an audit trail of its own from now on", 0},
		{"django_celery_beat_periodictask", "Celery's schedules and results: bdash has its own jobs", 0},
	} {
		n := report.Find(want.table, want.reason)
		if n == nil || n.Count != want.count {
			t.Errorf("Find(%q, %q) = %+v, want %d rows", want.table, want.reason, n, want.count)
		}
	}
	systems := 0
	for _, r := range sqliteRows(file(t, oracle.DjangoDatabase))(t, "themes") {
		if *r["is_system"] == "1" {
			systems++
		}
	}
	if n := report.Find("themes", "is_system becomes false: system themes are bdash's own"); n == nil || n.Count != int64(systems) {
		t.Errorf("is_system: %+v, want %d rows", n, systems)
	}
}

func TestTrustRoles(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t)
	mustRun(t, djangoimport.Options{From: file(t, oracle.DjangoDatabase), Target: db, TrustRoles: true})
	admins := 0
	for _, u := range read(t, db, "users") {
		if u["role"] == "admin" {
			admins++
		}
	}
	if admins != 11 {
		t.Errorf("%d admins, want 11: roles as they were", admins)
	}
}
