package oracle

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Expected bodies of deviations may hold these strings:
//
//	‹text›                         any text that is not empty
//	‹text: beginning ›             a text with that beginning, and more
//	‹cost›                         a decimal number with four places, in a string
//	‹token TYPE claim=value ...›   a token of that type with those claims besides exp, iat, jti and sid

var cost = regexp.MustCompile(`^\d+\.\d{4}$`)

// Lives of tokens in seconds, as recorded: the guide's 24 hours and 30 days.
var lives = map[string]int64{"access": 24 * 3600, "refresh": 30 * 24 * 3600}

// lifeSlack is how far a token's times may lie off, in seconds. A refreshed access token keeps the refresh token's iat,
// so that its life, counted from iat, is longer by the time in between.
const lifeSlack = 120

func (c *comparison) marker(pointer, want, got string) {
	inner := strings.TrimSuffix(strings.TrimPrefix(want, "‹"), "›")
	kind, rest, _ := strings.Cut(inner, " ")
	switch kind {
	case "text":
		if got == "" {
			c.fail("%s is empty, want a text", pointer)
		}
	case "text:":
		if !strings.HasPrefix(got, rest) || got == rest {
			c.fail("%s is %q, want %q and more", pointer, got, rest)
		}
	case "cost":
		if !cost.MatchString(got) {
			c.fail("%s is %q, want a number with four places", pointer, got)
		}
	case "token":
		typ, rest, _ := strings.Cut(rest, " ")
		expected := claims{"token_type": typ, "exp": lives[typ], "iat": int64(0), "jti": ""}
		for pair := range strings.FieldsSeq(rest) {
			name, value, _ := strings.Cut(pair, "=")
			expected[name] = value
			if name == "user_id" {
				expected[name] = json.Number(value)
			}
		}
		c.claims(pointer, expected, lives[typ], got)
	default:
		c.fail("%s: the table holds an unknown marker %s", pointer, want)
	}
}

// token compares a token with a recorded one.
func (c *comparison) token(pointer, want, got string) {
	expected, err := readToken(want, "")
	if err != nil {
		c.fail("%s: recorded token: %v", pointer, err)
		return
	}
	c.claims(pointer, expected, seconds(expected["exp"])-seconds(expected["iat"]), got)
}

var tokenID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (c *comparison) claims(pointer string, want claims, life int64, token string) {
	got, err := readToken(token, c.replayer.key())
	if err != nil {
		c.fail("%s is not a token of this server: %v", pointer, err)
		return
	}
	names := slices.Sorted(maps.Keys(want))
	names = append(names, "sid") // every token of bdash names its session
	slices.Sort(names)
	if has := slices.Sorted(maps.Keys(got)); !slices.Equal(names, has) {
		c.fail("%s has the claims %v, want %v", pointer, has, names)
		return
	}
	if jti, _ := got["jti"].(string); !tokenID.MatchString(jti) {
		c.fail("%s has jti %s, want 32 hexadecimal digits", pointer, show(got["jti"]))
	}
	if sid, _ := got["sid"].(string); sid == "" {
		if _, number := got["sid"].(json.Number); !number {
			c.fail("%s has sid %s, want the session's id", pointer, show(got["sid"]))
		}
	}
	now := c.replayer.now().Unix()
	iat, exp := seconds(got["iat"]), seconds(got["exp"])
	if !near(iat, now) || !near(exp-iat, life) {
		c.fail("%s was issued at %d and lives %d s, want %d and %d within %d", pointer, iat, exp-iat, now, life, lifeSlack)
	}
	for _, name := range names {
		switch name {
		case "exp", "iat", "jti", "sid":
		case "user_id":
			w, _ := want[name].(json.Number)
			g, _ := got[name].(json.Number)
			if problem := c.replayer.bound.id("user", w.String(), g.String()); problem != "" {
				c.fail("%s: user_id %s", pointer, problem)
			}
		default:
			if want[name] != got[name] {
				c.fail("%s has %s %s, want %s", pointer, name, show(got[name]), show(want[name]))
			}
		}
	}
}

func seconds(claim any) int64 {
	n, _ := claim.(json.Number)
	f, err := n.Float64()
	if err != nil {
		return 0
	}
	return int64(f)
}

func near(a, b int64) bool { return a-b <= lifeSlack && b-a <= lifeSlack }
