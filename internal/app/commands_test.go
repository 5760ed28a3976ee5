package app_test

import (
	"database/sql"
	"net"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/bdash/bdash/internal/app"
	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/identity"
)

// command runs a command that ends by itself, without settings of its own.
func command(t *testing.T, args []string, env ...string) (code int, stdout, stderr string) {
	t.Helper()
	out, errs := &apptest.Buffer{}, &apptest.Buffer{}
	code = app.Main(t.Context(), app.Process{
		Args: args, Stdout: out, Stderr: errs, Version: "test", Dotenv: "-",
		Environ: append([]string{"ADDR=127.0.0.1:0", "METRICS_ADDR=", "DATA_DIR=" + t.TempDir()}, env...),
	})
	return code, out.String(), errs.String()
}

// database makes an SQLite file by the statements.
func database(t *testing.T, statements ...string) (url string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return "sqlite://" + path
}

func TestNoCommandShowsTheHelp(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := command(t, nil)
	if code != 0 || !strings.Contains(stdout, "createsuperuser") || stderr != "" {
		t.Errorf("exit code %d, output %q, errors %q; want 0 and the help", code, stdout, stderr)
	}
}

// check and the commands that would write say the same about a database that
// bdash must not touch.
func TestDatabaseIsNotOurs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		statements []string
		want       []string
	}{
		"django's": {
			[]string{"CREATE TABLE users (id INTEGER)"},
			[]string{"tables of another program", "an empty database of its own"},
		},
		"newer": {
			[]string{
				"CREATE TABLE goose_db_version (id INTEGER, version_id INTEGER, is_applied INTEGER)",
				"INSERT INTO goose_db_version VALUES (1, 9999, 1)",
			},
			[]string{"version 9999", "run the newer bdash"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := database(t, tc.statements...)
			for _, args := range [][]string{{"check"}, {"serve"}, {"migrate"}} {
				code, stdout, stderr := command(t, args, "DATABASE_URL="+url)
				if code != 1 {
					t.Errorf("%v: exit code %d, want 1", args, code)
				}
				for _, want := range tc.want {
					if !strings.Contains(stdout+stderr, want) {
						t.Errorf("%v says %q, want %q in it", args, stdout+stderr, want)
					}
				}
			}
		})
	}
}

// check tells why Redis does not answer, not that it waited.
func TestCheckRedisAway(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close() // nobody listens there now
	code, stdout, stderr := command(t, []string{"check"}, "REDIS_URL=redis://"+addr)
	if code != 1 || !strings.Contains(stdout, "FAILED Redis") || !strings.Contains(stdout, "refused") {
		t.Errorf("exit code %d, output %q; want 1 and the refusal", code, stdout)
	}
	if want := "bdash: 1 of 5 checks failed\n"; stderr != want {
		t.Errorf("errors %q, want %q", stderr, want)
	}
}

// Mails speak the language that the reader chose for the dashboard.
func TestMailsInTheReadersLanguage(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{}, func(t *testing.T, s *apptest.Server) {
		p := s.Person(t, identity.User)
		reset := func() { s.Expect(t, 200, "", "POST", "/api/auth/password-reset/", `{"email":"`+p.Email+`"}`) }
		reset()
		if m := s.WaitMail(t, p.Email, 1); !strings.Contains(m.Text, "Hello") {
			t.Errorf("before anything is chosen the mail is %q, want English", m.Text)
		}
		s.Expect(t, 200, p.Access, "PATCH", "/api/dashboard/preferences/", `{"locale":"ar"}`)
		reset()
		if m := s.WaitMail(t, p.Email, 2); strings.Contains(m.Text, "Hello") || !strings.Contains(m.Text, "حسابك") {
			t.Errorf("after Arabic was chosen the mail is %q", m.Text)
		}
	})
}
