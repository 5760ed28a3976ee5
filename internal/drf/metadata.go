package drf

import (
	"net/http"
	"strconv"
)

// options answers OPTIONS with DRF's SimpleMetadata.
func (v *View) options(w http.ResponseWriter, r *Request) error {
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = append(dst, `{"name":`...)
		dst = AppendString(dst, v.Name)
		dst = append(dst, `,"description":`...)
		dst = AppendString(dst, v.Description)
		dst = append(dst, `,"renders":["application/json","text/html"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]`...)
		if v.Metadata != nil {
			dst = v.appendActions(dst, r)
		}
		return append(dst, '}')
	})
}

func (v *View) appendActions(dst []byte, r *Request) []byte {
	var verbs []string
	for _, verb := range []string{http.MethodPost, http.MethodPut} {
		if _, ok := v.methods[verb]; ok {
			verbs = append(verbs, verb)
		}
	}
	if len(verbs) == 0 || v.MetadataFor != nil && !v.MetadataFor(r) {
		return dst
	}
	dst = append(dst, `,"actions":{`...)
	for i, verb := range verbs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, verb)
		dst = append(dst, ':')
		dst = appendFields(dst, v.Metadata)
	}
	return append(dst, '}')
}

func appendFields(dst []byte, d Describer) []byte {
	dst = append(dst, '{')
	first := true
	for _, f := range d.FieldInfos() {
		if f.Hidden {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendString(dst, f.Name)
		dst = append(dst, `:{"type":`...)
		dst = AppendString(dst, f.Type)
		dst = append(dst, `,"required":`...)
		dst = strconv.AppendBool(dst, f.Required && !f.ReadOnly)
		dst = append(dst, `,"read_only":`...)
		dst = strconv.AppendBool(dst, f.ReadOnly)
		dst = append(dst, `,"label":`...)
		dst = AppendString(dst, f.Label)
		dst = appendLimits(dst, f)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendLimits(dst []byte, f FieldInfo) []byte {
	limit := func(name string, n int64) {
		dst = append(dst, ',')
		dst = AppendString(dst, name)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, n, 10)
	}
	if f.Min > 0 {
		limit("min_length", int64(f.Min))
	}
	if f.Max > 0 {
		limit("max_length", int64(f.Max))
	}
	if f.MinValue != nil {
		limit("min_value", *f.MinValue)
	}
	if f.MaxValue != nil {
		limit("max_value", *f.MaxValue)
	}
	if f.Choices == nil {
		return dst
	}
	dst = append(dst, `,"choices":[`...)
	for i, c := range f.Choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"value":`...)
		dst = AppendString(dst, c.Value)
		dst = append(dst, `,"display_name":`...)
		dst = AppendString(dst, c.Label)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
