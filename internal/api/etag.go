package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/drf"
)

// etagList cuts a header of entity tags into their opaque parts, without
// quotes. Compressing proxies make a strong tag weak, so "W/" is passed over:
// what stands in our tags names a state, not bytes. any is "*"; what is no tag
// is left out.
func etagList(values []string) (tags []string, any bool) {
	text := strings.TrimSpace(strings.Join(values, ","))
	if text == "*" {
		return nil, true
	}
	for text != "" {
		text = strings.TrimLeft(text, ", \t")
		rest, quoted := strings.CutPrefix(strings.TrimPrefix(text, "W/"), `"`)
		tag, after, closed := strings.Cut(rest, `"`)
		if !quoted || !closed {
			_, text, _ = strings.Cut(text, ",")
			continue
		}
		tags = append(tags, tag)
		text = after
	}
	return tags, false
}

// notModified answers 304 to a GET whose If-None-Match names the tag, and sends
// the tag in any case. tag is in quotes.
func notModified(w http.ResponseWriter, r *drf.Request, tag string) bool {
	w.Header()["Etag"] = []string{tag}
	sent, ok := r.Header["If-None-Match"]
	if !ok {
		return false
	}
	tags, any := etagList(sent)
	for _, t := range tags {
		any = any || t == tag[1:len(tag)-1]
	}
	if any {
		r.WriteStatus(w, http.StatusNotModified)
	}
	return any
}

// viewTag is the strong ETag of a view: its id and revision, by which a write
// finds its ancestor, and what else the representation shows: the time of the
// last write, and whether the view is the active one.
func viewTag(v *dashboard.View) string {
	b := make([]byte, 0, 48)
	b = strconv.AppendInt(append(b, '"'), v.ID, 10)
	b = strconv.AppendInt(append(b, '-'), v.Version, 10)
	b = strconv.AppendInt(append(b, '-'), v.UpdatedAt.UnixMicro(), 36)
	if v.IsActive {
		b = append(b, "-a"...)
	}
	return string(append(b, '"'))
}

// parseViewTag reads what viewTag wrote, without quotes.
func parseViewTag(tag string) (base dashboard.Base, ok bool) {
	parts := strings.Split(tag, "-")
	if len(parts) != 3 && (len(parts) != 4 || parts[3] != "a") {
		return base, false
	}
	var errs [2]error
	base.ViewID, errs[0] = strconv.ParseInt(parts[0], 10, 64)
	base.Version, errs[1] = strconv.ParseInt(parts[1], 10, 64)
	base.IsActive = len(parts) == 4
	return base, errors.Join(errs[:]...) == nil && base.ViewID > 0 && base.Version > 0
}

// viewBase is the state that If-Match names: nil without the header. Of several
// tags the newest one counts. What names no state of a view matches none.
func viewBase(r *drf.Request) *dashboard.Base {
	sent, ok := r.Header["If-Match"]
	if !ok {
		return nil
	}
	tags, any := etagList(sent)
	base := &dashboard.Base{Any: any}
	for _, t := range tags {
		if b, ok := parseViewTag(t); ok && b.Version > base.Version {
			*base = b
		}
	}
	return base
}

// changeReason is what the client says of a change, by a header: the field
// "reason" of a body wins.
func changeReason(r *drf.Request, inBody string) (string, error) {
	if inBody != "" {
		return inBody, nil
	}
	reason := strings.TrimSpace(r.Header.Get("X-Change-Reason"))
	if !utf8.ValidString(reason) || strings.ContainsFunc(reason, func(c rune) bool { return c < ' ' }) {
		return "", drf.ErrParse("X-Change-Reason must be UTF-8 text without control characters.")
	}
	if utf8.RuneCountInString(reason) > dashboard.MaxReason {
		return "", drf.ErrParse("X-Change-Reason must have no more than " + strconv.Itoa(dashboard.MaxReason) + " characters.")
	}
	return reason, nil
}

// respondView answers with a view and its ETag; 304 where a GET asks for
// another one.
func respondView(w http.ResponseWriter, r *drf.Request, status int, v *dashboard.View) error {
	tag := viewTag(v)
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if notModified(w, r, tag) {
			return nil
		}
	} else {
		w.Header()["Etag"] = []string{tag}
	}
	return viewFields.Respond(w, r, status, v)
}

// viewConflict words a conflict for machines, with the ETag of what is stored;
// other errors stay as they are.
func viewConflict(w http.ResponseWriter, err error) error {
	var c *dashboard.Conflict
	if !errors.As(err, &c) {
		return err
	}
	tag := viewTag(&c.View)
	w.Header()["Etag"] = []string{tag}
	dst := append([]byte(`"etag":`), drf.AppendString(nil, tag)...)
	dst = strconv.AppendInt(append(dst, `,"revision":`...), c.View.Version, 10)
	dst = strconv.AppendInt(append(dst, `,"ancestor_revision":`...), c.Ancestor, 10)
	dst = append(dst, `,"conflicts":[`...)
	for i, f := range c.Conflicts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = drf.AppendString(append(dst, `{"field":`...), f.Field)
		if f.InstanceID != "" {
			dst = drf.AppendString(append(dst, `,"instance_id":`...), f.InstanceID)
		}
		if f.Member != "" {
			dst = drf.AppendString(append(dst, `,"member":`...), f.Member)
		}
		dst = appendValues(dst, f.Ancestor, f.Yours, f.Current)
		dst = append(dst, '}')
	}
	return conflictAnswer(dashboard.ErrConflict.Code, append(dst, ']'))
}

// appendValues writes the three sides of a conflict; a side that has no value
// (removed, or never there) is left out.
func appendValues(dst []byte, ancestor, yours, current []byte) []byte {
	for _, v := range []struct {
		name string
		raw  []byte
	}{{"ancestor", ancestor}, {"yours", yours}, {"current", current}} {
		if v.raw != nil {
			dst = append(append(append(append(dst, `,"`...), v.name...), `":`...), v.raw...)
		}
	}
	return dst
}

func conflictAnswer(code string, extra []byte) error {
	return &drf.Error{
		Status: http.StatusConflict, Code: code, Extra: string(extra),
		Detail: "This was changed by someone else in the same places. Nothing was written.",
	}
}
