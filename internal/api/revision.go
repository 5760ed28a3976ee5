package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/drf"
)

const summaryHelp = "What changed against the revision before: fields, and instance ids of items that were added, removed and changed."

// revisionFields show a revision in a list, wholeRevisionFields with its layout.
var (
	revisionFields      = declareRevision("Revision", false)
	wholeRevisionFields = declareRevision("RevisionState", true)
)

func declareRevision(name string, whole bool) *drf.Serializer[dashboard.Revision, struct{}] {
	s := drf.NewSerializer[dashboard.Revision, struct{}](name)
	s.Int("number", drf.Opt{Example: "3"}, 0, 0, func(r *dashboard.Revision) int64 { return r.Number }, nil)
	s.Char("name", drf.Opt{Example: `"Sales"`}, func(r *dashboard.Revision) string { return r.Name }, nil)
	s.Char("description", drf.Opt{}, func(r *dashboard.Revision) string { return r.Description }, nil)
	if whole {
		s.JSON("widgets_config", drf.Opt{Example: layoutExample}, func(r *dashboard.Revision) json.RawMessage { return r.WidgetsConfig }, nil)
	}
	s.Bool("is_default", drf.Opt{}, func(r *dashboard.Revision) bool { return r.IsDefault }, nil)
	s.IntOrNull("changed_by", drf.Opt{Help: "The user who saved it; null where that is not known."}, func(r *dashboard.Revision) *int64 { return r.ChangedBy })
	s.IntOrNull("key_id", drf.Opt{Help: "The API key that was used; null for a person."}, func(r *dashboard.Revision) *int64 { return r.KeyID })
	s.Char("reason", drf.Opt{Example: `"moved the revenue to the top"`}, func(r *dashboard.Revision) string { return r.Reason }, nil)
	s.JSON("summary", drf.Opt{Help: summaryHelp, Example: `{"changed":{"7f9c24e8-3b12-4d8a-9f6e-0c5b1a2d3e4f":["position"]}}`},
		func(r *dashboard.Revision) json.RawMessage { return r.Summary }, nil)
	s.IntOrNull("restored", drf.Opt{Help: "The revision that was restored by this one."}, func(r *dashboard.Revision) *int64 { return r.Restored })
	s.Time("created_at", drf.Opt{}, func(r *dashboard.Revision) time.Time { return r.CreatedAt })
	return s
}

const diffExample = `{"from":2,"to":3,"fields":[{"name":"name","from":"Sales","to":"Sales 2026"}],` +
	`"added":[],"removed":[],"changed":[{"instance_id":"7f9c24e8-3b12-4d8a-9f6e-0c5b1a2d3e4f","members":[{"name":"visible","from":true,"to":false}]}],"reordered":false}`

// restoreFields are the body of restore/.
var restoreFields = declareRestore()

func declareRestore() *drf.Serializer[string, string] {
	s := drf.NewSerializer[string, string]("Restore")
	s.Char("reason", drf.Opt{Blank: true, Max: dashboard.MaxReason, Help: "Kept with the revision."}, nil, func(d *string, v string) { *d = v })
	return s
}

func (s *Server) listRevisions(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	req, err := pageRequest(r, nil, nil)
	if err != nil {
		return err
	}
	res, err := s.Dashboards.Revisions(r.Context(), actor(r), id, req)
	if err != nil {
		return err
	}
	return respondPage(w, r, revisionFields, res)
}

// revisionPath is the view and the revision that a path names.
func revisionPath(r *drf.Request) (view, number int64, err error) {
	if view, err = r.PathInt("id"); err != nil {
		return 0, 0, err
	}
	number, err = r.PathInt("number")
	return view, number, err
}

func (s *Server) retrieveRevision(w http.ResponseWriter, r *drf.Request) error {
	view, number, err := revisionPath(r)
	if err != nil {
		return err
	}
	rev, err := s.Dashboards.Revision(r.Context(), actor(r), view, number)
	if err != nil {
		return err
	}
	return wholeRevisionFields.Respond(w, r, http.StatusOK, &rev)
}

func (s *Server) diffRevision(w http.ResponseWriter, r *drf.Request) error {
	view, from, err := revisionPath(r)
	if err != nil {
		return err
	}
	to := int64(0)
	if text, ok := r.Query().Last("to"); ok && text != "" {
		if to, ok = drf.ParseInt(text); !ok || to < 1 {
			return drf.Invalid("to", "A valid integer is required.")
		}
	}
	d, err := s.Dashboards.Diff(r.Context(), actor(r), view, from, to)
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte { return appendDiff(dst, &d) })
}

func (s *Server) restoreRevision(w http.ResponseWriter, r *drf.Request) error {
	view, number, err := revisionPath(r)
	if err != nil {
		return err
	}
	if _, err := s.viewByPath(r); err != nil {
		return err
	}
	var reason string
	if err := restoreFields.Decode(r, &reason, drf.Partial); err != nil {
		return err
	}
	if reason, err = changeReason(r, reason); err != nil {
		return err
	}
	v, err := s.Dashboards.Restore(r.Context(), actor(r), view, number, reason)
	if err != nil {
		return err
	}
	return respondView(w, r, http.StatusOK, &v)
}

func appendDiff(dst []byte, d *dashboard.Diff) []byte {
	dst = strconv.AppendInt(append(dst, `{"from":`...), d.From, 10)
	dst = strconv.AppendInt(append(dst, `,"to":`...), d.To, 10)
	dst = appendChanges(append(dst, `,"fields":`...), d.Fields)
	for _, list := range []struct {
		name  string
		items []dashboard.ItemChange
	}{{"added", d.Added}, {"removed", d.Removed}, {"changed", d.Changed}} {
		dst = append(append(append(dst, `,"`...), list.name...), `":[`...)
		for i, item := range list.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = drf.AppendString(append(dst, `{"instance_id":`...), item.InstanceID)
			if item.Item != nil {
				dst = append(append(dst, `,"item":`...), item.Item...)
			} else {
				dst = appendChanges(append(dst, `,"members":`...), item.Members)
			}
			dst = append(dst, '}')
		}
		dst = append(dst, ']')
	}
	dst = strconv.AppendBool(append(dst, `,"reordered":`...), d.Reordered)
	if d.Others != nil {
		dst = appendChange(append(dst, `,"others":`...), *d.Others)
	}
	return append(dst, '}')
}

func appendChanges(dst []byte, list []dashboard.ValueChange) []byte {
	dst = append(dst, '[')
	for i, c := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendChange(dst, c)
	}
	return append(dst, ']')
}

// appendChange leaves out a value that is absent.
func appendChange(dst []byte, c dashboard.ValueChange) []byte {
	dst = drf.AppendString(append(dst, `{"name":`...), c.Name)
	if c.From != nil {
		dst = append(append(dst, `,"from":`...), c.From...)
	}
	if c.To != nil {
		dst = append(append(dst, `,"to":`...), c.To...)
	}
	return append(dst, '}')
}
