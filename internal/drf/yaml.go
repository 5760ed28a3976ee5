package drf

import (
	"strings"
	"unicode/utf8"
)

// appendYAML writes v as a YAML 1.2 document in block style. Strings that YAML
// could take for something else are quoted, so that YAML 1.1 readers see the
// same.
func appendYAML(dst []byte, v Value) []byte {
	return append(appendYAMLNode(dst, v, 0, false), '\n')
}

// appendYAMLNode writes v where a value may stand. indent is that of the
// container; inline tells that the first line has been indented already, as
// after "- ".
func appendYAMLNode(dst []byte, v Value, indent int, inline bool) []byte {
	switch {
	case v.Kind() == KindDict && v.Len() > 0:
		for name, member := range v.Members() {
			if !inline {
				dst = appendIndent(dst, indent)
			}
			inline = false
			dst = appendYAMLString(dst, name, -1)
			dst = append(dst, ':')
			dst = appendYAMLChild(dst, member, indent+2)
		}
		return dst[:len(dst)-1]
	case v.Kind() == KindList && v.Len() > 0:
		for _, element := range v.List() {
			if !inline {
				dst = appendIndent(dst, indent)
			}
			inline = false
			dst = append(dst, '-')
			if element.Kind() == KindDict && element.Len() > 0 {
				dst = append(appendYAMLNode(append(dst, ' '), element, indent+2, true), '\n')
			} else {
				dst = appendYAMLChild(dst, element, indent+2)
			}
		}
		return dst[:len(dst)-1]
	case v.Kind() == KindDict:
		return append(dst, "{}"...)
	case v.Kind() == KindString:
		return appendYAMLString(dst, v.Text(), indent)
	default:
		return v.AppendJSON(dst)
	}
}

// appendYAMLChild writes what follows a colon or a dash, and ends the line.
func appendYAMLChild(dst []byte, v Value, indent int) []byte {
	if v.Len() > 0 {
		dst = append(dst, '\n')
		return append(appendYAMLNode(dst, v, indent, false), '\n')
	}
	return append(appendYAMLNode(append(dst, ' '), v, indent, false), '\n')
}

func appendIndent(dst []byte, indent int) []byte {
	for range indent {
		dst = append(dst, ' ')
	}
	return dst
}

// appendYAMLString writes s plain, as a literal block of the given indentation,
// or in double quotes. Names have no block form: their indent is negative.
func appendYAMLString(dst []byte, s string, indent int) []byte {
	switch {
	case yamlPlain(s):
		return append(dst, s...)
	case indent >= 0 && yamlLiteral(s):
		if strings.HasSuffix(s, "\n") {
			dst, s = append(dst, '|'), s[:len(s)-1]
		} else {
			dst = append(dst, "|-"...)
		}
		for line := range strings.SplitSeq(s, "\n") {
			dst = append(dst, '\n')
			if line != "" {
				dst = append(appendIndent(dst, max(indent, 2)), line...)
			}
		}
		return dst
	default:
		return appendYAMLQuoted(dst, s)
	}
}

// yamlPlain is stricter than YAML: a letter, a slash or a dollar sign first,
// nothing that could start a comment or a mapping, no word that means
// something.
func yamlPlain(s string) bool {
	if s == "" || s[len(s)-1] == ' ' || !yamlPlainFirst(s[0]) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == ':' || r == '#' || r != ' ' && !yamlPrintable(r) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return false
	}
	return true
}

func yamlPlainFirst(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '/' || c == '$' || c == '_'
}

// yamlPrintable leaves out line breaks of YAML 1.1, the byte order mark and
// what is no character.
func yamlPrintable(r rune) bool {
	switch {
	case r == '\u2028' || r == '\u2029' || r == '\uFEFF' || r == utf8.RuneError:
		return false
	case r < 0x7f:
		return r >= ' '
	default:
		return r >= 0xa0 && r != 0xfffe && r != 0xffff
	}
}

// yamlLiteral tells whether s can stand as it is in a literal block: several
// lines, the first with text at its beginning, at most one line break at the
// end.
func yamlLiteral(s string) bool {
	if strings.IndexByte(strings.TrimSuffix(s, "\n"), '\n') < 0 || strings.HasSuffix(s, "\n\n") || s[0] == ' ' || s[0] == '\n' {
		return false
	}
	for _, r := range s {
		if r != '\n' && !yamlPrintable(r) {
			return false
		}
	}
	return true
}

// appendYAMLQuoted writes s in double quotes, with JSON's escapes and those for
// what YAML does not allow as it is.
func appendYAMLQuoted(dst []byte, s string) []byte {
	start := len(dst)
	dst = AppendString(dst, s)
	if strings.IndexFunc(string(dst[start:]), func(r rune) bool { return !yamlPrintable(r) }) < 0 {
		return dst
	}
	quoted := string(dst[start:])
	dst = dst[:start]
	for _, r := range quoted {
		if yamlPrintable(r) {
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = appendHex(append(dst, '\\', 'u'), r, 4)
	}
	return dst
}
