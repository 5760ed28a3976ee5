package djangoimport_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/djangoimport"
	"github.com/bdash/bdash/internal/sqlstore"
	sqlc "github.com/bdash/bdash/internal/sqlstore/db"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// expectNote wants the note to stand for exactly these ids.
func expectNote(t *testing.T, report djangoimport.Report, kind djangoimport.Kind, table, reason string, ids ...int64) {
	t.Helper()
	n := report.Find(table, reason)
	if n == nil {
		t.Errorf("%s: no note %q", table, reason)
		return
	}
	var got []int64
	for _, e := range n.Examples {
		got = append(got, e.ID)
	}
	if n.Kind != kind || n.Count != int64(len(ids)) || !cmp.Equal(got, ids) {
		t.Errorf("%s: %q is %s with %d rows, ids %v; want %s, ids %v", table, reason, n.Kind, n.Count, got, kind, ids)
	}
}

func TestUsersOfAllSorts(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		m := newMade(t)
		long := strings.Repeat("x", 3000) + "@example.com"
		for id, values := range map[int64]map[string]any{
			1:  {"is_superuser": 1, "role": "user", "is_staff": 1},
			2:  {"role": "admin"},
			3:  {"role": "Editor", "is_staff": 1},
			4:  {"role": "editor", "status": "banned"},
			5:  {"status": "banned", "is_active": 0},
			6:  {"email": nil},
			7:  {"email": "   "},
			8:  {"email": long},
			9:  {"email": "Twin@Example.com", "date_joined": "2024-03-01 00:00:00"},
			10: {"email": " twin@example.com", "date_joined": "2024-02-01 00:00:00"},
			11: {"email": "TWIN@EXAMPLE.COM", "date_joined": "2024-09-01 00:00:00", "is_active": 0},
			12: {"email": "twin@example.com", "date_joined": "2024-08-01 00:00:00", "status": "inactive"},
			13: {"password": "md5$salt$abc", "theme_mode": "blue", "avatar": "", "is_active": "perhaps"},
			14: {"username": strings.Repeat("ü", 151), "first_name": "a\x00b\xff", "last_login": "yesterday"},
			15: {"date_joined": "2024-01-01T02:00:00.5+02:00", "created_at": "noon", "updated_at": nil, "password": "!unusable"},
		} {
			m.user(id, values)
		}
		for _, id := range []any{nil, "abc", 0, -3, 2, int64(1<<63 - 1)} {
			m.add("users", id, map[string]any{"username": fmt.Sprint("odd ", id), "email": "odd@example.com"})
		}
		report := mustRun(t, djangoimport.Options{From: m.path, Target: db})

		const users = "users"
		expectNote(t, report, djangoimport.Changed, users, "is_superuser becomes the role admin", 1)
		expectNote(t, report, djangoimport.Changed, users, "role admin without is_superuser had no power in Django and becomes editor", 2)
		expectNote(t, report, djangoimport.Notable, users, "is_staff is not taken: it opened Django's admin site only", 3)
		expectNote(t, report, djangoimport.Changed, users, "role is none that bdash knows and becomes user", 3)
		expectNote(t, report, djangoimport.Changed, users, "status is none that bdash knows and becomes active, after is_active", 4)
		expectNote(t, report, djangoimport.Changed, users, "status is none that bdash knows and becomes inactive, after is_active", 5)
		expectNote(t, report, djangoimport.Changed, users, "email was NULL", 6)
		expectNote(t, report, djangoimport.Notable, users, "has no e-mail address: signs in by username", 6, 7)
		expectNote(t, report, djangoimport.Notable, users, "the e-mail address is longer than 254 characters: signs in by username", 8)
		expectNote(t, report, djangoimport.Notable, users, "shares its e-mail address with other accounts and is the one that signs in with it", 9)
		expectNote(t, report, djangoimport.Notable, users,
			"shares its e-mail address with the account that signs in with it: this one signs in by username", 10, 11, 12)
		expectNote(t, report, djangoimport.Notable, users, "the password hash has a format that bdash cannot check: the password must be reset", 13)
		expectNote(t, report, djangoimport.Changed, users, "theme_mode was none of light, dark, system and becomes \"system\"", 13)
		expectNote(t, report, djangoimport.Changed, users, "is_active was neither true nor false and becomes false", 13)
		expectNote(t, report, djangoimport.Changed, users, "username was longer than 150 characters and is cut", 14)
		expectNote(t, report, djangoimport.Changed, users, "first_name held NUL or invalid UTF-8, which is replaced by U+FFFD", 14)
		expectNote(t, report, djangoimport.Changed, users, "last_login could not be read and becomes NULL", 14)
		expectNote(t, report, djangoimport.Changed, users, "created_at could not be read and becomes date_joined", 15)
		expectNote(t, report, djangoimport.NotTaken, users, "its id is not positive: such ids belong to what is built in", -3, 0)
		expectNote(t, report, djangoimport.NotTaken, users, "its id is so large that few would be left for new rows", 1<<63-1)
		expectNote(t, report, djangoimport.NotTaken, users, "an earlier row has the same id", 2)
		expectNote(t, report, djangoimport.NotTaken, users, "has no id", 0)
		expectNote(t, report, djangoimport.NotTaken, users, "its id is not a whole number", 0)
		if c := report.Table(users); c.Taken != 15 || c.Skipped != 6 {
			t.Errorf("%+v, want 15 taken and 6 skipped", c)
		}

		got := read(t, db, users)
		for id, want := range map[int64]row{
			1:  {"role": "admin"},
			2:  {"role": "editor", "username": "u2"},
			3:  {"role": "user"},
			5:  {"status": "inactive", "is_active": "false"},
			6:  {"email": "", "email_key": "", "email_claim": "<nil>"},
			7:  {"email": "   ", "email_key": "", "email_claim": "<nil>"},
			8:  {"email": long, "email_key": "", "email_claim": "<nil>"},
			9:  {"email": "Twin@Example.com", "email_key": "twin@example.com", "email_claim": "twin@example.com"},
			12: {"email_key": "twin@example.com", "email_claim": "<nil>"},
			13: {"avatar": "", "password": "md5$salt$abc", "is_active": "false"},
			14: {"first_name": "a\uFFFDb\uFFFD", "last_login": "<nil>", "username": strings.Repeat("ü", 150)},
			15: {
				"date_joined": "2024-01-01 00:00:00.500000", "created_at": "2024-01-01 00:00:00.500000",
				"updated_at": "2024-01-01 00:00:00.500000",
			},
		} {
			u := byID(t, got, id)
			for column, value := range want {
				if u[column] != value {
					t.Errorf("user %d: %s = %q, want %q", id, column, u[column], value)
				}
			}
		}
		before := dump(t, db)
		mustRun(t, djangoimport.Options{From: m.path, Target: db})
		sameDump(t, "after the second run", dump(t, db), before)

		now := time.Date(2024, 5, 6, 0, 0, 0, 0, time.UTC)
		if _, err := db.W().InsertUser(t.Context(), sqlc.InsertUserParams{
			Username: "next", Email: "next@example.com", EmailKey: "next@example.com", Password: "!",
			Role: "user", Status: "active", IsActive: true, DateJoined: now, CreatedAt: now, UpdatedAt: now,
		}); err != nil {
			t.Errorf("no user can be made after the import: %v", err)
		}
	})
}

func TestRowsOfAllSorts(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		m := newMade(t)
		m.user(1, nil)
		m.user(2, nil)
		theme := func(id int64, values map[string]any) {
			all := map[string]any{"user_id": 1, "name": fmt.Sprint("t", id)}
			for k, v := range values {
				all[k] = v
			}
			m.add("themes", id, all)
		}
		theme(1, map[string]any{"is_active": 1, "updated_at": "2024-05-01 00:00:00"})
		theme(2, map[string]any{"is_active": 1, "updated_at": "2024-05-02 00:00:00"})
		theme(3, map[string]any{"is_active": 1, "updated_at": "2024-05-02 00:00:00", "created_at": "2023-05-02 00:00:00"})
		theme(4, map[string]any{"colors": `{"b": 1e2, "a" : [1.0, {"z":"\u00fc \ud83d\ude00 \u2028 \u0000 \\u00fc \ud800"}]}`, "is_system": 1})
		theme(5, map[string]any{"colors": "{oops", "color_mode": "sepia"})
		theme(6, map[string]any{"colors": nil})
		theme(7, map[string]any{"user_id": 99})
		theme(8, map[string]any{"user_id": nil})
		theme(9, map[string]any{"name": "t1"})
		theme(10, map[string]any{"colors": `["a list", 12345678901234567890]`, "name": strings.Repeat("n", 4000)})
		m.add("widgets", 1, map[string]any{"name": "w", "created_by_id": 1, "widget_type": "gauge"})
		m.add("widgets", 2, map[string]any{"name": "lost", "created_by_id": 77})
		m.add("widget_data", 1, map[string]any{"widget_id": 1, "user_id": 2, "cache_ttl": "soon", "data": " [1, 2] "})
		m.add("widget_data", 2, map[string]any{"widget_id": 2, "user_id": 2})
		m.add("widget_data", 3, map[string]any{"widget_id": 1, "user_id": 2})
		m.add("dashboard_views", 1, map[string]any{"user_id": 2, "name": "v", "is_active": 1, "widgets_config": "NaN"})
		m.add("user_preferences", 1, map[string]any{"user_id": 1, "active_theme_id": ""})
		m.add("user_preferences", 2, map[string]any{"user_id": 1})
		m.add("ai_agents", 1, map[string]any{"user_id": 1, "name": "a", "temperature": "Infinity", "agent_type": "spy", "status": "asleep"})
		m.add("ai_agents", 2, map[string]any{"user_id": 1, "name": "b", "status": "training", "last_used": "2024-02-29"})
		report := mustRun(t, djangoimport.Options{From: m.path, Target: db})

		expectNote(t, report, djangoimport.Changed, "themes", "was active beside a newer one, which alone stays active", 1, 3)
		expectNote(t, report, djangoimport.Changed, "themes", "is_system becomes false: system themes are bdash's own", 4)
		expectNote(t, report, djangoimport.Changed, "themes", "colors was not valid JSON and becomes {}", 5)
		expectNote(t, report, djangoimport.Changed, "themes", `color_mode was none of light, dark and becomes "light"`, 5)
		expectNote(t, report, djangoimport.Changed, "themes", "colors was NULL", 6)
		expectNote(t, report, djangoimport.NotTaken, "themes", "belongs to a user that does not exist", 7)
		expectNote(t, report, djangoimport.NotTaken, "themes", "belongs to no user", 8)
		expectNote(t, report, djangoimport.NotTaken, "themes", "its owner has another theme of this name", 9)
		expectNote(t, report, djangoimport.Changed, "themes", "name was longer than 100 characters and is cut", 10)
		expectNote(t, report, djangoimport.Changed, "widgets", `widget_type was none of stats, chart, table, calendar, custom and becomes "custom"`, 1)
		expectNote(t, report, djangoimport.NotTaken, "widgets", "belongs to a user that does not exist", 2)
		expectNote(t, report, djangoimport.Changed, "widget_data", "cache_ttl was not a whole number and becomes 300", 1)
		expectNote(t, report, djangoimport.NotTaken, "widget_data", "belongs to a widget that was not taken or was deleted in bdash", 2)
		expectNote(t, report, djangoimport.NotTaken, "widget_data", "its user has other data for this widget", 3)
		expectNote(t, report, djangoimport.Changed, "dashboard_views", "widgets_config was not valid JSON and becomes []", 1)
		expectNote(t, report, djangoimport.NotTaken, "user_preferences", "its owner has other preferences", 2)
		expectNote(t, report, djangoimport.Changed, "ai_agents", "temperature was not a finite number and becomes 0.7", 1)
		expectNote(t, report, djangoimport.Notable, "ai_agents", "status is inactive or training: could chat in Django, cannot in bdash until active", 2)

		themes := read(t, db, "themes")
		active := ""
		for _, th := range themes {
			if th["is_active"] == "true" {
				active += th["id"] + " "
			}
		}
		if active != "2 " {
			t.Errorf("active themes: %s, want 2", active)
		}
		wantColors := `{"b":1e2,"a":[1.0,{"z":"ü 😀 \u2028 \u0000 \\u00fc \ud800"}]}`
		if got := byID(t, themes, 4)["colors"]; got != wantColors {
			t.Errorf("colors = %s, want %s", got, wantColors)
		}
		if got := byID(t, themes, 10)["colors"]; got != `["a list",12345678901234567890]` {
			t.Errorf("colors = %s, want the list as it was", got)
		}
		if got := byID(t, read(t, db, "user_preferences"), 1)["active_theme_id"]; got != "" {
			t.Errorf("active_theme_id = %q, want it empty, not NULL", got)
		}
		if got := byID(t, read(t, db, "ai_agents"), 2)["last_used"]; got != "2024-02-29 00:00:00.000000" {
			t.Errorf("last_used = %s", got)
		}
		before := dump(t, db)
		mustRun(t, djangoimport.Options{From: m.path, Target: db})
		sameDump(t, "after the second run", dump(t, db), before)
	})
}

func TestConversationsOfAllSorts(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		m := newMade(t)
		m.user(1, nil)
		m.add("ai_agents", 1, map[string]any{"user_id": 1, "name": "a"})
		talk := func(id int64, messages string, cost any) {
			m.add("agent_conversations", id, map[string]any{
				"user_id": 1, "agent_id": 1, "messages": messages, "total_cost": cost, "created_at": "2024-01-01 10:00:00",
			})
		}
		plain := `{"role": "user", "content": "h\u00e9", "timestamp": "2024-01-02T03:04:05.120000"}`
		odd := []string{
			plain,
			`{"timestamp": "2024-01-02T03:04:06", "content": "x", "role": "assistant"}`,
			`{"role": "user", "content": "x", "timestamp": "2024-01-02T05:04:07+02:00"}`,
			`{"role": "assistant", "content": "x", "timestamp": "2024-01-02T03:04:08", "tokens": 5}`,
			`{"role": "assistant", "content": ["a", 1]}`,
			`{"role": "martian", "content": "x", "timestamp": "soon"}`,
			`"just text"`,
			`{"role": "user", "content": "nul \u0000 here", "timestamp": "2024-01-02T03:04:09"}`,
			`{"role": "user", "role": "user", "timestamp": "2024-01-02T03:04:09"}`,
			`{"role": "user", "content": "x", "timestamp": "2024-01-02T03:04:10.5"}`,
		}
		talk(1, "["+strings.Join(odd, ",")+"]", 0.30000000000000004)
		talk(2, `{"messages": []}`, "12.34567")
		talk(3, `null`, "many")
		talk(4, `[oops`, 999999.9999)
		talk(5, `[]`, -0.0001)
		m.add("agent_conversations", 6, map[string]any{"user_id": 1, "agent_id": 44, "messages": "[" + plain + "]"})
		report := mustRun(t, djangoimport.Options{From: m.path, Target: db})

		const table = "agent_conversations"
		expectNote(t, report, djangoimport.Notable, table,
			"has messages that are more or other than role, content and time: they are kept as they were, too", 1)
		expectNote(t, report, djangoimport.Notable, table,
			"has messages of a role that no model knows: they are shown, with their role as it was", 1)
		expectNote(t, report, djangoimport.Changed, table, "messages was not a list: the conversation is taken without any", 2)
		expectNote(t, report, djangoimport.Changed, table, "messages was not valid JSON and becomes []", 4)
		expectNote(t, report, djangoimport.Changed, table, "total_cost was no amount and becomes 0", 3)
		expectNote(t, report, djangoimport.Changed, table, "total_cost is rounded to four decimals", 2)
		expectNote(t, report, djangoimport.NotTaken, table, "belongs to an agent that does not exist", 6)
		if c := report.Table("agent_messages"); c.Source != 11 || c.Taken != 10 || c.Skipped != 1 {
			t.Errorf("%+v, want 10 taken, 1 skipped", c)
		}
		for id, nanos := range map[int64]string{1: "300000000", 2: "12345700000", 3: "0", 4: "999999999900000", 5: "-100000"} {
			if got := byID(t, read(t, db, table), id)["total_cost_nanos"]; got != nanos {
				t.Errorf("conversation %d costs %s, want %s", id, got, nanos)
			}
		}
		want := []struct{ role, content, payload, at string }{
			{"user", "hé", "<nil>", "2024-01-02 03:04:05.120000"},
			{"assistant", "x", "<nil>", "2024-01-02 03:04:06.000000"},
			{"user", "x", `{"role":"user","content":"x","timestamp":"2024-01-02T05:04:07+02:00"}`, "2024-01-02 03:04:07.000000"},
			{"assistant", "x", `{"role":"assistant","content":"x","timestamp":"2024-01-02T03:04:08","tokens":5}`, "2024-01-02 03:04:08.000000"},
			{"assistant", `["a",1]`, `{"role":"assistant","content":["a",1]}`, "2024-01-02 03:04:08.000000"},
			{"martian", "x", `{"role":"martian","content":"x","timestamp":"soon"}`, "2024-01-02 03:04:08.000000"},
			{"", "just text", `"just text"`, "2024-01-02 03:04:08.000000"},
			{"user", "nul \uFFFD here", `{"role":"user","content":"nul \u0000 here","timestamp":"2024-01-02T03:04:09"}`, "2024-01-02 03:04:09.000000"},
			{"user", "", `{"role":"user","role":"user","timestamp":"2024-01-02T03:04:09"}`, "2024-01-02 03:04:09.000000"},
			{"user", "x", `{"role":"user","content":"x","timestamp":"2024-01-02T03:04:10.5"}`, "2024-01-02 03:04:10.500000"},
		}
		for i, m := range read(t, db, "agent_messages") {
			w := want[i]
			if m["role"] != w.role || m["content"] != w.content || m["payload"] != w.payload || m["created_at"] != w.at ||
				m["position"] != fmt.Sprint(i) {
				t.Errorf("message %d: %v, want %+v", i, m, w)
			}
		}
	})
}

func TestMessageZone(t *testing.T) {
	t.Parallel()
	m := newMade(t)
	m.user(1, nil)
	m.add("ai_agents", 1, map[string]any{"user_id": 1, "name": "a"})
	m.add("agent_conversations", 1, map[string]any{
		"user_id": 1, "agent_id": 1, "messages": `[{"role":"user","content":"x","timestamp":"2024-07-01T12:00:00"}]`,
	})
	db := sqltest.Open(t)
	mustRun(t, djangoimport.Options{From: m.path, Target: db, MessageZone: time.FixedZone("", 2*60*60)})
	got := read(t, db, "agent_messages")[0]
	// The wire has always shown the local time: the payload keeps it.
	if got["created_at"] != "2024-07-01 10:00:00.000000" || got["payload"] == "<nil>" {
		t.Errorf("message: %v, want 10:00 UTC and a payload", got)
	}
}

func TestRevokedTokensStayRevoked(t *testing.T) {
	t.Parallel()
	sqltest.Each(t, func(t *testing.T, db *sqlstore.DB) {
		m := newMade(t)
		m.exec("CREATE TABLE token_blacklist_outstandingtoken (id integer, token text, created_at datetime, expires_at datetime, user_id bigint, jti text)")
		m.exec("CREATE TABLE token_blacklist_blacklistedtoken (id integer, blacklisted_at datetime, token_id bigint)")
		for i, at := range []string{"2999-01-01 00:00:00", "2001-01-01 00:00:00", "2999-01-01 00:00:00", "never"} {
			m.exec("INSERT INTO token_blacklist_outstandingtoken VALUES (?, 't', NULL, ?, 1, ?)", i+1, at, fmt.Sprint("jti", i+1))
		}
		for i, token := range []int{1, 2, 4, 9} {
			m.exec("INSERT INTO token_blacklist_blacklistedtoken VALUES (?, '2024-01-01', ?)", i+1, token)
		}
		for _, want := range []djangoimport.Table{
			{Name: "denied_tokens", Source: 4, Taken: 1, Skipped: 3},
			{Name: "denied_tokens", Source: 4, Unchanged: 1, Skipped: 3},
		} {
			report := mustRun(t, djangoimport.Options{From: m.path, Target: db})
			if got := report.Table("denied_tokens"); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			expectNote(t, report, djangoimport.NotTaken, "denied_tokens", "the revoked token has expired: there is nothing to deny", 2)
			expectNote(t, report, djangoimport.NotTaken, "denied_tokens", "the revoked token has no time of expiry that can be read", 3)
			expectNote(t, report, djangoimport.NotTaken, "denied_tokens", "the revoked token is not known", 4)
			if n := report.Find("token_blacklist_outstandingtoken",
				"tokens that Django issued: bdash knows them by their signature until they expire"); n == nil || n.Count != 4 {
				t.Errorf("outstanding tokens: %+v", n)
			}
		}
		want := []row{{"jti": "jti1", "expires_at": "2999-01-01 00:00:00.000000"}}
		if diff := cmp.Diff(want, read(t, db, "denied_tokens")); diff != "" {
			t.Errorf("denied_tokens (-want +got):\n%s", diff)
		}
	})
}
