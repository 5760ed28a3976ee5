package config_test

import (
	"log/slog"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/config"
)

// goodKey is long enough to pass without a warning.
const goodKey = "SECRET_KEY=0123456789abcdef0123456789abcdef"

// guideEnv is the .env file of the Django guide, unchanged.
const guideEnv = `DEBUG=True
SECRET_KEY=your-secret-key-here-change-in-production

# Database
DB_ENGINE=django.db.backends.postgresql
DB_NAME=b_dashboard
DB_USER=postgres
DB_PASSWORD=your-password
DB_HOST=localhost
DB_PORT=5432

# Frontend URL (for CORS)
FRONTEND_URL=http://localhost:3000

# JWT Configuration
JWT_ALGORITHM=HS256
JWT_EXPIRATION_HOURS=24
JWT_REFRESH_EXPIRATION_DAYS=30

# Redis
REDIS_URL=redis://localhost:6379/0

# AI Configuration
OPENAI_API_KEY=sk-your-key-here
OPENAI_MODEL=gpt-4
LANGCHAIN_API_KEY=your-langchain-key

# Email Configuration
EMAIL_BACKEND=django.core.mail.backends.console.EmailBackend
EMAIL_HOST=smtp.gmail.com
EMAIL_PORT=587
EMAIL_USE_TLS=True
EMAIL_HOST_USER=your-email@gmail.com
EMAIL_HOST_PASSWORD=your-password
`

// load loads the settings given as NAME=value, with DATA_DIR in a new folder
// and a signing key unless the caller names them, and fails the test on an error.
func load(t *testing.T, environ ...string) (config.Config, []config.Warning) {
	t.Helper()
	cfg, warnings, err := config.Load(withBasics(t, environ), "")
	if err != nil {
		t.Fatalf("Load(%q) = %v, want no error", environ, err)
	}
	return cfg, warnings
}

func withBasics(t *testing.T, environ []string) []string {
	t.Helper()
	basics := []string{"DATA_DIR=" + t.TempDir()}
	if !names(environ, "SECRET_KEY") {
		basics = append(basics, goodKey)
	}
	return append(basics, environ...)
}

func names(environ []string, name string) bool {
	for _, kv := range environ {
		if strings.HasPrefix(kv, name+"=") {
			return true
		}
	}
	return false
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestGuideEnvWorksUnchanged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg, warnings, err := config.Load([]string{"DATA_DIR=" + dir}, writeFile(t, guideEnv))
	if err != nil {
		t.Fatalf("Load(guide's .env) = %v, want no error", err)
	}
	if !cfg.Debug || cfg.SecretKey.Reveal() != config.SampleSecretKey {
		t.Errorf("Debug, SecretKey = %v, %q, want true and the sample key", cfg.Debug, cfg.SecretKey.Reveal())
	}
	wantDB := config.Database{Engine: config.Postgres, URL: "postgres://postgres:your-password@localhost:5432/b_dashboard"}
	if diff := cmp.Diff(wantDB.URL.Reveal(), cfg.Database.URL.Reveal()); diff != "" || cfg.Database.Engine != config.Postgres {
		t.Errorf("Database (-want +got):\n%s", diff)
	}
	if cfg.RedisURL.Reveal() != "redis://localhost:6379/0" || cfg.FrontendURL != "http://localhost:3000" || cfg.OpenAIModel != "gpt-4" {
		t.Errorf("RedisURL, FrontendURL, OpenAIModel = %q, %q, %q", cfg.RedisURL.Reveal(), cfg.FrontendURL, cfg.OpenAIModel)
	}
	if cfg.AccessTTL() != 24*time.Hour || cfg.RefreshTTL() != 720*time.Hour {
		t.Errorf("AccessTTL, RefreshTTL = %v, %v", cfg.AccessTTL(), cfg.RefreshTTL())
	}
	wantMail := config.Mail{
		Transport: config.MailConsole, Host: "smtp.gmail.com", Port: 587, TLS: config.MailStartTLS,
		User: "your-email@gmail.com", Password: "your-password", From: mail.Address{Address: "your-email@gmail.com"},
	}
	if cfg.Mail != wantMail {
		t.Errorf("Mail = %+v, want %+v", cfg.Mail, wantMail)
	}
	wantWarnings(t, warnings, "DANGER: SECRET_KEY is the sample key", "OPENAI_API_KEY is the guide's placeholder", "LANGCHAIN_API_KEY is ignored")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("DATA_DIR holds %v (%v), want nothing: a key was given", entries, err)
	}
}

// wantWarnings fails unless the warnings contain the parts, one each, in any order.
func wantWarnings(t *testing.T, got []config.Warning, parts ...string) {
	t.Helper()
	if len(got) != len(parts) {
		t.Errorf("%d warnings, want %d: %q", len(got), len(parts), got)
	}
	for _, part := range parts {
		found := 0
		for _, w := range got {
			if strings.Contains(w.String(), part) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%d warnings contain %q, want one: %q", found, part, got)
		}
	}
}

func TestNothingSet(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	cfg, warnings, err := config.Load([]string{"DATA_DIR=" + dir, "HOME=/root", "PATH=/bin", "=C:=x", "junk"}, "")
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings)
	type brief struct {
		Addr, Metrics   config.Addr
		Path, Public    string
		Body            config.Size
		Stop            time.Duration
		Anon, User, Log string
		Mail            config.MailTransport
		From            string
		Level           slog.Level
		Reg             config.Registration
		Verify          config.Verification
		Redis           string
	}
	got := brief{
		cfg.Addr, cfg.MetricsAddr, cfg.Database.Path, string(cfg.PublicURL), cfg.MaxBodyBytes,
		time.Duration(cfg.ShutdownTimeout), cfg.ThrottleAnon.String(), cfg.ThrottleUser.String(), cfg.ThrottleLogin.String(),
		cfg.Mail.Transport, cfg.Mail.From.Address, cfg.Level(), cfg.Registration, cfg.EmailVerification, cfg.RedisURL.Reveal(),
	}
	want := brief{
		":8000", "127.0.0.1:9090", filepath.Join(dir, "bdash.db"), "http://localhost:8000", 1 << 20,
		20 * time.Second, "100/hour", "10000/hour", "10/min",
		config.MailConsole, "webmaster@localhost", slog.LevelInfo, config.RegistrationOpen, config.VerificationOptional, "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if len(cfg.SecretKey.Reveal()) < config.MinSecretKeyBytes {
		t.Errorf("generated key has %d bytes, want %d or more", len(cfg.SecretKey.Reveal()), config.MinSecretKeyBytes)
	}
}

func TestValuesAreRead(t *testing.T) {
	t.Parallel()
	cfg, warnings := load(t,
		"LOG_LEVEL=WARNING", "TRUSTED_PROXIES= 10.1.2.3/8, 192.168.1.7 ,, ::1", "MAX_BODY_BYTES=1.5MiB",
		"SHUTDOWN_TIMEOUT=1m30s", "METRICS_ADDR=", "THROTTLE_ANON=", "THROTTLE_USER=5/s", "THROTTLE_LOGIN=7/Minute", "THROTTLE_DOCS=8/day",
		"CORS_ALLOWED_ORIGINS=https://A.example.com:443/,http://localhost:3000", "FRONTEND_URL=http://localhost:3000/",
		"PUBLIC_URL=https://api.example.com/dash/", "SECRET_KEY_FALLBACKS=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb,",
		"REGISTRATION=Approval", "EMAIL_VERIFICATION=REQUIRED", "DEBUG=on",
	)
	wantWarnings(t, warnings)
	if cfg.Level() != slog.LevelWarn {
		t.Errorf("Level() = %v, want WARN", cfg.Level())
	}
	proxies := []string{cfg.TrustedProxies[0].String(), cfg.TrustedProxies[1].String(), cfg.TrustedProxies[2].String()}
	if diff := cmp.Diff([]string{"10.0.0.0/8", "192.168.1.7/32", "::1/128"}, proxies); diff != "" {
		t.Errorf("TrustedProxies (-want +got):\n%s", diff)
	}
	for addr, want := range map[string]bool{"10.9.9.9": true, "::ffff:10.9.9.9": true, "::1": true, "192.168.1.8": false, "2001:db8::1": false} {
		if got := cfg.TrustsProxy(netip.MustParseAddr(addr)); got != want {
			t.Errorf("TrustsProxy(%s) = %v, want %v", addr, got, want)
		}
	}
	if cfg.MaxBodyBytes != 3<<19 || time.Duration(cfg.ShutdownTimeout) != 90*time.Second || cfg.MetricsAddr != "" {
		t.Errorf("MaxBodyBytes, ShutdownTimeout, MetricsAddr = %v, %v, %q", cfg.MaxBodyBytes, cfg.ShutdownTimeout, cfg.MetricsAddr)
	}
	rates := []config.Rate{cfg.ThrottleAnon, cfg.ThrottleUser, cfg.ThrottleLogin, cfg.ThrottleDocs}
	if diff := cmp.Diff([]config.Rate{{}, {5, time.Second}, {7, time.Minute}, {8, 24 * time.Hour}}, rates); diff != "" || !rates[0].Off() || rates[1].Off() {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"http://localhost:3000", "https://a.example.com"}, cfg.AllowedOrigins()); diff != "" {
		t.Errorf("AllowedOrigins() (-want +got):\n%s", diff)
	}
	if cfg.PublicURL != "https://api.example.com/dash" || cfg.PublicURL.Origin() != "https://api.example.com" {
		t.Errorf("PublicURL = %q, origin %q", cfg.PublicURL, cfg.PublicURL.Origin())
	}
	if len(cfg.SecretKeyFallbacks) != 2 || !strings.HasPrefix(cfg.SecretKeyFallbacks[1].Reveal(), "bbb") {
		t.Errorf("SecretKeyFallbacks has %d keys, want 2", len(cfg.SecretKeyFallbacks))
	}
	if cfg.Registration != config.RegistrationApproval || cfg.EmailVerification != config.VerificationRequired {
		t.Errorf("Registration, EmailVerification = %q, %q", cfg.Registration, cfg.EmailVerification)
	}
}

func TestLevelFollowsDebug(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		environ []string
		want    slog.Level
	}{
		{nil, slog.LevelInfo},
		{[]string{"DEBUG=1"}, slog.LevelDebug},
		{[]string{"DEBUG=1", "LOG_LEVEL=error"}, slog.LevelError},
		{[]string{"LOG_LEVEL=debug"}, slog.LevelDebug},
		{[]string{"LOG_LEVEL=info", "DEBUG=yes"}, slog.LevelInfo},
	} {
		if cfg, _ := load(t, tt.environ...); cfg.Level() != tt.want {
			t.Errorf("Level() with %q = %v, want %v", tt.environ, cfg.Level(), tt.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[config.WebURL]bool{
		"http://localhost:3000": true, "http://127.0.0.9": true, "http://[::1]:80": true, "http://app.localhost": true,
		"https://example.com": false, "http://localhost.example.com": false, "http://10.0.0.1": false, "": false,
	} {
		if got := address.Loopback(); got != want {
			t.Errorf("%q.Loopback() = %v, want %v", address, got, want)
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for address, want := range map[config.WebURL]string{
		"http://h:80/x": "http://h", "https://h:443": "https://h", "https://h:80": "https://h:80", "http://[::1]:80": "http://[::1]", "": "",
	} {
		if got := address.Origin(); got != want {
			t.Errorf("%q.Origin() = %q, want %q", address, got, want)
		}
	}
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		environ []string
		want    string // engine, then path or address
	}{
		{"sqlite by Django's path", []string{"DB_ENGINE=django.db.backends.sqlite3", "DB_NAME=db.sqlite3"}, "sqlite db.sqlite3"},
		{"relative address", []string{"DATABASE_URL=sqlite://data/x.db"}, "sqlite data/x.db"},
		{"absolute address", []string{"DATABASE_URL=sqlite:///var/x.db"}, "sqlite /var/x.db"},
		{"postgres address", []string{"DATABASE_URL=postgresql://u:p%40@h/n?sslmode=require"}, "postgresql postgresql://u:p%40@h/n?sslmode=require"},
		{"special characters", []string{"DB_ENGINE=postgres", "DB_NAME=a b", "DB_USER=u@x", "DB_PASSWORD=p@ss/w:rd?", "DB_HOST=db", "DB_PORT=6432"}, "postgresql postgres://u%40x:p%40ss%2Fw%3Ard%3F@db:6432/a%20b"},
		{"IPv6", []string{"DB_ENGINE=postgresql", "DB_NAME=n", "DB_HOST=::1"}, "postgresql postgres://[::1]:5432/n"},
		{"IPv6 in brackets", []string{"DB_ENGINE=postgresql", "DB_NAME=n", "DB_HOST=[::1]"}, "postgresql postgres://[::1]:5432/n"},
		{"local socket", []string{"DB_ENGINE=postgresql", "DB_NAME=n", "DB_USER=u"}, "postgresql postgres://u@/n?port=5432"},
		{"socket folder", []string{"DB_ENGINE=postgresql", "DB_NAME=n", "DB_HOST=/run/pg", "DB_PORT=5433"}, "postgresql postgres:///n?host=%2Frun%2Fpg&port=5433"},
		{"password without user", []string{"DB_ENGINE=postgresql", "DB_NAME=n", "DB_HOST=h", "DB_PASSWORD=x y"}, "postgresql postgres://h:5432/n?password=x+y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, warnings := load(t, tt.environ...)
			wantWarnings(t, warnings)
			got := string(cfg.Database.Engine) + " " + cfg.Database.Path + cfg.Database.URL.Reveal()
			if got != tt.want {
				t.Errorf("Database = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	const smtp = "EMAIL_BACKEND=django.core.mail.backends.smtp.EmailBackend"
	from := mail.Address{Address: "webmaster@localhost"}
	for _, tt := range []struct {
		name    string
		environ []string
		want    config.Mail
	}{
		{"Django's defaults", []string{smtp}, config.Mail{Transport: config.MailSMTP, Host: "localhost", Port: 25, TLS: config.MailPlain, From: from}},
		{"implicit TLS", []string{"EMAIL_BACKEND=SMTP", "EMAIL_HOST=m", "EMAIL_USE_SSL=yes"}, config.Mail{Transport: config.MailSMTP, Host: "m", Port: 465, TLS: config.MailImplicit, From: from}},
		{"own port and sender", []string{"EMAIL_BACKEND=smtp", "EMAIL_HOST=m", "EMAIL_PORT=2525", "EMAIL_USE_TLS=1", "DEFAULT_FROM_EMAIL=Dash <d@x.org>"}, config.Mail{
			Transport: config.MailSMTP, Host: "m", Port: 2525, TLS: config.MailStartTLS, From: mail.Address{Name: "Dash", Address: "d@x.org"},
		}},
		{"user that is no address", []string{"EMAIL_BACKEND=smtp", "EMAIL_HOST_USER=apikey", "EMAIL_HOST_PASSWORD=k"}, config.Mail{
			Transport: config.MailSMTP, Host: "localhost", Port: 25, TLS: config.MailPlain, User: "apikey", Password: "k", From: from,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg, warnings := load(t, tt.environ...)
			wantWarnings(t, warnings)
			if cfg.Mail != tt.want {
				t.Errorf("Mail = %+v, want %+v", cfg.Mail, tt.want)
			}
		})
	}
}

func TestGiven(t *testing.T) {
	t.Parallel()
	cfg, _ := load(t, "METRICS_ADDR=127.0.0.1:9090", "ADDR=", "THROTTLE_ANON=", "PATH=/bin")
	for name, want := range map[string]bool{
		"METRICS_ADDR":  true, // although it is the default
		"ADDR":          false,
		"THROTTLE_ANON": true, // empty turns it off
		"THROTTLE_USER": false,
		"PUBLIC_URL":    false, // worked out
		"PATH":          false,
		"":              false,
	} {
		if got := cfg.Given(name); got != want {
			t.Errorf("Given(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestOutboundAllow(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.1.0.0/16:5432": "10.1.0.0/16 5432", "127.0.0.1:*": "127.0.0.1/32 0", "[fd00::]/8:443": "fd00::/8 443", "[::1]:5432": "::1/128 5432",
		" 10.1.2.3/16:1": "10.1.0.0/16 1", "10.0.0.0/8": "", "10.0.0.0/8:0": "", "10.0.0.0/8:65536": "", "::1:5432": "", "db:5432": "", "*:5432": "", "": "",
		"[::1:5432": "", "10.0.0.0/33:1": "",
	} {
		var r config.OutboundRule
		got := ""
		if err := r.UnmarshalText([]byte(text)); err == nil {
			got = r.Prefix.String() + " " + strconv.Itoa(int(r.Port))
		}
		if got != want {
			t.Errorf("%q = %q, want %q", text, got, want)
		}
	}
}
