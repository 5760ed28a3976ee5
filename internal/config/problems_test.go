package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/config"
)

// problemsOf loads and returns the sentences of the error.
func problemsOf(t *testing.T, environ ...string) []string {
	t.Helper()
	_, _, err := config.Load(withBasics(t, environ), "")
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("Load(%q) = %v, want Problems", environ, err)
	}
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Text)
	}
	return texts
}

const (
	webWant    = "it must be an http:// or https:// address without query or fragment, such as "
	rateWant   = "it must be a number and a period, such as "
	pgKey      = "SECRET_KEY is missing: on PostgreSQL every instance must sign with the same key, so set SECRET_KEY to the output of `openssl rand -base64 48`, or to the key of the Django deployment this one replaces."
	dbWant     = "it must look like sqlite://data/bdash.db or postgres://user:password@host:5432/name"
	redisWant  = "it must look like redis://localhost:6379/0, or rediss:// for TLS, or unix:///path/of/socket."
	proxyWant  = "it must be addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7."
	bodyWant   = "it must be a size from 1KiB to 1GiB, such as 1MiB or 1048576."
	stopWant   = "it must be a duration from 1s to 10m, such as 20s."
	originWant = "it must be origins separated by commas, such as https://app.example.com,https://admin.example.com."
)

func TestEveryProblemSaysHowToMendIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environ string // settings separated by blanks
		want    string
	}{
		{"DEBUG=maybe", `DEBUG is "maybe": it must be true or false.`},
		{"LOG_LEVEL=loud", `LOG_LEVEL is "loud": it must be debug, info, warn or error.`},
		{"ADDR=8000", `ADDR is "8000": it must be host:port, such as :8000 or 127.0.0.1:8000.`},
		{"ADDR=:70000", `ADDR is ":70000": it must be host:port, such as :8000 or 127.0.0.1:8000.`},
		{"ADDR=http://x:1", `ADDR is "http://x:1": it must be host:port, such as :8000 or 127.0.0.1:8000.`},
		{"FRONTEND_UPSTREAM=http://127.0.0.1:3000/en", `FRONTEND_UPSTREAM is "http://127.0.0.1:3000/en": it must name a server without a path, such as http://127.0.0.1:3000.`},
		{"GATEWAY_TLS_CERT=cert.pem", `GATEWAY_TLS_CERT and GATEWAY_TLS_KEY belong together: set both, or neither for plain http.`},
		{"METRICS_ADDR=9090", `METRICS_ADDR is "9090": it must be host:port, such as 127.0.0.1:9090, or nothing to turn it off.`},
		{"METRICS_ADDR=127.0.0.1:8000", `METRICS_ADDR (127.0.0.1:8000) and ADDR (:8000) want the same port: give METRICS_ADDR another one, or set it to nothing and use METRICS_TOKEN.`},
		{"FRONTEND_URL=localhost:3000", `FRONTEND_URL is "localhost:3000": ` + webWant + "https://app.example.com."},
		{"FRONTEND_URL=https://u:pw@h", `FRONTEND_URL is "https://u:********@h": ` + webWant + "https://app.example.com."},
		{"PUBLIC_URL=ftp://h", `PUBLIC_URL is "ftp://h": ` + webWant + "https://api.example.com."},
		{"PUBLIC_URL=https://h:0/", `PUBLIC_URL is "https://h:0/": ` + webWant + "https://api.example.com."},
		{"PUBLIC_URL=https://h/?a=1", `PUBLIC_URL is "https://h/?a=1": ` + webWant + "https://api.example.com."},
		{"OPENAI_BASE_URL=api.openai.com", `OPENAI_BASE_URL is "api.openai.com": ` + webWant + "http://localhost:11434/v1."},
		{"CORS_ALLOWED_ORIGINS=https://a.org/path", `CORS_ALLOWED_ORIGINS is "https://a.org/path": ` + originWant},
		{"CORS_ALLOWED_ORIGINS=https://a.org,*", `CORS_ALLOWED_ORIGINS is "https://a.org,*": ` + originWant},
		{"TRUSTED_PROXIES=10.0.0.0/33", `TRUSTED_PROXIES is "10.0.0.0/33": ` + proxyWant},
		{"TRUSTED_PROXIES=proxy", `TRUSTED_PROXIES is "proxy": ` + proxyWant},
		{"MAX_BODY_BYTES=big", `MAX_BODY_BYTES is "big": ` + bodyWant},
		{"MAX_BODY_BYTES=0", `MAX_BODY_BYTES is "0": ` + bodyWant},
		{"MAX_BODY_BYTES=-1MiB", `MAX_BODY_BYTES is "-1MiB": ` + bodyWant},
		{"MAX_BODY_BYTES=2GiB", `MAX_BODY_BYTES is "2GiB": ` + bodyWant},
		{"MAX_BODY_BYTES=NaN", `MAX_BODY_BYTES is "NaN": ` + bodyWant},
		{"MAX_BODY_BYTES=1e6", `MAX_BODY_BYTES is "1e6": ` + bodyWant},
		{"MAX_BODY_BYTES=5mm", `MAX_BODY_BYTES is "5mm": ` + bodyWant},
		{"SHUTDOWN_TIMEOUT=20", `SHUTDOWN_TIMEOUT is "20": ` + stopWant},
		{"SHUTDOWN_TIMEOUT=0s", `SHUTDOWN_TIMEOUT is "0s": ` + stopWant},
		{"SHUTDOWN_TIMEOUT=1h", `SHUTDOWN_TIMEOUT is "1h": ` + stopWant},
		{"JWT_ALGORITHM=RS256", `JWT_ALGORITHM is "RS256": bdash signs with HS256 only, so set it to HS256 or leave it out.`},
		{"JWT_EXPIRATION_HOURS=a", `JWT_EXPIRATION_HOURS is "a": it must be a whole number of hours from 1 to 8760, such as 24.`},
		{"JWT_EXPIRATION_HOURS=0", `JWT_EXPIRATION_HOURS is "0": it must be a whole number of hours from 1 to 8760, such as 24.`},
		{"JWT_EXPIRATION_HOURS=99999999999999999999", `JWT_EXPIRATION_HOURS is "99999999999999999999": it must be a whole number of hours from 1 to 8760, such as 24.`},
		{"JWT_REFRESH_EXPIRATION_DAYS=1.5", `JWT_REFRESH_EXPIRATION_DAYS is "1.5": it must be a whole number of days from 1 to 3650, such as 30.`},
		{"REGISTRATION=yes", `REGISTRATION is "yes": it must be open, approval or closed.`},
		{"EMAIL_VERIFICATION=yes", `EMAIL_VERIFICATION is "yes": it must be optional or required.`},
		{"THROTTLE_ANON=100", `THROTTLE_ANON is "100": ` + rateWant + "100/hour, or nothing to turn it off."},
		{"THROTTLE_USER=0/day", `THROTTLE_USER is "0/day": ` + rateWant + "10000/hour, or nothing to turn it off."},
		{"THROTTLE_LOGIN=5/month", `THROTTLE_LOGIN is "5/month": ` + rateWant + "10/min, or nothing to turn it off."},
		{"THROTTLE_DOCS=-1/s", `THROTTLE_DOCS is "-1/s": ` + rateWant + "60/min, or nothing to turn it off."},
		{"DB_ENGINE=django.db.backends.mysql", `DB_ENGINE is "django.db.backends.mysql": bdash runs on PostgreSQL and SQLite; move the data to one of them, then set DB_ENGINE to postgresql or sqlite.`},
		{"DB_ENGINE=mongo", `DB_ENGINE is "mongo": set it to postgresql or sqlite; Django's django.db.backends.postgresql and django.db.backends.sqlite3 are understood too.`},
		{"DB_ENGINE=postgresql", "DB_NAME is missing: set it to the name of the PostgreSQL database."},
		{"DB_ENGINE=postgresql DB_NAME=n DB_PORT=0", `DB_PORT is "0": it must be a port from 1 to 65535, such as 5432.`},
		{"DB_ENGINE=postgresql DB_NAME=n DB_PORT=tcp://10.0.0.1:5432", `DB_PORT is "tcp://10.0.0.1:5432": it must be a port from 1 to 65535, such as 5432.`},
		{"DB_ENGINE=postgresql DB_NAME=n DB_HOST=h:5432", `DB_HOST is "h:5432": give the host alone, such as localhost; the port goes into DB_PORT, and a whole address into DATABASE_URL.`},
		{"DB_ENGINE=postgresql DB_NAME=n SECRET_KEY=", pgKey},
		{"DATABASE_URL=postgres://h/n SECRET_KEY=", pgKey},
		{"DATABASE_URL=mysql://u:pw@h/n", `DATABASE_URL is "mysql://u:********@h/n": ` + dbWant + "."},
		{"DATABASE_URL=user=u,password=pw", `DATABASE_URL is "********": ` + dbWant + "."},
		{"DATABASE_URL=data/x.db", `DATABASE_URL is "data/x.db": ` + dbWant + "."},
		{"DATABASE_URL=postgres://u:p%zz@h/n", "DATABASE_URL cannot be read as an address: " + dbWant + ", with special characters of the password written as %XX."},
		{"DATABASE_URL=postgres://u:pw@h/", `DATABASE_URL is "postgres://u:********@h/" and names no database: add it at the end, as in postgres://user:password@host:5432/name.`},
		{"DATABASE_URL=sqlite://", "DATABASE_URL names no file: give the path of the SQLite file, such as data/bdash.db."},
		{"DATABASE_URL=sqlite://x.db?mode=ro", "DATABASE_URL holds options after a question mark, which SQLite does not take here: leave only the path."},
		{"DATABASE_URL=sqlite://:memory:", `DATABASE_URL is ":memory:": give the path of a file, such as data/bdash.db; a database in memory would be lost at every stop.`},
		{"DB_NAME=folder/", "DB_NAME names no file: give the path of the SQLite file, such as data/bdash.db."},
		{"REDIS_URL=localhost:6379", `REDIS_URL is "localhost:6379": ` + redisWant},
		{"REDIS_URL=redis://:pw@h/db", `REDIS_URL is "redis://:********@h/db": ` + redisWant},
		{"REDIS_URL=redis://pw@h:99999", `REDIS_URL is "redis://********@h:99999": ` + redisWant},
		{"REDIS_URL=unix://", `REDIS_URL is "unix:": ` + redisWant},
		{"EMAIL_BACKEND=django.core.mail.backends.filebased.EmailBackend", `EMAIL_BACKEND is "django.core.mail.backends.filebased.EmailBackend": set it to smtp or console; of Django's backends, django.core.mail.backends.smtp.EmailBackend and django.core.mail.backends.console.EmailBackend are understood.`},
		{"EMAIL_PORT=70000", `EMAIL_PORT is "70000": it must be a port from 1 to 65535, such as 587.`},
		{"EMAIL_HOST=smtp.x.org:587", `EMAIL_HOST is "smtp.x.org:587": give the host alone, such as smtp.example.com; the port goes into EMAIL_PORT.`},
		{"EMAIL_USE_TLS=ja", `EMAIL_USE_TLS is "ja": it must be true or false.`},
		{"EMAIL_USE_TLS=1 EMAIL_USE_SSL=1", "EMAIL_USE_TLS and EMAIL_USE_SSL are both on, and exclude each other: keep EMAIL_USE_TLS for port 587, or EMAIL_USE_SSL for port 465."},
		{"DEFAULT_FROM_EMAIL=nobody", `DEFAULT_FROM_EMAIL is "nobody": it must be an address, such as bdash@example.com or Dashboard <bdash@example.com>.`},
	} {
		t.Run(tt.environ, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff([]string{tt.want}, problemsOf(t, strings.Fields(tt.environ)...)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllProblemsComeAtOnceInOrder(t *testing.T) {
	t.Parallel()
	environ := []string{"EMAIL_PORT=x", "DEBUG=x", "JWT_ALGORITHM=none", "DB_ENGINE=x", "THROTTLE_USER=x", "SECRET_KEY=short", "DATA_DIR=" + t.TempDir()}
	cfg, warnings, err := config.Load(environ, "")
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("Load = %v, want Problems", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Name)
	}
	if diff := cmp.Diff([]string{"DEBUG", "JWT_ALGORITHM", "THROTTLE_USER", "DB_ENGINE", "EMAIL_PORT"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 6 || lines[0] != "the configuration has 5 problems:" || !strings.HasPrefix(lines[1], "  - DEBUG is ") {
		t.Errorf("Error() = %q", err.Error())
	}
	if cfg.SecretKey != "" {
		t.Error("Load with problems gave a signing key, want none")
	}
	wantWarnings(t, warnings, "SECRET_KEY is 5 bytes long")
}

func TestProblemsLeaveTheDiskAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if _, _, err := config.Load([]string{"DATA_DIR=" + dir, "DEBUG=x"}, ""); err == nil {
		t.Fatal("Load(DEBUG=x) = nil, want an error")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Stat(DATA_DIR) = %v, want that it does not exist", err)
	}
}

func TestProblemsGiveNoSecretAway(t *testing.T) {
	t.Parallel()
	const secret = "hunter2hunter2"
	for _, environ := range []string{
		"DATABASE_URL=oops://u:" + secret + "@h", "DATABASE_URL=postgres://u:" + secret + "%zz@h/n", "DATABASE_URL=" + secret + "@h",
		"REDIS_URL=redis://:" + secret + "@h/x", "REDIS_URL=redis//:" + secret + "@h", "FRONTEND_URL=https://u:" + secret + "@h",
		"DATABASE_URL=host=h password=" + secret, "REDIS_URL=x://h?password=" + secret,
	} {
		_, _, err := config.Load(withBasics(t, []string{environ}), "")
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Load(%s) = %v, want an error without the password", environ, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environ string
		want    []string
	}{
		{"SECRET_KEY=" + config.SampleSecretKey, []string{"DANGER: SECRET_KEY is the sample key of the guide"}},
		{"SECRET_KEY=1234567890123456789012345678901", []string{"SECRET_KEY is 31 bytes long; fewer than 32 can be guessed"}},
		{"SECRET_KEY=12345678901234567890123456789012", nil},
		{"SECRET_KEY_FALLBACKS=short", []string{"SECRET_KEY_FALLBACKS is 5 bytes long"}},
		{"SECRET_KEY_FALLBACKS=" + config.SampleSecretKey, []string{"DANGER: SECRET_KEY_FALLBACKS is the sample key"}},
		{"JWT_EXPIRATION_HOURS=48 JWT_REFRESH_EXPIRATION_DAYS=1", []string{"JWT_REFRESH_EXPIRATION_DAYS (24 h) is shorter than JWT_EXPIRATION_HOURS (48 h)"}},
		{"TRUSTED_PROXIES=0.0.0.0/0", []string{"TRUSTED_PROXIES holds 0.0.0.0/0"}},
		{"METRICS_ADDR=:9090", []string{`METRICS_ADDR is ":9090", so the metrics can be read from other machines`}},
		{"METRICS_TOKEN=abc", []string{"METRICS_TOKEN is shorter than 16 characters"}},
		{"LANGCHAIN_API_KEY=x", []string{"LANGCHAIN_API_KEY is ignored"}},
		{"OPENAI_API_KEY=sk-your-key-here", []string{"OPENAI_API_KEY is the guide's placeholder"}},
		{"DATABASE_URL=sqlite://x.db DB_NAME=n", []string{"DATABASE_URL counts, and DB_NAME is ignored."}},
		{"DATABASE_URL=sqlite://x.db DB_ENGINE=sqlite DB_NAME=n", []string{"DATABASE_URL counts, and DB_ENGINE, DB_NAME are ignored."}},
		{"DATABASE_URL=sqlite:///x.db", []string{"with two slashes, sqlite://x.db, it is relative"}},
		{"DB_HOST=h DB_USER=u", []string{"DB_HOST is ignored, because the data goes into an SQLite file", "DB_USER is ignored"}},
		{"EMAIL_HOST=m", []string{"EMAIL_HOST is set, but mails only go to the log"}},
		{"EMAIL_BACKEND=smtp EMAIL_HOST_USER=u", []string{"EMAIL_HOST_USER is set without EMAIL_HOST_PASSWORD"}},
		{"EMAIL_BACKEND=smtp EMAIL_HOST_PASSWORD=p", []string{"EMAIL_HOST_PASSWORD is set without EMAIL_HOST_USER"}},
		{"EMAIL_BACKEND=smtp EMAIL_HOST=m EMAIL_HOST_USER=u EMAIL_HOST_PASSWORD=p", []string{"the mail password crosses the network unencrypted"}},
	} {
		t.Run(tt.environ, func(t *testing.T) {
			t.Parallel()
			_, warnings := load(t, strings.Fields(tt.environ)...)
			wantWarnings(t, warnings, tt.want...)
		})
	}
}

func TestWhiteSpaceAroundASecretIsKeptAndWarnedAbout(t *testing.T) {
	t.Parallel()
	cfg, warnings := load(t, goodKey+"\n", "FRONTEND_URL= https://x.org\n")
	wantWarnings(t, warnings, "SECRET_KEY begins or ends with white space")
	if !strings.HasSuffix(cfg.SecretKey.Reveal(), "\n") || cfg.FrontendURL != "https://x.org" {
		t.Errorf("SecretKey, FrontendURL = %q, %q", cfg.SecretKey.Reveal(), cfg.FrontendURL)
	}
}

func TestKubernetesPortIsExplained(t *testing.T) {
	t.Parallel()
	_, warnings, err := config.Load(withBasics(t, []string{"DB_ENGINE=postgresql", "DB_NAME=n", "DB_PORT=tcp://10.0.0.1:5432", "DB_PORT_5432_TCP=x", "DB_SERVICE_HOST=y"}), "")
	if err == nil {
		t.Error("Load = nil, want an error about DB_PORT")
	}
	wantWarnings(t, warnings, "Kubernetes sets it so")
}

func TestMisspellings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"DATABSE_URL":          "is DATABASE_URL meant?",
		"DEUBG":                "is DEBUG meant?",
		"debug":                "is DEBUG meant?",
		"SECRETKEY":            "is SECRET_KEY meant?",
		"REDIS_URI":            "is REDIS_URL meant?",
		"EMAIL_HOST_PASWORD":   "is EMAIL_HOST_PASSWORD meant?",
		"JWT_EXPIRATION_HOUR":  "is JWT_EXPIRATION_HOURS meant?",
		"DB_CONN_MAX_AGE":      "is not a setting and is ignored.",
		"EMAIL_TIMEOUT":        "is not a setting and is ignored.",
		"THROTTLE_EVERYTHING":  "is not a setting and is ignored.",
		"JWT_AUDIENCE_ALLOWED": "is not a setting and is ignored.",
		"GODEBUG":              "", "PATH": "", "HOME": "", "LANG": "", "TERM": "", "USER": "", "PWD": "", "ALLOWED_HOSTS": "", "PGHOST": "",
	} {
		_, warnings := load(t, name+"=x")
		if want == "" {
			wantWarnings(t, warnings)
			continue
		}
		wantWarnings(t, warnings, name+" in the environment is not a setting")
		wantWarnings(t, warnings, want)
	}
}
