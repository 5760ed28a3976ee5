package drf

import (
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tag is the group of the view: the first word of its path when none is given.
func (v *View) tag() string {
	first, _, _ := strings.Cut(v.Path, "/")
	if _, isParam := paramName(first); isParam || first == "" {
		first = "root"
	}
	return firstOf(v.Tag, first)
}

// operationIDs gives every method its id, as [view][method]. Ids that follow
// from paths and collide are told apart by the names of the path's parameters.
func (b *openAPI) operationIDs(views []*View) [][]string {
	count := map[string]int{}
	ids := make([][]string, len(views))
	for i, v := range views {
		for j := range v.Methods {
			id := firstOf(v.Methods[j].Doc.ID, defaultID(v, &v.Methods[j]))
			ids[i] = append(ids[i], id)
			count[id]++
		}
	}
	for i, v := range views {
		for j := range v.Methods {
			if v.Methods[j].Doc.ID == "" && count[ids[i][j]] > 1 {
				ids[i][j] += byParams(v.Path)
			}
			id, place := ids[i][j], v.Methods[j].Verb+" "+v.Path
			if other, ok := b.ids[id]; ok {
				b.problem("%s and %s have the operation id %s", other, place, id)
			}
			b.ids[id] = place
		}
	}
	return ids
}

func byParams(path string) string {
	suffix := ""
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := paramName(segment); ok {
			suffix += "_by_" + name
		}
	}
	return suffix
}

// defaultID is drf-spectacular's, except that an action is called by its name
// alone.
func defaultID(v *View, m *Method) string {
	var parts []string
	for segment := range strings.SplitSeq(v.Path, "/") {
		if _, isParam := paramName(segment); segment != "" && !isParam {
			parts = append(parts, identifier(segment))
		}
	}
	if len(parts) == 0 {
		parts = []string{"root"}
	}
	if word := verbWord(v, m); word != "" {
		parts = append(parts, word)
	}
	return strings.Join(parts, "_")
}

func identifier(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, s)
}

// verbWord is what the method does, in DRF's words; "" for an action.
func verbWord(v *View, m *Method) string {
	switch m.Verb {
	case http.MethodGet:
		if m.Doc.List || m.Doc.Array {
			return "list"
		}
		return "retrieve"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "partial_update"
	case http.MethodDelete:
		return "destroy"
	case http.MethodPost:
		if len(v.Methods) == 1 && !strings.HasSuffix(v.Name, " List") {
			return ""
		}
		return "create"
	default:
		return strings.ToLower(m.Verb)
	}
}

// summaryOf makes a few words out of the view's name and the verb: "List
// themes", "Update a theme", "Set active".
func summaryOf(v *View, m *Method) string {
	name := firstOf(strings.TrimSuffix(strings.TrimSuffix(v.Name, " List"), " Instance"), v.tag())
	thing := lowerWords(name)
	word := verbWord(v, m)
	if word == "" {
		return upperFirst(thing)
	}
	if word == "list" {
		return "List " + plural(thing)
	}
	verb := map[string]string{"retrieve": "Get", "create": "Create", "update": "Replace", "partial_update": "Update", "destroy": "Delete"}[word]
	switch {
	case verb == "":
		return upperFirst(word) + " " + thing
	case word == "create" || endsInParam(v.Path):
		return verb + " " + article(thing)
	default:
		return verb + " the " + thing
	}
}

func endsInParam(path string) bool {
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	_, ok := paramName(segments[len(segments)-1])
	return ok
}

// lowerWords keeps words in capitals, such as API, as they are.
func lowerWords(s string) string {
	list := strings.Fields(s)
	for i, w := range list {
		if len(w) == 1 || w != strings.ToUpper(w) {
			list[i] = strings.ToLower(w)
		}
	}
	return strings.Join(list, " ")
}

func upperFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

func article(thing string) string {
	if strings.HasPrefix(thing, "user") || !strings.ContainsRune("aeiouAEIO", rune(thing[0])) {
		return "a " + thing
	}
	return "an " + thing
}

func plural(thing string) string {
	switch {
	case strings.HasSuffix(thing, "s"):
		return thing
	case strings.HasSuffix(thing, "y") && len(thing) > 1 && !slices.Contains([]byte("aeiou"), thing[len(thing)-2]):
		return thing[:len(thing)-1] + "ies"
	default:
		return thing + "s"
	}
}

// sentence ends s with a full stop.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
