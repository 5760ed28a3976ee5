package sqlstore

import (
	"slices"
	"strings"
)

const (
	// More words than this are not looked at: each is a condition, and SQLite
	// nests conditions at most 1000 deep.
	maxSearchTerms = 32
	// A longer word is found nowhere. SQLite refuses LIKE patterns over 50,000
	// bytes (https://www.sqlite.org/limits.html#max_like_pattern_length), and
	// escaping doubles a pattern at worst.
	maxSearchTerm = 10_000
)

// SearchText makes the value of a search_text column from the texts that are to
// be found by it. Go folds the case, for SQLite knows ASCII only. A word cannot
// match across two parts.
func SearchText(parts ...string) string {
	return fold(strings.Join(parts, "\n"))
}

// fold removes what the search does not tell apart. Characters that PostgreSQL
// cannot store are dropped or replaced.
func fold(s string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""))
}

// searchPatterns gives the LIKE patterns (to be used with ESCAPE '\') that
// search_text must all match. none is set if nothing can match. Words are
// divided as Django REST framework does it: by white space and commas, except
// within quotes that stand around a whole word group.
func searchPatterns(search string) (patterns []string, none bool) {
	for _, term := range searchTerms(fold(search)) {
		if len(term) > maxSearchTerm {
			return nil, true
		}
		pattern := "%" + likeEscaper.Replace(term) + "%"
		if !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
		if len(patterns) == maxSearchTerms {
			break
		}
	}
	return patterns, false
}

var likeEscaper = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// searchTerms divides s into words and quoted groups of words.
func searchTerms(s string) []string {
	var terms []string
	for {
		s = strings.TrimLeft(s, " \t\n\v\f\r\u0085\u00a0,")
		if s == "" {
			return terms
		}
		if group, rest, ok := quoted(s); ok {
			if group != "" {
				terms = append(terms, group)
			}
			s = rest
			continue
		}
		end := strings.IndexAny(s, " \t\n\v\f\r\u0085\u00a0,")
		if end < 0 {
			end = len(s)
		}
		terms = append(terms, s[:end])
		s = s[end:]
	}
}

// quoted takes a quoted group off the front of s. A quote that is never closed
// is an ordinary character.
func quoted(s string) (group, rest string, ok bool) {
	quote := s[0]
	if quote != '"' && quote != '\'' {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == quote || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == quote:
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", s, false
}
