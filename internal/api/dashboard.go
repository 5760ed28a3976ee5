package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/identity"
)

const layoutHelp = "Any JSON but null; a layout is a list of items. An item with a widget_id or a widget_key is checked, anything else is kept as sent."

const layoutExample = `[{"instance_id":"7f9c24e8-3b12-4d8a-9f6e-0c5b1a2d3e4f","widget_key":"total-revenue","position":{"x":0,"y":0,"width":3,"height":2},"visible":true,"config":{}}]`

var viewFields = declareView()

func declareView() *drf.Serializer[dashboard.View, dashboard.Draft] {
	s := drf.NewSerializer[dashboard.View, dashboard.Draft]("View")
	s.Int("id", drf.Opt{}, 0, 0, func(v *dashboard.View) int64 { return v.ID }, nil)
	s.Char("name", drf.Opt{Required: true, Max: dashboard.MaxName, Help: "Unique among the user's views.", Example: `"Sales"`},
		func(v *dashboard.View) string { return v.Name }, setViewName)
	s.Char("description", drf.Opt{Blank: true},
		func(v *dashboard.View) string { return v.Description }, setViewDescription)
	s.JSON("widgets_config", drf.Opt{Help: layoutHelp, Example: layoutExample},
		func(v *dashboard.View) json.RawMessage { return v.WidgetsConfig }, setViewLayout)
	s.Bool("is_default", drf.Opt{},
		func(v *dashboard.View) bool { return v.IsDefault }, func(d *dashboard.Draft, b bool) { d.IsDefault = &b })
	s.Bool("is_active", drf.Opt{Help: "At most one view of a user is active."},
		func(v *dashboard.View) bool { return v.IsActive }, func(d *dashboard.Draft, b bool) { d.IsActive = &b })
	s.Time("created_at", drf.Opt{}, func(v *dashboard.View) time.Time { return v.CreatedAt })
	s.Time("updated_at", drf.Opt{}, func(v *dashboard.View) time.Time { return v.UpdatedAt })
	s.Char("reason", reasonOpt, nil, setViewReason)
	return s
}

// reasonOpt are the properties of the reason of a change.
var reasonOpt = drf.Opt{Blank: true, Hidden: true, Max: dashboard.MaxReason, Help: "Kept with the revision; the header X-Change-Reason says the same.", Example: `"moved the revenue to the top"`}

func setViewReason(d *dashboard.Draft, v string) { d.Reason = v }

func setViewName(d *dashboard.Draft, v string)            { d.Name = &v }
func setViewDescription(d *dashboard.Draft, v string)     { d.Description = &v }
func setViewLayout(d *dashboard.Draft, v json.RawMessage) { d.WidgetsConfig = v }

// layoutFields are the body of PUT dashboard/layout/, which answers a view.
var layoutFields = declareLayout()

func declareLayout() *drf.Serializer[dashboard.View, dashboard.Draft] {
	s := drf.NewSerializer[dashboard.View, dashboard.Draft]("Layout")
	s.JSON("widgets_config", drf.Opt{Required: true, Help: layoutHelp, Example: layoutExample}, nil, setViewLayout)
	s.Char("name", drf.Opt{Max: dashboard.MaxName}, nil, setViewName)
	s.Char("description", drf.Opt{Blank: true}, nil, setViewDescription)
	s.Char("reason", reasonOpt, nil, setViewReason)
	return s
}

var roleLayoutFields = declareRoleLayout()

func declareRoleLayout() *drf.Serializer[dashboard.RoleLayout, dashboard.RoleLayout] {
	s := drf.NewSerializer[dashboard.RoleLayout, dashboard.RoleLayout]("RoleLayout")
	s.Char("role", drf.Opt{Example: `"user"`}, func(l *dashboard.RoleLayout) string { return string(l.Role) }, nil)
	s.JSON("widgets_config", drf.Opt{Required: true, Help: "A list of items, as in a view.", Example: layoutExample},
		func(l *dashboard.RoleLayout) json.RawMessage { return l.WidgetsConfig },
		func(l *dashboard.RoleLayout, v json.RawMessage) { l.WidgetsConfig = v })
	s.TimeOrNull("updated_at", drf.Opt{Help: "null: as it came with bdash."}, func(l *dashboard.RoleLayout) *time.Time { return l.UpdatedAt }, nil)
	return s
}

var (
	viewOrderings = []string{"id", "name", "description", "widgets_config", "is_default", "is_active", "created_at", "updated_at"}
	viewFilters   = []drf.Filter{{Field: "is_active", Boolean: true}, {Field: "is_default", Boolean: true}}
)

func (s *Server) listViews(w http.ResponseWriter, r *drf.Request) error {
	req, err := pageRequest(r, viewOrderings, viewFilters)
	if err != nil {
		return err
	}
	res, err := s.Dashboards.List(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return respondPage(w, r, viewFields, res)
}

func (s *Server) createView(w http.ResponseWriter, r *drf.Request) error {
	var d dashboard.Draft
	if err := viewFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	var err error
	if d.Reason, err = changeReason(r, d.Reason); err != nil {
		return err
	}
	v, err := s.Dashboards.Create(r.Context(), actor(r), d)
	if err != nil {
		return err
	}
	return respondView(w, r, http.StatusCreated, &v)
}

func (s *Server) retrieveView(w http.ResponseWriter, r *drf.Request) error {
	v, err := s.viewByPath(r)
	if err != nil {
		return err
	}
	return respondView(w, r, http.StatusOK, &v)
}

func (s *Server) viewByPath(r *drf.Request) (dashboard.View, error) {
	id, err := r.PathInt("id")
	if err != nil {
		return dashboard.View{}, err
	}
	return s.Dashboards.ByID(r.Context(), actor(r), id)
}

// writeView answers PUT and PATCH. The object is looked up before the body is
// read: a missing one is 404 whatever the body holds.
func (s *Server) writeView(mode drf.Mode) drf.HandlerFunc {
	return func(w http.ResponseWriter, r *drf.Request) error {
		v, err := s.viewByPath(r)
		if err != nil {
			return err
		}
		var d dashboard.Draft
		if err := viewFields.Decode(r, &d, mode); err != nil {
			return err
		}
		if d.Reason, err = changeReason(r, d.Reason); err != nil {
			return err
		}
		d.Base = viewBase(r)
		if v, err = s.Dashboards.Update(r.Context(), actor(r), v.ID, d); err != nil {
			return viewConflict(w, err)
		}
		return respondView(w, r, http.StatusOK, &v)
	}
}

func (s *Server) deleteView(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Dashboards.Delete(r.Context(), actor(r), id, viewBase(r)); err != nil {
		return err
	}
	return r.NoContent(w)
}

func (s *Server) activateView(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	v, err := s.Dashboards.Activate(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return respondView(w, r, http.StatusOK, &v)
}

func (s *Server) duplicateView(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	v, err := s.Dashboards.Duplicate(r.Context(), actor(r), id)
	if err != nil {
		return err
	}
	return respondView(w, r, http.StatusCreated, &v)
}

// ownView tells OPTIONS whether there is a view to describe PUT for.
func (s *Server) ownView(r *drf.Request) bool {
	_, err := s.viewByPath(r)
	return err == nil
}

func (s *Server) getLayout(w http.ResponseWriter, r *drf.Request) error {
	v, err := s.Dashboards.Layout(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return respondView(w, r, http.StatusOK, &v)
}

func (s *Server) putLayout(w http.ResponseWriter, r *drf.Request) error {
	var d dashboard.Draft
	if err := layoutFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	var err error
	if d.Reason, err = changeReason(r, d.Reason); err != nil {
		return err
	}
	d.Base = viewBase(r)
	v, err := s.Dashboards.PutLayout(r.Context(), actor(r), d)
	if err != nil {
		return viewConflict(w, err)
	}
	return respondView(w, r, http.StatusOK, &v)
}

func (s *Server) getRoleLayout(w http.ResponseWriter, r *drf.Request) error {
	l, err := s.Dashboards.RoleLayout(r.Context(), identity.Role(r.PathValue("role")))
	if err != nil {
		return err
	}
	return roleLayoutFields.Respond(w, r, http.StatusOK, &l)
}

// putRoleLayout looks at the right before the role, and at both before the
// body.
func (s *Server) putRoleLayout(w http.ResponseWriter, r *drf.Request) error {
	if err := adminOnly(r); err != nil {
		return err
	}
	role := identity.Role(r.PathValue("role"))
	if !role.Valid() {
		return drf.ErrNotFound
	}
	var in dashboard.RoleLayout
	if err := roleLayoutFields.Decode(r, &in, drf.Whole); err != nil {
		return err
	}
	l, err := s.Dashboards.PutRoleLayout(r.Context(), actor(r), role, in.WidgetsConfig)
	if err != nil {
		return err
	}
	return roleLayoutFields.Respond(w, r, http.StatusOK, &l)
}
