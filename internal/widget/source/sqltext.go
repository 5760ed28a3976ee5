package source

import (
	"slices"
	"strconv"
	"strings"
)

// dialect is how a database spells strings, comments and parameters.
type dialect uint8

const (
	dialectPostgreSQL dialect = iota
	dialectMySQL
	dialectSQLite
)

// statement is one SQL statement with its parameters in the database's own
// spelling.
type statement struct {
	text  string
	names []string // the parameter of each placeholder, in the order of binding
}

// scanner walks through SQL, past what is no code: strings, quoted names,
// comments. It does not know SQL: what the text does is the database's affair.
type scanner struct {
	sql     string
	dialect dialect
	at      int
	out     strings.Builder
	names   []string
	ended   bool // a semicolon was seen
}

// parseStatement finds the parameters of a statement and that it is only one.
func parseStatement(sql string, d dialect) (statement, error) {
	if strings.ContainsRune(sql, 0) {
		return statement{}, badQuery("the statement holds a NUL")
	}
	s := &scanner{sql: sql, dialect: d}
	for s.at < len(sql) {
		if err := s.step(); err != nil {
			return statement{}, err
		}
	}
	text := strings.TrimSpace(s.out.String())
	if text == "" {
		return statement{}, badQuery("the statement is empty")
	}
	return statement{text: text, names: s.names}, nil
}

// step takes one token.
func (s *scanner) step() error {
	rest := s.sql[s.at:]
	c := rest[0]
	switch {
	case s.lineComment(rest):
		return s.skip(lineEnd(rest)) // a comment says nothing to the database
	case strings.HasPrefix(rest, "/*"):
		return s.comment(rest)
	case c == '\'', c == '"', c == '`' && s.dialect != dialectPostgreSQL:
		return s.quoted(rest, c)
	case c == '[' && s.dialect == dialectSQLite:
		return s.until(rest, "]")
	case c == '$' && s.dialect == dialectPostgreSQL:
		return s.dollar(rest)
	case c == ';':
		s.ended = true
		s.at++
		return nil
	case c == ':':
		return s.parameter(rest)
	case c == '?' && s.dialect != dialectPostgreSQL, c == '$' && s.dialect == dialectSQLite, c == '@' && s.dialect == dialectSQLite:
		return badQuery("write parameters as :name, not as %c", c)
	}
	return s.copy(1)
}

// lineComment: MySQL wants a space after the dashes, for 5--3 is 8 there.
func (s *scanner) lineComment(rest string) bool {
	if s.dialect != dialectMySQL {
		return strings.HasPrefix(rest, "--")
	}
	return rest[0] == '#' || strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' ')
}

// copy takes n bytes over as they are.
func (s *scanner) copy(n int) error {
	part := s.sql[s.at : s.at+n]
	if s.ended && strings.TrimSpace(part) != "" {
		return badQuery("there is more than one statement")
	}
	s.out.WriteString(part)
	s.at += n
	return nil
}

// skip leaves n bytes out; a space keeps what stood around them apart.
func (s *scanner) skip(n int) error {
	s.out.WriteByte(' ')
	s.at += n
	return nil
}

func lineEnd(rest string) int {
	if n := strings.IndexByte(rest, '\n'); n >= 0 {
		return n
	}
	return len(rest)
}

// comment leaves a comment out. MySQL runs what stands in /*! and /*M!; and
// PostgreSQL nests them.
func (s *scanner) comment(rest string) error {
	if s.dialect == dialectMySQL && (strings.HasPrefix(rest, "/*!") || strings.HasPrefix(rest, "/*M!")) {
		return badQuery("comments that are run are not taken")
	}
	depth, i := 1, 2
	for i < len(rest) && depth > 0 {
		switch {
		case strings.HasPrefix(rest[i:], "*/"):
			depth--
			i += 2
		case strings.HasPrefix(rest[i:], "/*") && s.dialect == dialectPostgreSQL:
			depth++
			i += 2
		default:
			i++
		}
	}
	if depth > 0 {
		return badQuery("a comment does not end")
	}
	return s.skip(i)
}

// quoted takes a string or a quoted name over.
func (s *scanner) quoted(rest string, q byte) error {
	escapes := s.dialect == dialectMySQL && q != '`' || s.dialect == dialectPostgreSQL && q == '\'' && s.escapeString()
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && escapes:
			i++
		case rest[i] == q && i+1 < len(rest) && rest[i+1] == q:
			i++
		case rest[i] == q:
			return s.copy(i + 1)
		}
	}
	return badQuery("a quote does not end")
}

// escapeString tells whether the quote begins PostgreSQL's E'…'.
func (s *scanner) escapeString() bool {
	if s.at == 0 || s.sql[s.at-1] != 'e' && s.sql[s.at-1] != 'E' {
		return false
	}
	return s.at == 1 || !wordByte(s.sql[s.at-2])
}

func (s *scanner) until(rest, end string) error {
	n := strings.Index(rest, end)
	if n < 0 {
		return badQuery("%c without %s", rest[0], end)
	}
	return s.copy(n + len(end))
}

// dollar takes PostgreSQL's $tag$…$tag$ over. $1 is refused: numbers are given
// to the named parameters.
func (s *scanner) dollar(rest string) error {
	if s.at > 0 && wordByte(s.sql[s.at-1]) {
		return s.copy(1) // part of a name
	}
	n := 1
	for n < len(rest) && wordByte(rest[n]) && rest[n] != '$' {
		n++
	}
	if n < len(rest) && rest[n] == '$' && (n == 1 || rest[1] < '0' || rest[1] > '9') {
		tag := rest[:n+1]
		end := strings.Index(rest[n+1:], tag)
		if end < 0 {
			return badQuery("%s does not end", tag)
		}
		return s.copy(n + 1 + end + len(tag))
	}
	return badQuery("write parameters as :name, not as $")
}

// parameter takes :name. A colon after a word, or two of them, is the
// database's own (a cast, a slice, an assignment).
func (s *scanner) parameter(rest string) error {
	if strings.HasPrefix(rest, "::") {
		return s.copy(2)
	}
	n := 1
	for n < len(rest) && (wordByte(rest[n]) && rest[n] != '$' || rest[n] == '.' && n+1 < len(rest) && wordByte(rest[n+1])) {
		n++
	}
	if n == 1 || rest[1] >= '0' && rest[1] <= '9' || s.at > 0 && (wordByte(s.sql[s.at-1]) || s.sql[s.at-1] == ']') {
		return s.copy(1)
	}
	if s.ended {
		return badQuery("there is more than one statement")
	}
	s.placeholder(rest[1:n])
	s.at += n
	return nil
}

func (s *scanner) placeholder(name string) {
	if s.dialect == dialectMySQL {
		s.names = append(s.names, name)
		s.out.WriteByte('?')
		return
	}
	at := slices.Index(s.names, name)
	if at < 0 {
		s.names = append(s.names, name)
		at = len(s.names) - 1
	}
	mark := "$"
	if s.dialect == dialectSQLite {
		mark = "?"
	}
	s.out.WriteString(mark + strconv.Itoa(at+1))
}

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '$' || c >= 0x80
}
