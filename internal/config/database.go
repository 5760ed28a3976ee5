package config

import (
	"net"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Engine is a kind of database.
type Engine string

// The engines bdash runs on.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgresql"
)

// UnmarshalText reads an engine by its name or by Django's path.
func (e *Engine) UnmarshalText(text []byte) error {
	name := strings.ToLower(string(text))
	switch strings.TrimPrefix(name, "django.db.backends.") {
	case "sqlite", "sqlite3":
		*e = SQLite
	case "postgresql", "postgres", "postgresql_psycopg2":
		*e = Postgres
	case "mysql", "mariadb", "oracle":
		return adviceError("bdash runs on PostgreSQL and SQLite; move the data to one of them, then set DB_ENGINE to postgresql or sqlite")
	default:
		return adviceError("set it to postgresql or sqlite; Django's django.db.backends.postgresql and django.db.backends.sqlite3 are understood too")
	}
	return nil
}

// Database is where the data lives.
type Database struct {
	Engine Engine
	Path   string    // SQLite: the file, absolute or relative to the working directory
	URL    SecretURL // PostgreSQL: postgres://…, with the password
}

// String is the address with the password masked.
func (d Database) String() string {
	if d.Engine == SQLite {
		return "sqlite://" + d.Path
	}
	return d.URL.String()
}

// partNames are the settings that DATABASE_URL overrides.
var partNames = []string{"DB_ENGINE", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_HOST", "DB_PORT"}

// checkDatabase works out Database and looks at its form; whether it answers
// is not asked.
func (l *loader) checkDatabase() {
	c := &l.cfg
	switch {
	case c.DatabaseURL != "":
		l.databaseFromURL()
		if parts := slices.DeleteFunc(slices.Clone(partNames), func(n string) bool { return !l.set(n) }); len(parts) > 0 {
			l.warn("DATABASE_URL", "DATABASE_URL counts, and %s %s ignored.", strings.Join(parts, ", "), isAre(len(parts)))
		}
	case l.broken("DB_ENGINE"):
	case c.DBEngine == SQLite:
		l.sqliteFromParts()
	default:
		l.postgresFromParts()
	}
	if c.Database.Engine == Postgres && c.SecretKey == "" {
		l.problem("SECRET_KEY", "SECRET_KEY is missing: on PostgreSQL every instance must sign with the same key, so set SECRET_KEY to the output of `openssl rand -base64 48`, or to the key of the Django deployment this one replaces.")
	}
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func (l *loader) databaseFromURL() {
	const want = "it must look like sqlite://data/bdash.db or postgres://user:password@host:5432/name"
	raw, shown := l.cfg.DatabaseURL.Reveal(), l.cfg.DatabaseURL.String()
	scheme, rest, _ := strings.Cut(raw, "://")
	switch scheme {
	case "sqlite", "sqlite3":
		file, _, _ := strings.Cut(rest, "?")
		if file == "/"+path.Base(file) && file != "/" {
			l.warn("DATABASE_URL", "DATABASE_URL names the file %s in the root folder; with two slashes, sqlite:/%s, it is relative to the working directory.", file, file)
		}
		if strings.Contains(rest, "?") {
			l.problem("DATABASE_URL", "DATABASE_URL holds options after a question mark, which SQLite does not take here: leave only the path.")
			return
		}
		l.useSQLite("DATABASE_URL", file)
	case "postgres", "postgresql":
		u, err := url.Parse(raw)
		switch {
		case err != nil:
			// url.Parse quotes the address, password included: its text stays out.
			l.problem("DATABASE_URL", "DATABASE_URL cannot be read as an address: %s, with special characters of the password written as %%XX.", want)
		case strings.Trim(u.Path, "/") == "" && !u.Query().Has("dbname"):
			l.problem("DATABASE_URL", "DATABASE_URL is %q and names no database: add it at the end, as in postgres://user:password@host:5432/name.", shown)
		default:
			l.cfg.Database = Database{Engine: Postgres, URL: l.cfg.DatabaseURL}
		}
	default:
		l.problem("DATABASE_URL", "DATABASE_URL is %q: %s.", shown, want)
	}
}

func (l *loader) sqliteFromParts() {
	c := &l.cfg
	for _, name := range []string{"DB_HOST", "DB_USER", "DB_PASSWORD", "DB_PORT"} {
		if l.set(name) {
			l.warn(name, "%s is ignored, because the data goes into an SQLite file: set DB_ENGINE=postgresql if a PostgreSQL server is meant.", name)
		}
	}
	if c.DBName == "" {
		file := filepath.Join(c.DataDir, "bdash.db")
		l.derive("DB_NAME", file)
		c.Database = Database{Engine: SQLite, Path: file}
		return
	}
	l.useSQLite("DB_NAME", c.DBName)
}

// useSQLite takes file as the database, unless it cannot be one that lasts.
func (l *loader) useSQLite(name, file string) {
	switch {
	case file == "" || strings.HasSuffix(file, "/"):
		l.problem(name, "%s names no file: give the path of the SQLite file, such as data/bdash.db.", name)
	case strings.Contains(file, ":memory:") || strings.HasPrefix(file, "file:"):
		l.problem(name, "%s is %q: give the path of a file, such as data/bdash.db; a database in memory would be lost at every stop.", name, file)
	default:
		l.cfg.Database = Database{Engine: SQLite, Path: file}
	}
}

func (l *loader) postgresFromParts() {
	c := &l.cfg
	if c.DBName == "" {
		l.problem("DB_NAME", "DB_NAME is missing: set it to the name of the PostgreSQL database.")
	}
	host := c.DBHost
	if raw := l.cfg.given["DB_PORT"].value; strings.Contains(raw, "://") {
		l.warn("DB_PORT", "DB_PORT holds an address: Kubernetes sets it so in every pod when a service is called db. Set DB_PORT in the pod itself, or call the service otherwise.")
	}
	socket := strings.HasPrefix(host, "/")
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ipv6 := strings.Contains(bare, ":") && net.ParseIP(bare) != nil
	if !socket && (strings.ContainsAny(host, "/@?# ") || (strings.Contains(host, ":") && !ipv6)) {
		l.problem("DB_HOST", "DB_HOST is %q: give the host alone, such as localhost; the port goes into DB_PORT, and a whole address into DATABASE_URL.", host)
	}
	if l.broken("DB_NAME") || l.broken("DB_HOST") || l.broken("DB_PORT") {
		c.Database.Engine = Postgres
		return
	}
	port := 5432
	if c.DBPort != 0 {
		port = c.DBPort
	}
	if !l.set("DB_PORT") {
		l.derive("DB_PORT", strconv.Itoa(port))
	}
	c.Database = Database{Engine: Postgres, URL: postgresURL(c, bare, port)}
}

// postgresURL puts the parts into one address. A socket, and the absence of a
// host, go into the query and into nothing: the authority of a URL holds neither.
func postgresURL(c *Config, host string, port int) SecretURL {
	u := url.URL{Scheme: "postgres", Path: "/" + c.DBName}
	switch {
	case c.DBUser != "" && c.DBPassword != "":
		u.User = url.UserPassword(c.DBUser, c.DBPassword.Reveal())
	case c.DBUser != "":
		u.User = url.User(c.DBUser)
	}
	q := url.Values{}
	switch {
	case host == "" || strings.HasPrefix(host, "/"):
		q.Set("port", strconv.Itoa(port))
		if host != "" {
			q.Set("host", host)
		}
	default:
		u.Host = net.JoinHostPort(host, strconv.Itoa(port))
	}
	if c.DBUser == "" && c.DBPassword != "" {
		q.Set("password", c.DBPassword.Reveal()) // a URL has no password without a user
	}
	u.RawQuery = q.Encode()
	return SecretURL(u.String())
}
