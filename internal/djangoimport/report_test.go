package djangoimport_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/djangoimport"
	"github.com/bdash/bdash/internal/oracle"
	"github.com/bdash/bdash/internal/sqlstore/sqltest"
)

// steps keeps what a Progress hears.
type steps []string

func (s *steps) Step(table string, done, total int64) {
	*s = append(*s, fmt.Sprintf("%s %d/%d", table, done, total))
}

func TestProgress(t *testing.T) {
	t.Parallel()
	db := sqltest.Open(t)
	path := file(t, oracle.RecordSeed)
	want := steps{
		"users 8/8", "themes 20/46", "themes 40/46", "themes 46/46", "dashboard_views 1/1", "user_preferences 0/0",
		"widgets 5/5", "widget_data 2/2", "ai_agents 20/23", "ai_agents 23/23", "agent_conversations 1/1",
	}
	for range 2 { // a repeated import tells the same
		var got steps
		mustRun(t, djangoimport.Options{From: path, Target: db, BatchSize: 20, Progress: &got})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
	}
}

func TestBar(t *testing.T) {
	t.Parallel()
	var plain, terminal bytes.Buffer
	for _, bar := range []*djangoimport.Bar{djangoimport.NewBar(&plain), djangoimport.NewTerminalBar(&terminal)} {
		bar.Step("themes", 0, 40)
		bar.Step("themes", 10, 40)
		bar.Step("themes", 40, 40)
		bar.Step("widgets", 0, 0)
	}
	if got, want := plain.String(), "themes: 40 rows\nwidgets: 0 rows\n"; got != want {
		t.Errorf("plain bar: %q, want %q", got, want)
	}
	got := terminal.String()
	for _, want := range []string{
		"\rthemes               [------------------------------]   0%  0/40",
		"\rthemes               [##############################] 100%  40/40\n",
		"\rwidgets              [##############################] 100%  0/0\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("terminal bar: %q, want %q in it", got, want)
		}
	}
}

func TestReportInTextAndJSON(t *testing.T) {
	t.Parallel()
	m := newMade(t)
	m.user(1, nil)
	for id := 1; id <= 12; id++ {
		m.add("themes", id, map[string]any{"user_id": 5, "name": "t"})
	}
	m.exec("CREATE TABLE django_session (session_key text)")
	report := mustRun(t, djangoimport.Options{From: m.path, Target: sqltest.Open(t), DryRun: true})
	var text, raw bytes.Buffer
	if err := errors.Join(report.WriteText(&text), report.WriteJSON(&raw)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Import of sqlite://" + m.path + " (dry run: nothing was written)\n",
		"\nRows that were not taken\n  belongs to a user that does not exist\n    themes: 12 rows, id 1 (user \"5\"), 2 (user \"5\"),",
		", 10 (user \"5\"), …\n",
		"\nTables that were not taken\n  Django's browser sessions: they are good for its admin site only\n    django_session: 0 rows\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	var back djangoimport.Report
	if err := json.Unmarshal(raw.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, back); diff != "" {
		t.Errorf("JSON and back (-want +got):\n%s", diff)
	}
}
