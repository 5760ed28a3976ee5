package drf

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Pages says how a list is cut into pages: DRF's PageNumberPagination with
// page_size_query_param.
type Pages struct{ Default, Max int }

// ListQuery is what a client asks of a list.
type ListQuery struct {
	// Number counts from 1; Last asks for the last page.
	Number int
	Last   bool
	Size   int
	// Ordering are the known fields, in order.
	Ordering []Ordering
	// Search are the words to look for.
	Search []string
	// Filters holds the known filters that were given, by field.
	Filters map[string]string
}

// Ordering is one field to sort by.
type Ordering struct {
	Field string
	Desc  bool
}

// ListQuery reads page, page_size, ordering, search and the filters from the
// query string. Unknown orderings are dropped, as in DRF; filters outside
// their choices match nothing and are reported as a field error. The page is
// checked for form only: ErrInvalidPage.
func (p Pages) ListQuery(r *Request, orderings []string, filters []Filter) (ListQuery, error) {
	out := ListQuery{Number: 1, Size: p.Default}
	if r.URL.RawQuery == "" {
		return out, nil
	}
	q := r.Query()
	if s, ok := q.Last("page"); ok {
		if s == "last" {
			out.Last = true
		} else if n, ok := ParseInt(s); ok && n >= 1 && n <= 1<<31 {
			out.Number = int(n)
		} else {
			return out, ErrInvalidPage
		}
	}
	if s, ok := q.Last("page_size"); ok {
		if n, ok := ParseInt(s); ok && n > 0 {
			out.Size = int(min(n, int64(p.Max)))
		} else if !ok && isHuge(s) {
			out.Size = p.Max
		}
	}
	if s, ok := q.Last("ordering"); ok {
		out.Ordering = parseOrdering(s, orderings)
	}
	if s, ok := q.Last("search"); ok {
		s = strings.NewReplacer("\x00", "", ",", " ").Replace(s)
		out.Search = strings.Fields(s)
	}
	return out, out.readFilters(q, filters)
}

// isHuge tells an integer too large for 64 bits from what is no integer.
func isHuge(s string) bool {
	s = asciiDigits(strings.TrimFunc(s, isPythonSpace))
	return !strings.HasPrefix(s, "-") && integerText.MatchString(s)
}

// Filter is an exact filter on one field.
type Filter struct {
	Field string
	// Choices are the values that are accepted; empty accepts all. Boolean
	// fields take DRF's words for true and false and are given on as "true"
	// and "false".
	Choices []string
	Boolean bool
}

func (l *ListQuery) readFilters(q Query, filters []Filter) error {
	var bad *FieldErrors
	for _, f := range filters {
		s, ok := q.Last(f.Field)
		if !ok || s == "" {
			continue
		}
		switch {
		case strings.IndexByte(s, 0) >= 0: // which no database stores
			bad = addError(bad, f.Field, msgNUL)
			continue
		case f.Boolean:
			b, ok := parseBool(String(s))
			if !ok {
				bad = addError(bad, f.Field, msgBoolean)
				continue
			}
			s = strconv.FormatBool(b)
		case len(f.Choices) > 0 && !slices.Contains(f.Choices, s):
			bad = addError(bad, f.Field, invalidChoice(String(s)))
			continue
		}
		if l.Filters == nil {
			l.Filters = make(map[string]string, len(filters))
		}
		l.Filters[f.Field] = s
	}
	if bad != nil {
		return bad
	}
	return nil
}

func addError(e *FieldErrors, name, message string) *FieldErrors {
	if e == nil {
		e = &FieldErrors{}
	}
	e.Add(name, message)
	return e
}

func parseOrdering(s string, known []string) []Ordering {
	var out []Ordering
	for term := range strings.SplitSeq(s, ",") {
		term = strings.TrimSpace(term)
		field := strings.TrimPrefix(term, "-")
		if slices.Contains(known, field) && !slices.ContainsFunc(out, func(o Ordering) bool { return o.Field == field }) {
			out = append(out, Ordering{Field: field, Desc: strings.HasPrefix(term, "-")})
		}
	}
	return out
}

// PageInfo says which page of how many items is answered.
type PageInfo struct{ Count, Number, Size int }

// RespondPage writes DRF's envelope: count, next, previous, results. Links are
// absolute, with sorted parameters; a link to page 1 has no page parameter.
func RespondPage[T any](w http.ResponseWriter, r *Request, info PageInfo, items []T, item func(dst []byte, t *T) []byte) error {
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, `{"count":`...)
		dst = strconv.AppendInt(dst, int64(info.Count), 10)
		dst = append(dst, `,"next":`...)
		last := 1
		if info.Count > 0 && info.Size > 0 {
			last = (info.Count-1)/info.Size + 1
		}
		if info.Number < last {
			dst = r.appendPageLink(dst, info.Number+1)
		} else {
			dst = append(dst, "null"...)
		}
		dst = append(dst, `,"previous":`...)
		if info.Number > 1 {
			dst = r.appendPageLink(dst, info.Number-1)
		} else {
			dst = append(dst, "null"...)
		}
		dst = append(dst, `,"results":[`...)
		for i := range items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item(dst, &items[i])
		}
		return append(dst, "]}"...)
	})
}

func (r *Request) appendPageLink(dst []byte, number int) []byte {
	q := r.Query()
	if number == 1 {
		q = q.Without("page")
	} else {
		q = q.Set("page", strconv.Itoa(number))
	}
	link := r.AbsoluteURL(r.URL.Path)
	if len(q) > 0 {
		link += "?" + q.Encode()
	}
	return AppendString(dst, link)
}

// AbsoluteURL is the address of a path of this site; path is not escaped yet.
func (r *Request) AbsoluteURL(path string) string {
	return r.View.site.BaseURL(r.Request) + (&url.URL{Path: path}).EscapedPath()
}
