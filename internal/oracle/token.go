package oracle

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
)

// Tokens are made and read here by hand, not with the library that bdash uses: a checker that shares the code under
// test shares its mistakes, and several of these tokens are ones that a library refuses to make.

type claims map[string]any

// sign makes a token. The header's "alg" chooses the algorithm: HS256, HS512 or none.
func sign(header map[string]string, c claims, key string) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encode token header: %w", err)
	}
	p, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("encode token claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(p)
	var mac []byte
	switch header["alg"] {
	case "HS256":
		mac = sum(sha256.New, key, signed)
	case "HS512":
		mac = sum(sha512.New, key, signed)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac), nil
}

func sum(h func() hash.Hash, key, text string) []byte {
	m := hmac.New(h, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

// readToken checks form, header and signature and returns the claims, numbers as json.Number.
func readToken(token, key string) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not three parts")
	}
	var header map[string]string
	if err := decodePart(parts[0], &header); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if header["alg"] != "HS256" || header["typ"] != "JWT" {
		return nil, fmt.Errorf("header is %v, want alg HS256 and typ JWT", header)
	}
	mac, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	if key != "" && !hmac.Equal(mac, sum(sha256.New, key, parts[0]+"."+parts[1])) {
		return nil, errors.New("signature does not fit the key")
	}
	var c claims
	if err := decodePart(parts[1], &c); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	return c, nil
}

func decodePart(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	return dec.Decode(into)
}

// handMade is a token that no answer yields, as a change to an access token of user 2 that lives an hour. A claim
// changed to nil is written as null; the claim named by without is left out.
type handMade struct {
	change  func(now float64) claims
	without string
	header  map[string]string // nil: HS256 with typ
	key     string            // "": the server's
}

func set(name string, value any) func(float64) claims {
	return func(float64) claims { return claims{name: value} }
}

func at(name string, seconds float64) func(float64) claims {
	return func(now float64) claims { return claims{name: now + seconds} }
}

var handMadeTokens = map[string]handMade{
	"t_expired":                {change: at("exp", -10)},
	"t_bad_signature":          {key: "wrong"},
	"t_refresh_used_as_access": {change: set("token_type", "refresh")},
	"t_alg_none":               {header: map[string]string{"alg": "none", "typ": "JWT"}},
	"t_alg_HS512":              {header: map[string]string{"alg": "HS512", "typ": "JWT"}},
	"t_no_exp":                 {change: set("exp", nil)},
	"t_without_exp":            {without: "exp"},
	"t_without_token_type":     {without: "token_type"},
	"t_iat_in_the_future":      {change: at("iat", 500)},
	"t_nbf_in_the_future":      {change: at("nbf", 500)},
	"t_unknown_token_type":     {change: set("token_type", "sliding")},
	"t_user_id_string":         {change: set("user_id", "2")},
	"t_user_id_garbage":        {change: set("user_id", "abc")},
	"t_user_id_unknown":        {change: set("user_id", 99999)},
	"t_user_inactive":          {change: set("user_id", 4)},
	"t_exp_float":              {change: at("exp", 3600.5)},
	"t_no_typ_header":          {header: map[string]string{"alg": "HS256"}},
	"u2":                       {},
	"u3":                       {change: set("user_id", 3)},
	"expired_refresh": {change: func(now float64) claims {
		return claims{"token_type": "refresh", "exp": now - 10}
	}},
	"nouser_refresh": {change: func(float64) claims { return claims{"token_type": "refresh", "user_id": 99999} }},
	// ina is not active and cannot sign in here; Django gave her tokens.
	"ina_access":  {change: set("user_id", 4)},
	"ina_refresh": {change: func(float64) claims { return claims{"token_type": "refresh", "user_id": 4} }},
}

// make builds the token for a placeholder as of now.
func (m handMade) make(now time.Time, key string) (string, error) {
	jti := make([]byte, 16)
	if _, err := rand.Read(jti); err != nil {
		return "", fmt.Errorf("make token id: %w", err)
	}
	sec := float64(now.Unix())
	c := claims{"token_type": "access", "exp": sec + 3600, "iat": sec, "jti": hex.EncodeToString(jti), "user_id": 2}
	if m.change != nil {
		for k, v := range m.change(sec) {
			c[k] = v
		}
	}
	delete(c, m.without)
	for k, v := range c {
		// Whole seconds are written as integers, as Django does; 3600.5 stays a float.
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			c[k] = int64(f)
		}
	}
	header := m.header
	if header == nil {
		header = map[string]string{"alg": "HS256", "typ": "JWT"}
	}
	if m.key != "" {
		key = m.key
	}
	return sign(header, c, key)
}
