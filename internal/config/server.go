package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// checkServer looks at the settings of the server and works out PUBLIC_URL.
func (l *loader) checkServer() {
	c := &l.cfg
	if c.PublicURL == "" && !l.broken("PUBLIC_URL") && !l.broken("ADDR") {
		_, port, _ := net.SplitHostPort(string(c.Addr))
		c.PublicURL = WebURL("http://localhost:" + port)
		l.derive("PUBLIC_URL", string(c.PublicURL))
	}
	if c.LogLevel == "" && !l.broken("LOG_LEVEL") && !l.broken("DEBUG") {
		l.derive("LOG_LEVEL", strings.ToLower(c.Level().String()))
	}
	for _, p := range c.TrustedProxies {
		if p.Bits() == 0 {
			l.warn("TRUSTED_PROXIES", "TRUSTED_PROXIES holds %s, so every client can pretend to have another address: name the proxies only.", p)
		}
	}
	if c.MetricsAddr != "" && !c.MetricsAddr.loopback() {
		l.warn("METRICS_ADDR", "METRICS_ADDR is %q, so the metrics can be read from other machines: let a firewall decide by whom.", c.MetricsAddr)
	}
	if t := c.MetricsToken; t != "" && len(t) < 16 {
		l.warn("METRICS_TOKEN", "METRICS_TOKEN is shorter than 16 characters and can be guessed: use a longer one.")
	}
	if c.MetricsAddr.clashes(c.Addr) {
		l.problem("METRICS_ADDR", "METRICS_ADDR (%s) and ADDR (%s) want the same port: give METRICS_ADDR another one, or set it to nothing and use METRICS_TOKEN.", c.MetricsAddr, c.Addr)
	}
}

// checkGateway looks at the frontend's gateway.
func (l *loader) checkGateway() {
	c := &l.cfg
	if c.FrontendUpstream != "" {
		if u, err := url.Parse(string(c.FrontendUpstream)); err != nil || u.Path != "" {
			l.problem("FRONTEND_UPSTREAM", "FRONTEND_UPSTREAM is %q: it must name a server without a path, such as http://127.0.0.1:3000.", c.FrontendUpstream)
		}
		if c.GatewayAddr.clashes(c.Addr) {
			l.problem("GATEWAY_ADDR", "GATEWAY_ADDR (%s) and ADDR (%s) want the same port: give one of them another.", c.GatewayAddr, c.Addr)
		}
		if c.GatewayAddr.clashes(c.MetricsAddr) {
			l.problem("GATEWAY_ADDR", "GATEWAY_ADDR (%s) and METRICS_ADDR (%s) want the same port: give one of them another.", c.GatewayAddr, c.MetricsAddr)
		}
	}
	if (c.GatewayTLSCert == "") != (c.GatewayTLSKey == "") {
		l.problem("GATEWAY_TLS_CERT", "GATEWAY_TLS_CERT and GATEWAY_TLS_KEY belong together: set both, or neither for plain http.")
	}
}

// checkAccounts looks at the tokens and at the keys that were given.
func (l *loader) checkAccounts() {
	c := &l.cfg
	if c.JWTAlgorithm != "HS256" {
		l.problem("JWT_ALGORITHM", "JWT_ALGORITHM is %q: bdash signs with HS256 only, so set it to HS256 or leave it out.", c.JWTAlgorithm)
	}
	ok := !l.broken("JWT_EXPIRATION_HOURS") && !l.broken("JWT_REFRESH_EXPIRATION_DAYS")
	if access, refresh := c.AccessTTL(), c.RefreshTTL(); ok && refresh < access {
		l.warn("JWT_REFRESH_EXPIRATION_DAYS", "JWT_REFRESH_EXPIRATION_DAYS (%s) is shorter than JWT_EXPIRATION_HOURS (%s), so refreshing never helps.", hours(refresh), hours(access))
	}
	l.judgeKey("SECRET_KEY", c.SecretKey)
	for _, k := range c.SecretKeyFallbacks {
		l.judgeKey("SECRET_KEY_FALLBACKS", k)
	}
}

func hours(d time.Duration) string { return strconv.Itoa(int(d.Hours())) + " h" }

// judgeKey warns about a signing key that others know or can guess.
func (l *loader) judgeKey(name string, key Secret) {
	const mend = "replace it by the output of `openssl rand -base64 48`"
	switch {
	case key == "":
	case key == SampleSecretKey:
		l.warn(name, "DANGER: %s is the sample key of the guide, which everybody knows: whoever can reach this server can sign in as any user, admins too. Before anybody else can reach it, %s.", name, mend)
	case len(key) < MinSecretKeyBytes:
		l.warn(name, "%s is %d bytes long; fewer than %d can be guessed by trying: %s.", name, len(key), MinSecretKeyBytes, mend)
	}
}

// checkRedis looks at the form of REDIS_URL; whether Redis answers is not asked.
func (l *loader) checkRedis() {
	raw := l.cfg.RedisURL.Reveal()
	if raw == "" {
		return
	}
	const want = "it must look like redis://localhost:6379/0, or rediss:// for TLS, or unix:///path/of/socket"
	u, err := url.Parse(raw)
	good := err == nil
	if good {
		switch u.Scheme {
		case "redis", "rediss":
			good = u.Hostname() != "" && goodPort(u.Port()) && goodRedisDB(strings.TrimPrefix(u.Path, "/"))
		case "unix":
			good = u.Host == "" && len(u.Path) > 1
		default:
			good = false
		}
	}
	if !good {
		l.problem("REDIS_URL", "REDIS_URL is %q: %s.", l.cfg.RedisURL.String(), want)
	}
}

func goodRedisDB(s string) bool {
	if s == "" {
		return true
	}
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}

// derive notes a value that was worked out, for Dump.
func (l *loader) derive(name, value string) {
	l.cfg.shown[name] = given{value, "derived"}
}
