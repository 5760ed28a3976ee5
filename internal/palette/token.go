package palette

import (
	"math"
	"strconv"
	"strings"
)

// whitespace is what CSS calls so.
const whitespace = " \t\n\r\f"

// kind tells tokens apart, as far as colours need them.
type kind uint8

const (
	number kind = iota
	percentage
	angle // in degrees
	ident
	comma
	slash
)

// token is one token of CSS Syntax Level 3. White space only separates.
type token struct {
	kind  kind
	value float64 // of number, percentage (50 for 50%) and angle
	name  string  // of ident, in lower case
}

// maxTokens is more than any colour has: a color() with alpha has six.
const maxTokens = 9

// scan reads the inside of a function. As in a browser, tokens need no space
// between them where they cannot run into each other: "10%20%" is two.
func scan(s string) ([]token, error) {
	tokens := make([]token, 0, maxTokens)
	for s = strings.TrimLeft(s, whitespace); s != ""; s = strings.TrimLeft(s, whitespace) {
		if len(tokens) == maxTokens {
			return nil, syntax("too many values")
		}
		t, rest, err := next(s)
		if err != nil {
			return nil, err
		}
		tokens, s = append(tokens, t), rest
	}
	return tokens, nil
}

func next(s string) (token, string, error) {
	switch {
	case s[0] == ',':
		return token{kind: comma}, s[1:], nil
	case s[0] == '/':
		if strings.HasPrefix(s, "/*") {
			return token{}, "", syntax("comments are not allowed")
		}
		return token{kind: slash}, s[1:], nil
	}
	if length := numberLength(s); length > 0 {
		return numeric(s[:length], s[length:])
	}
	if length := identLength(s); length > 0 {
		return token{kind: ident, name: strings.ToLower(s[:length])}, s[length:], nil
	}
	return token{}, "", syntax("unexpected character")
}

// numeric reads the unit that stands right behind a number, if any.
func numeric(digits, rest string) (token, string, error) {
	// The only possible error is a number out of range, which CSS clamps.
	value, _ := strconv.ParseFloat(digits, 64)
	value = max(-1e9, min(value, 1e9))
	if strings.HasPrefix(rest, "%") {
		return token{kind: percentage, value: value}, rest[1:], nil
	}
	length := identLength(rest)
	if length == 0 {
		return token{kind: number, value: value}, rest, nil
	}
	switch strings.ToLower(rest[:length]) {
	case "deg":
	case "grad":
		value *= 360.0 / 400
	case "rad":
		value *= 180 / math.Pi
	case "turn":
		value *= 360
	default:
		return token{}, "", syntax("unknown unit")
	}
	return token{kind: angle, value: value}, rest[length:], nil
}

// numberLength is how much of s is a number: a sign, digits with at most one
// point that is followed by a digit, and an exponent that has digits. 0: none.
func numberLength(s string) int {
	at := 0
	if at < len(s) && (s[at] == '+' || s[at] == '-') {
		at++
	}
	whole := digitRun(s[at:])
	at += whole
	fraction := 0
	if at < len(s) && s[at] == '.' {
		if fraction = digitRun(s[at+1:]); fraction > 0 {
			at += 1 + fraction
		}
	}
	if whole+fraction == 0 {
		return 0
	}
	if at < len(s) && lower(s[at]) == 'e' {
		exponent := at + 1
		if exponent < len(s) && (s[exponent] == '+' || s[exponent] == '-') {
			exponent++
		}
		if run := digitRun(s[exponent:]); run > 0 {
			at = exponent + run
		}
	}
	return at
}

func digitRun(s string) int {
	at := 0
	for at < len(s) && isDigit(s[at]) {
		at++
	}
	return at
}

// identLength is how much of s is an identifier, of ASCII and without escapes:
// no name that a colour knows needs more. 0: none.
func identLength(s string) int {
	at := 0
	for at < len(s) && s[at] == '-' {
		at++
	}
	if at == len(s) || !isLetter(s[at]) {
		return 0
	}
	for at < len(s) && (isLetter(s[at]) || isDigit(s[at]) || s[at] == '-') {
		at++
	}
	return at
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { c = lower(c); return 'a' <= c && c <= 'z' || c == '_' }

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
