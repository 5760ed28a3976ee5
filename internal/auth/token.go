package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bdash/bdash/internal/account"
)

// TokenType is the claim "token_type".
type TokenType string

// The types that bdash makes.
const (
	AccessToken  TokenType = "access"
	RefreshToken TokenType = "refresh"
)

// Claims of a token that was found valid: signature, type and times.
type Claims struct {
	JTI      string
	UserID   int64
	Session  string // "" for tokens made by Django
	IssuedAt int64  // Unix seconds; 0 when the token does not say
	Expires  time.Time
	Rich     bool // carries email, role and status
}

// Keyring signs with its first key and verifies with all of them (HS256).
// Tokens that were verified are remembered until they expire, so that a
// client's many requests cost one signature check. Safe for concurrent use.
type Keyring struct {
	keys   [][]byte
	parser *jwt.Parser
	now    func() time.Time
	seen   tokenCache
}

// NewKeyring takes the secret key and the older ones that still verify.
func NewKeyring(now func() time.Time, key string, fallbacks ...string) *Keyring {
	k := &Keyring{keys: [][]byte{[]byte(key)}, now: now}
	for _, f := range fallbacks {
		k.keys = append(k.keys, []byte(f))
	}
	k.parser = jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithoutClaimsValidation(), jwt.WithJSONNumber())
	return k
}

// tokenHeader is {"alg":"HS256","typ":"JWT"}, as PyJWT writes it.
var tokenHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

// Refresh makes the session's current refresh token: the same bytes each time.
func (k *Keyring) Refresh(s *Session, u *account.User) string {
	return k.sign(RefreshToken, s.Refresh.Exp, s.Refresh.IssuedAt, s.Refresh.JTI, s, u)
}

// Access makes an access token of the session. issued is the iat claim: a
// refreshed access token keeps the one of the refresh token, as in simplejwt.
func (k *Keyring) Access(s *Session, u *account.User, jti string, issued int64, expires time.Time) string {
	return k.sign(AccessToken, expires.Unix(), issued, jti, s, u)
}

// sign writes simplejwt's claims in simplejwt's order, and "sid".
func (k *Keyring) sign(t TokenType, exp, iat int64, jti string, s *Session, u *account.User) string {
	b := make([]byte, 0, 384)
	b = append(b, `{"token_type":"`...)
	b = append(b, t...)
	b = append(b, `","exp":`...)
	b = strconv.AppendInt(b, exp, 10)
	b = append(b, `,"iat":`...)
	b = strconv.AppendInt(b, iat, 10)
	b = append(b, `,"jti":"`...)
	b = append(b, jti...)
	b = append(b, `","user_id":`...)
	b = strconv.AppendInt(b, s.UserID, 10)
	if s.RichClaims {
		for _, claim := range [...][2]string{{"email", u.Email}, {"role", string(u.Role)}, {"status", string(u.Status)}} {
			b = append(b, `,"`...)
			b = append(b, claim[0]...)
			b = append(b, `":`...)
			text, _ := json.Marshal(claim[1]) // a string always can
			b = append(b, text...)
		}
	}
	b = append(b, `,"sid":"`...)
	b = append(b, s.ID...)
	b = append(b, `"}`...)
	signed := tokenHeader + "." + base64.RawURLEncoding.EncodeToString(b)
	mac := hmac.New(sha256.New, k.keys[0])
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// maxToken bounds the work on a token; ours are a few hundred bytes.
const maxToken = 8 << 10

// Parse verifies a token of the wanted type. Errors are ErrToken and its like.
func (k *Keyring) Parse(raw string, want TokenType) (Claims, error) {
	now := k.now()
	if c, ok := k.seen.get(raw, want); ok {
		if now.Before(c.Expires) {
			return c, nil
		}
		return Claims{}, ErrToken
	}
	if len(raw) > maxToken {
		return Claims{}, ErrToken
	}
	claims, ok := k.verify(raw)
	if !ok {
		return Claims{}, ErrToken
	}
	c, err := readClaims(claims, want, now)
	if err == nil {
		k.seen.put(raw, want, c)
	}
	return c, err
}

func (k *Keyring) verify(raw string) (jwt.MapClaims, bool) {
	for _, key := range k.keys {
		claims := jwt.MapClaims{}
		_, err := k.parser.ParseWithClaims(raw, claims, func(*jwt.Token) (any, error) { return key, nil })
		if err == nil {
			return claims, true
		}
	}
	return nil, false
}

// clockSkew is how many seconds the clock of another instance, which signed the
// token a moment ago, may be ahead of ours.
const clockSkew = 5

// readClaims checks in simplejwt's order: PyJWT's own checks of the times,
// then that exp and jti are there, then the type, then the user.
func readClaims(m jwt.MapClaims, want TokenType, now time.Time) (Claims, error) {
	unix := float64(now.Unix())
	exp, hasExp := m["exp"]
	expires, ok := number(exp)
	expires = math.Trunc(expires) // as PyJWT reads it
	if hasExp && (!ok || expires <= unix) {
		return Claims{}, ErrToken
	}
	iat, hasIat := m["iat"]
	issued, ok := number(iat)
	if hasIat && (!ok || issued > unix+clockSkew) {
		return Claims{}, ErrToken
	}
	if nbf, has := m["nbf"]; has {
		if t, ok := number(nbf); !ok || t > unix {
			return Claims{}, ErrToken
		}
	}
	if !hasExp {
		return Claims{}, ErrTokenNoExp
	}
	jti, ok := m["jti"].(string)
	if !ok || jti == "" {
		return Claims{}, ErrTokenNoID
	}
	if !storable(jti) {
		return Claims{}, ErrToken
	}
	switch t, has := m["token_type"]; {
	case !has:
		return Claims{}, ErrTokenNoType
	case t != string(want):
		return Claims{}, ErrTokenType
	}
	user, has := m["user_id"]
	if !has {
		return Claims{}, ErrTokenNoUser
	}
	id, ok := userID(user)
	if !ok {
		return Claims{}, ErrToken
	}
	session, _ := m["sid"].(string)
	if !storable(session) {
		return Claims{}, ErrToken
	}
	_, rich := m["role"]
	return Claims{JTI: jti, UserID: id, Session: session, IssuedAt: int64(issued), Expires: unixTime(expires), Rich: rich}, nil
}

// maxID is the longest id of a token or session, in bytes; ours have 32. It is
// what simplejwt's own column holds.
const maxID = 255

// storable tells whether an id can be looked for in a database: PostgreSQL
// refuses NUL, and keys of a few thousand bytes.
func storable(id string) bool { return len(id) <= maxID && !strings.ContainsRune(id, 0) }

// unixTime guards against times that a store cannot hold.
func unixTime(seconds float64) time.Time {
	const far = 253402300799 // the end of the year 9999
	return time.Unix(int64(math.Min(seconds, far)), 0)
}

func number(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// userID is an integer, or a string that holds one.
func userID(v any) (int64, bool) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		return 0, false
	}
	id, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return id, err == nil
}

// tokenCache remembers verified tokens in two generations: when the young one
// is full it becomes the old one, and the old one is forgotten. Bounded, and
// nothing needs to sweep it.
type tokenCache struct {
	mu         sync.RWMutex
	young, old map[tokenKey]Claims
}

type tokenKey struct {
	raw  string
	kind TokenType
}

const tokenGeneration = 10_000

func (c *tokenCache) get(raw string, kind TokenType) (Claims, bool) {
	key := tokenKey{raw, kind}
	c.mu.RLock()
	claims, ok := c.young[key]
	if !ok {
		claims, ok = c.old[key]
	}
	c.mu.RUnlock()
	return claims, ok
}

func (c *tokenCache) put(raw string, kind TokenType, claims Claims) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= tokenGeneration || c.young == nil {
		c.old, c.young = c.young, make(map[tokenKey]Claims)
	}
	c.young[tokenKey{strings.Clone(raw), kind}] = claims
}
