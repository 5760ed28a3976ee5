package sqlstore_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// Every list is served in its own order by an index: nothing is sorted, so a
// page costs the same however much history there is. The texts are those that
// the stores run; the sort keys are spelled out in list specs and queries.
func TestListsAreServedByAnIndex(t *testing.T) {
	t.Parallel()
	lists := map[string]string{
		"users":           "SELECT id FROM users ORDER BY date_joined DESC, id DESC LIMIT 20",
		"users by role":   "SELECT id FROM users WHERE role = 'user' ORDER BY date_joined DESC, id DESC LIMIT 20",
		"users by status": "SELECT id FROM users WHERE status = 'active' ORDER BY date_joined DESC, id DESC LIMIT 20",
		"themes":          "SELECT id FROM themes WHERE user_id = 1 ORDER BY is_active DESC, created_at DESC, id DESC LIMIT 20",
		"views":           "SELECT id FROM dashboard_views WHERE user_id = 1 ORDER BY is_active DESC, created_at DESC, id DESC LIMIT 20",
		"agents":          "SELECT id FROM ai_agents WHERE user_id = 1 ORDER BY (last_used IS NULL) DESC, last_used DESC, id DESC LIMIT 20",
		"conversations":   "SELECT id FROM agent_conversations WHERE user_id = 1 ORDER BY updated_at DESC, id DESC LIMIT 20",
		"messages":        "SELECT id FROM agent_messages WHERE conversation_id = 1 ORDER BY conversation_id, position LIMIT 20",
		"notifications":   "SELECT id FROM notifications WHERE user_id = 1 ORDER BY created_at DESC, id DESC LIMIT 20",
		"sessions":        "SELECT id FROM sessions WHERE user_id = 1 ORDER BY created_at DESC, id DESC LIMIT 20",
		"keys":            "SELECT id FROM api_keys WHERE user_id = 1 ORDER BY created_at DESC, id DESC LIMIT 20",
		"widgets":         "SELECT id FROM widgets WHERE (is_public OR created_by = 1) ORDER BY id LIMIT 20",
		"sweep":           "SELECT id FROM sessions WHERE expires_at < '2026-01-01' ORDER BY expires_at LIMIT 20",
		"active theme":    "SELECT id FROM themes WHERE user_id = 1 AND is_active",
		"active view":     "SELECT id FROM dashboard_views WHERE user_id = 1 AND is_active",
		"revisions":       "SELECT number FROM view_revisions WHERE view_id = 1 ORDER BY number DESC LIMIT 20",
		"old revisions":   "SELECT id FROM view_revisions WHERE surplus AND created_at < '2026-01-01' ORDER BY created_at LIMIT 20",
		"shares":          "SELECT id FROM view_shares WHERE view_id = 1 ORDER BY created_at DESC, id DESC LIMIT 1000",
		"old shares":      "SELECT id FROM view_shares WHERE expires_at < '2026-01-01' ORDER BY expires_at LIMIT 20",
		"a share":         "SELECT id FROM view_shares WHERE hash = 'x'",
		"unread":          "SELECT count(*) FROM notifications WHERE user_id = 1 AND read_at IS NULL",
	}
	sqltest.Each(t, func(t *testing.T, d *sqlstore.DB) {
		fillUsers(t, d)
		if plan := explain(t, d, "SELECT id FROM users ORDER BY first_name LIMIT 20"); !sorts.MatchString(plan) {
			t.Fatalf("the test does not recognise a sort:\n%s", plan)
		}
		for name, query := range lists {
			if plan := explain(t, d, query); sorts.MatchString(plan) || !uses.MatchString(plan) {
				t.Errorf("%s: no index serves the order:\n%s", name, plan)
			}
		}
	})
}

var (
	sorts = regexp.MustCompile(`TEMP B-TREE|\bSort\b|Seq Scan`)
	uses  = regexp.MustCompile(`USING (COVERING )?INDEX|INTEGER PRIMARY KEY|SCAN widgets|Index (Only )?Scan|Bitmap Index Scan`)
)

// fillUsers gives PostgreSQL's planner enough rows to want an index, and statistics.
func fillUsers(t *testing.T, d *sqlstore.DB) {
	t.Helper()
	const users, each = 40, 60
	err := d.InTx(t.Context(), func(tx *sqlstore.Tx) error {
		for u := 1; u <= users; u++ {
			at := fmt.Sprintf("2026-01-01 00:00:%02d.000000+00:00", u%60)
			if _, err := tx.DBTX().Exec(t.Context(), strings.ReplaceAll(`INSERT INTO users (id, username, email, email_key, password, first_name,
				last_name, role, status, is_active, bio, preferred_locale, theme_mode, sidebar_collapsed, date_joined, themes_version,
				search_text, created_at, updated_at) VALUES (`+fmt.Sprint(u)+`, 'u`+fmt.Sprint(u)+`', 'e', 'e', '!', '', '', 'user', 'active', TRUE,
				'', 'en', 'system', FALSE, @at, 0, '', @at, @at)`, "@at", "'"+at+"'")); err != nil {
				return err
			}
			for n := range each {
				if _, err := tx.DBTX().Exec(t.Context(), fmt.Sprintf(`INSERT INTO notifications (user_id, kind, title, body, link, created_at)
					VALUES (%d, 'k', 't', 'b', '', '2026-01-01 00:%02d:00.000000+00:00')`, u, n)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteDBTX().Exec(t.Context(), "ANALYZE"); err != nil {
		t.Fatal(err)
	}
}

// explain is the plan as text. Small tables make PostgreSQL prefer to read and
// sort everything: told not to, it shows whether an index could serve.
func explain(t *testing.T, d *sqlstore.DB, query string) string {
	t.Helper()
	var plan []string
	err := d.InTx(t.Context(), func(tx *sqlstore.Tx) error {
		prefix := "EXPLAIN QUERY PLAN "
		if d.Engine() == sqlstore.Postgres {
			prefix = "EXPLAIN "
			for _, off := range []string{"enable_seqscan", "enable_sort", "enable_bitmapscan"} {
				if _, err := tx.DBTX().Exec(t.Context(), "SET LOCAL "+off+" = off"); err != nil {
					return err
				}
			}
		}
		rows, err := tx.DBTX().Query(t.Context(), prefix+query)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			plan = append(plan, fmt.Sprint(values[len(values)-1]))
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "\n")
}
