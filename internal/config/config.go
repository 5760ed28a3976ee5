// Package config holds the settings of bdash.
//
// A setting is one field of Config: its tags name the environment variable
// (env), the value when nothing is given (default), what it does (doc), what
// a good value looks like (want) and the heading it is listed under (group).
// Reading, checking, the masked dump, the settings table of the README and
// .env.example all follow from those tags, so a new setting is one field.
//
// Load reads the process environment and a .env file, checks everything, and
// reports every problem at once; nothing is opened, and nothing is written,
// before all of it is sound. The names are those of the Django deployment
// that bdash replaces, and so are the rules of the .env file.
package config

//go:generate go run ./gendoc -root ../..

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// SampleSecretKey is the key printed in the Django guide. It works, because
// the guide's .env must work, and is warned about, because anybody can read it.
const SampleSecretKey = "your-secret-key-here-change-in-production"

// MinSecretKeyBytes is the shortest signing key that passes without a warning:
// RFC 7518, section 3.2, asks HS256 for a key as long as the hash.
const MinSecretKeyBytes = 32

// Config is every setting, read and checked. Make one with Load; it is not
// changed afterwards, and any number of goroutines may read it. Its printed
// form masks every secret.
type Config struct {
	Debug           bool     `env:"DEBUG" default:"false" group:"Server" doc:"Human-readable, verbose logs. It never changes an answer." want:"true or false"`
	LogLevel        LogLevel `env:"LOG_LEVEL" group:"Server" doc:"Least severe level that is logged; debug while DEBUG is on, otherwise info." want:"debug, info, warn or error"`
	Addr            Addr     `env:"ADDR" default:":8000" group:"Server" doc:"Where the server listens." want:"host:port, such as :8000 or 127.0.0.1:8000"`
	DataDir         string   `env:"DATA_DIR" default:"./data" group:"Server" doc:"Folder of everything that is kept in files: the SQLite database and the generated secret key."`
	FrontendURL     WebURL   `env:"FRONTEND_URL" default:"http://localhost:3000" group:"Server" doc:"Address of the frontend: allowed by CORS, and the start of the links in mails." want:"an http:// or https:// address without query or fragment, such as https://app.example.com"`
	PublicURL       WebURL   `env:"PUBLIC_URL" group:"Server" doc:"Address under which users reach this server; http://localhost and the port of ADDR when empty." want:"an http:// or https:// address without query or fragment, such as https://api.example.com"`
	CORSOrigins     []Origin `env:"CORS_ALLOWED_ORIGINS" group:"Server" doc:"Further origins that browsers may call from, separated by commas; FRONTEND_URL is always among them." want:"origins separated by commas, such as https://app.example.com,https://admin.example.com"`
	TrustedProxies  []Prefix `env:"TRUSTED_PROXIES" group:"Server" doc:"Networks of the proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by commas; none when empty." want:"addresses or networks separated by commas, such as 10.0.0.0/8,192.168.1.7"`
	MaxBodyBytes    Size     `env:"MAX_BODY_BYTES" default:"1MiB" group:"Server" doc:"Largest request body that is read." want:"a size from 1KiB to 1GiB, such as 1MiB or 1048576"`
	ShutdownTimeout Duration `env:"SHUTDOWN_TIMEOUT" default:"20s" group:"Server" doc:"How long requests and jobs may take to finish after a stop signal." want:"a duration from 1s to 10m, such as 20s"`
	MetricsAddr     Addr     `env:"METRICS_ADDR" default:"127.0.0.1:9090" empty:"off" group:"Server" doc:"Where /metrics listens, apart from ADDR; off when set to nothing." want:"host:port, such as 127.0.0.1:9090, or nothing to turn it off"`
	MetricsToken    Secret   `env:"METRICS_TOKEN" group:"Server" doc:"With it, /metrics also answers on ADDR, to whoever sends this token as Bearer."`

	FrontendUpstream   WebURL      `env:"FRONTEND_UPSTREAM" group:"Frontend gateway" doc:"Where the B-Dashboard frontend's own server listens, such as http://127.0.0.1:3000; with it, GATEWAY_ADDR shows the frontend with bdash behind it." want:"an http:// or https:// address without a path, such as http://127.0.0.1:3000"`
	GatewayAddr        Addr        `env:"GATEWAY_ADDR" default:":8080" group:"Frontend gateway" doc:"Where the gateway listens once FRONTEND_UPSTREAM is set." want:"host:port, such as :8080 or 127.0.0.1:8080"`
	GatewayLoginErrors LoginErrors `env:"GATEWAY_LOGIN_ERRORS" default:"401" group:"Frontend gateway" doc:"Status of a refused sign-in at the gateway: 401, or 200, the one at which the frontend shows the reason." want:"401 or 200"`
	GatewayTLSCert     string      `env:"GATEWAY_TLS_CERT" group:"Frontend gateway" doc:"File with the gateway's certificate chain, in PEM; read again when it changes. Plain http when empty."`
	GatewayTLSKey      string      `env:"GATEWAY_TLS_KEY" group:"Frontend gateway" doc:"File with the key of GATEWAY_TLS_CERT, in PEM."`

	SecretKey          Secret       `env:"SECRET_KEY" group:"Accounts" doc:"Key that signs the tokens, 32 bytes or more. On SQLite one is made at the first start and kept in DATA_DIR/secret_key; PostgreSQL needs one given."`
	SecretKeyFallbacks []Secret     `env:"SECRET_KEY_FALLBACKS" group:"Accounts" doc:"Former keys whose tokens are still accepted, separated by commas."`
	JWTAlgorithm       string       `env:"JWT_ALGORITHM" default:"HS256" group:"Accounts" doc:"Signature of the tokens; HS256 is the only one."`
	JWTExpirationHours int          `env:"JWT_EXPIRATION_HOURS" default:"24" range:"1-8760" group:"Accounts" doc:"Life of an access token, in hours." want:"a whole number of hours from 1 to 8760, such as 24"`
	JWTRefreshDays     int          `env:"JWT_REFRESH_EXPIRATION_DAYS" default:"30" range:"1-3650" group:"Accounts" doc:"Life of a refresh token, in days." want:"a whole number of days from 1 to 3650, such as 30"`
	Registration       Registration `env:"REGISTRATION" default:"open" group:"Accounts" doc:"Who may register: open (anyone), approval (anyone, an admin lets them in), closed (nobody)." want:"open, approval or closed"`
	EmailVerification  Verification `env:"EMAIL_VERIFICATION" default:"optional" group:"Accounts" doc:"Whether an address must be verified before the first sign-in: optional or required." want:"optional or required"`
	ThrottleAnon       Rate         `env:"THROTTLE_ANON" default:"100/hour" empty:"off" group:"Limits" doc:"Requests per address without a token; off when set to nothing." want:"a number and a period, such as 100/hour, or nothing to turn it off"`
	ThrottleUser       Rate         `env:"THROTTLE_USER" default:"10000/hour" empty:"off" group:"Limits" doc:"Requests per signed-in user; off when set to nothing." want:"a number and a period, such as 10000/hour, or nothing to turn it off"`
	ThrottleLogin      Rate         `env:"THROTTLE_LOGIN" default:"10/min" empty:"off" group:"Limits" doc:"Sign-in attempts per address and account; off when set to nothing." want:"a number and a period, such as 10/min, or nothing to turn it off"`
	ThrottleShare      Rate         `env:"THROTTLE_SHARE" default:"60/min" empty:"off" group:"Limits" doc:"Requests per address for shared views; off when set to nothing." want:"a number and a period, such as 60/min, or nothing to turn it off"`
	ThrottleDocs       Rate         `env:"THROTTLE_DOCS" default:"60/min" empty:"off" group:"Limits" doc:"Requests per address for the API schema and its pages; off when set to nothing." want:"a number and a period, such as 60/min, or nothing to turn it off"`

	AuditRetentionDays int `env:"AUDIT_RETENTION_DAYS" default:"365" range:"1-36500" group:"Limits" doc:"How long entries of the audit record are kept, in days." want:"a whole number of days from 1 to 36500, such as 365"`

	OutboundAllow []OutboundRule `env:"OUTBOUND_ALLOW" group:"Data sources" doc:"Networks and ports that data sources may be at besides public addresses, separated by commas: network:port, * for every port. Without it nothing in a private network can be connected to." want:"networks with ports separated by commas, such as 10.1.0.0/16:5432,127.0.0.1:*,[fd00::]/8:443"`
	DatasourceDir string         `env:"DATASOURCE_DIR" group:"Data sources" doc:"Folder whose SQLite files can be data sources; DATA_DIR/datasources when empty."`

	DatabaseURL SecretURL `env:"DATABASE_URL" group:"Database and cache" doc:"sqlite://PATH or postgres://user:password@host:port/name; overrides the DB_ settings. sqlite://data/app.db is relative, sqlite:///var/app.db absolute."`
	DBEngine    Engine    `env:"DB_ENGINE" default:"sqlite" group:"Database and cache" doc:"sqlite or postgresql; Django's paths, such as django.db.backends.postgresql, are understood."`
	DBName      string    `env:"DB_NAME" group:"Database and cache" doc:"Name of the PostgreSQL database, or path of the SQLite file; DATA_DIR/bdash.db when empty."`
	DBUser      string    `env:"DB_USER" group:"Database and cache" doc:"PostgreSQL user."`
	DBPassword  Secret    `env:"DB_PASSWORD" group:"Database and cache" doc:"PostgreSQL password."`
	DBHost      string    `env:"DB_HOST" group:"Database and cache" doc:"PostgreSQL host, or the folder of its socket; the local socket when empty."`
	DBPort      int       `env:"DB_PORT" range:"1-65535" group:"Database and cache" doc:"PostgreSQL port; 5432 when empty." want:"a port from 1 to 65535, such as 5432"`
	RedisURL    SecretURL `env:"REDIS_URL" group:"Database and cache" doc:"Redis shared by several instances, such as redis://localhost:6379/0; everything stays in memory when empty. While Redis is away the server is slower, never wrong."`

	OpenAIKey        Secret       `env:"OPENAI_API_KEY" group:"AI" doc:"Key for OPENAI_BASE_URL. Without it, and without any other provider, the offline model demo answers."`
	OpenAIBaseURL    WebURL       `env:"OPENAI_BASE_URL" default:"https://api.openai.com/v1" group:"AI" doc:"Any endpoint that speaks OpenAI's protocol; it answers models without a provider's prefix. One of your own may want no key." want:"an http:// or https:// address without query or fragment, such as http://localhost:11434/v1"`
	OpenAIModel      string       `env:"OPENAI_MODEL" default:"gpt-4" group:"AI" doc:"Model of agents that name none."`
	AnthropicKey     Secret       `env:"ANTHROPIC_API_KEY" group:"AI" doc:"Key for Anthropic's models, which agents name anthropic/claude-…."`
	AnthropicBaseURL WebURL       `env:"ANTHROPIC_BASE_URL" default:"https://api.anthropic.com" group:"AI" doc:"Any endpoint that speaks Anthropic's protocol." want:"an http:// or https:// address without query or fragment, such as https://api.anthropic.com"`
	AIProviders      []AIProvider `env:"AI_PROVIDERS" group:"AI" doc:"Further endpoints, separated by commas, each name=kind|base_url|key_variable|free: models are named name/model; kind is openai or anthropic; the key is read from the variable of that name, and none is sent if that is empty; free says that its models cost nothing. For example ollama=openai|http://localhost:11434/v1||free,groq=openai|https://api.groq.com/openai/v1|GROQ_API_KEY." want:"items such as ollama=openai|http://localhost:11434/v1||free, separated by commas"`
	AIFallbackModel  string       `env:"AI_FALLBACK_MODEL" group:"AI" doc:"Model that answers, and is paid, when the one that an agent names does not; none when empty."`
	AIPricesFile     string       `env:"AI_PRICES_FILE" group:"AI" doc:"JSON file with prices of models, in the form of the shipped internal/llm/price/prices.json, which it is laid over."`
	AIBudgetDaily    RoleAmounts  `env:"AI_BUDGET_DAILY_USD" default:"user=1" empty:"off" group:"AI" doc:"US dollars that a user of a role may spend on models in a UTC day; roles that are not named have no limit, nobody has one when set to nothing." want:"roles with amounts, such as user=1,editor=5.50, or nothing to turn it off"`
	AIBudgetMonthly  RoleAmounts  `env:"AI_BUDGET_MONTHLY_USD" empty:"off" group:"AI" doc:"The same in a UTC month." want:"roles with amounts, such as user=20,editor=100"`
	AIFirstTimeout   Duration     `env:"AI_FIRST_TOKEN_TIMEOUT" default:"2m" group:"AI" doc:"How long a model may take to begin its answer." want:"a duration from 1s to 10m, such as 2m"`
	AIIdleTimeout    Duration     `env:"AI_IDLE_TIMEOUT" default:"1m" group:"AI" doc:"How long an answer may pause." want:"a duration from 1s to 10m, such as 1m"`
	AITimeout        Duration     `env:"AI_TIMEOUT" default:"10m" group:"AI" doc:"How long one answer of a model may take." want:"a duration from 1s to 10m, such as 10m"`
	AIRetentionDays  int          `env:"AI_RETENTION_DAYS" default:"90" range:"1-36500" group:"AI" doc:"Conversations without a message for so many days are deleted." want:"a whole number of days from 1 to 36500, such as 90"`
	LangChainKey     Secret       `env:"LANGCHAIN_API_KEY" group:"AI" doc:"Known from the Django deployment, and ignored: bdash uses no LangChain."`

	EmailBackend     MailTransport `env:"EMAIL_BACKEND" default:"console" group:"Mail" doc:"smtp or console (mails go to the log); Django's paths are understood." want:"smtp or console"`
	EmailHost        string        `env:"EMAIL_HOST" default:"localhost" group:"Mail" doc:"SMTP server."`
	EmailPort        int           `env:"EMAIL_PORT" range:"1-65535" group:"Mail" doc:"SMTP port; when empty 587 with EMAIL_USE_TLS, 465 with EMAIL_USE_SSL, otherwise 25." want:"a port from 1 to 65535, such as 587"`
	EmailUseTLS      bool          `env:"EMAIL_USE_TLS" default:"false" group:"Mail" doc:"Encrypt by STARTTLS, and send nothing without it." want:"true or false"`
	EmailUseSSL      bool          `env:"EMAIL_USE_SSL" default:"false" group:"Mail" doc:"Encrypt from the first byte." want:"true or false"`
	EmailHostUser    string        `env:"EMAIL_HOST_USER" group:"Mail" doc:"SMTP user; no sign-in when empty."`
	EmailHostPass    Secret        `env:"EMAIL_HOST_PASSWORD" group:"Mail" doc:"SMTP password."`
	DefaultFromEmail string        `env:"DEFAULT_FROM_EMAIL" group:"Mail" doc:"Sender of every mail; EMAIL_HOST_USER when that is an address, otherwise webmaster@localhost."`

	BackupTo         string `env:"BACKUP_TO" group:"Backups" doc:"Where scheduled backups are kept: a folder, or s3://bucket/prefix; off when empty."`
	BackupEveryHours int    `env:"BACKUP_EVERY_HOURS" default:"24" range:"1-744" group:"Backups" doc:"Hours between two scheduled backups." want:"a whole number of hours from 1 to 744, such as 24"`
	BackupKeep       int    `env:"BACKUP_KEEP" default:"14" range:"1-10000" group:"Backups" doc:"How many of the newest backups are kept when a scheduled one was made." want:"a whole number from 1 to 10000, such as 14"`
	BackupS3Endpoint WebURL `env:"BACKUP_S3_ENDPOINT" default:"https://s3.amazonaws.com" group:"Backups" doc:"Address of the S3-compatible storage." want:"an http:// or https:// address without query or fragment, such as https://s3.eu-central-1.amazonaws.com"`
	BackupS3Region   string `env:"BACKUP_S3_REGION" group:"Backups" doc:"Region of the bucket; asked of the storage when empty."`
	BackupS3Key      Secret `env:"BACKUP_S3_ACCESS_KEY" group:"Backups" doc:"Access key of the storage."`
	BackupS3Secret   Secret `env:"BACKUP_S3_SECRET_KEY" group:"Backups" doc:"Secret key of the storage."`

	// Database is what DATABASE_URL, or the DB_ settings, come to.
	Database Database `env:"-"`
	// AI is who answers agents: the keys, addresses and AI_PROVIDERS together.
	AI AI `env:"-"`
	// Mail is what the EMAIL_ settings come to.
	Mail Mail `env:"-"`

	// given is every known name that was set, and where.
	given map[string]given
	// shown replaces the dumped value and source of settings that were
	// worked out rather than given.
	shown map[string]given
}

// given is one value and the place it came from.
type given struct{ value, source string }

// AccessTTL is the life of an access token.
func (c Config) AccessTTL() time.Duration {
	return time.Duration(c.JWTExpirationHours) * time.Hour
}

// RefreshTTL is the life of a refresh token.
func (c Config) RefreshTTL() time.Duration {
	return time.Duration(c.JWTRefreshDays) * 24 * time.Hour
}

// Level is the least severe level to log: LOG_LEVEL, or else what DEBUG asks for.
func (c Config) Level() slog.Level {
	switch {
	case c.LogLevel != "":
		return c.LogLevel.slog()
	case c.Debug:
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// DatasourceFolder is where SQLite files for data sources are looked for.
func (c Config) DatasourceFolder() string {
	if c.DatasourceDir != "" {
		return c.DatasourceDir
	}
	return filepath.Join(c.DataDir, "datasources")
}

// AllowedOrigins lists the origins that browsers may call from: FRONTEND_URL
// first, then CORS_ALLOWED_ORIGINS, each once.
func (c Config) AllowedOrigins() []string {
	origins := []string{c.FrontendURL.Origin()}
	seen := map[string]bool{origins[0]: true}
	for _, o := range c.CORSOrigins {
		if !seen[string(o)] {
			seen[string(o)] = true
			origins = append(origins, string(o))
		}
	}
	return origins
}

// TrustsProxy tells whether a request that arrives from addr may name the
// client it speaks for. An IPv4 address in IPv6 form counts as IPv4.
func (c Config) TrustsProxy(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range c.TrustedProxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// String is the masked dump, one NAME=value a line, so that a Config printed
// by accident gives nothing away.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range c.Dump() {
		b.WriteString(s.Name + "=" + s.Value + "\n")
	}
	return b.String()
}

// GoString is String: %#v would otherwise walk past the masking.
func (c Config) GoString() string { return c.String() }
