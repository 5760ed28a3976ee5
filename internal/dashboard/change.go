package dashboard

import (
	"context"
	"encoding/json"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// lookAgain limits how often a merge starts anew because somebody put a widget
// into the layout that was not looked up.
const lookAgain = 5

// errLookAgain stays in this file: a merged layout names a widget that was not
// looked up, which is not to be done while the store holds a lock.
var errLookAgain = fault.New(fault.Unavailable, "view.busy", "The view is being changed by many at once. Try again.")

// note is what a write tells about itself.
type note struct{ before View }

// save runs a write and tells Events of it if it changed anything. A write that
// notes nothing is new.
func (s *Service) save(ctx context.Context, write func(*note) (View, error)) (View, error) {
	var n note
	v, err := write(&n)
	if err != nil || s.Events == nil {
		return v, err
	}
	if n.before.ID == 0 || n.before.Version != v.Version || n.before.IsActive != v.IsActive {
		s.Events.DashboardUpdated(ctx, v.UserID, v.ID, v.Version)
	}
	return v, nil
}

// change checks a draft and writes it by the store's method, merged with what
// was saved since its base.
func (s *Service) change(ctx context.Context, actor identity.Actor, d Draft, write func(Change) (View, error)) (View, error) {
	known, err := s.checkDraft(ctx, actor, d)
	if err != nil {
		return View{}, err
	}
	if d.Base == nil || d.Base.Any {
		now := s.now()
		return s.save(ctx, func(n *note) (View, error) {
			return write(func(v *View, _ Past) error {
				n.before = *v
				d.apply(v, now)
				return nil
			})
		})
	}
	for tries := 0; ; tries++ {
		v, err := s.merge(ctx, d, known, write)
		if err != errLookAgain || tries == lookAgain { //nolint:errorlint // our own change returned the value itself
			return v, err
		}
		if known, err = s.lookUpBoth(ctx, actor, d); err != nil {
			return View{}, err
		}
	}
}

// lookUpBoth looks up the widgets of the draft and of what is stored.
func (s *Service) lookUpBoth(ctx context.Context, actor identity.Actor, d Draft) (catalog, error) {
	_, items := split(d.WidgetsConfig)
	stored, err := s.Store.ByID(ctx, actor.UserID, d.Base.ViewID)
	if err != nil {
		return catalog{}, err
	}
	_, more := split(stored.WidgetsConfig)
	return s.lookUp(ctx, actor, append(items, more...))
}

// merge writes the draft over what is stored.
func (s *Service) merge(ctx context.Context, d Draft, known catalog, write func(Change) (View, error)) (View, error) {
	now := s.now()
	return s.save(ctx, func(n *note) (View, error) {
		return write(func(v *View, past Past) error {
			n.before = *v
			merged, err := d.over(v, past)
			if err != nil {
				return err
			}
			if merged.WidgetsConfig != nil {
				if err := checkMerged(known, merged.WidgetsConfig, d.WidgetsConfig, v.WidgetsConfig); err != nil {
					return err
				}
			}
			merged.apply(v, now)
			return nil
		})
	})
}

// over is the draft as it must be written over v, which is stored. ErrStale, a
// Conflict.
func (d Draft) over(v *View, past Past) (Draft, error) {
	if v.ID != d.Base.ViewID {
		return d, ErrStale
	}
	r, err := past(d.Base.Version)
	if err != nil {
		return d, err
	}
	ancestor := r.view()
	ancestor.IsActive = d.Base.IsActive
	merged, conflicts := mergeDraft(d, &ancestor, v)
	if len(conflicts) > 0 {
		return d, &Conflict{View: *v, Ancestor: r.Number, Conflicts: conflicts}
	}
	return merged, nil
}

// checkMerged checks what merging made: items that neither side has as they are
// now. Both sides' own items were checked when they were written.
func checkMerged(known catalog, merged, yours, current json.RawMessage) error {
	if string(merged) == string(yours) || string(merged) == string(current) {
		return nil
	}
	_, items := split(merged)
	if len(items) > maxItems {
		return errTooMany
	}
	elements, _ := split(merged)
	seen := map[string]bool{}
	for _, side := range []json.RawMessage{yours, current} {
		own, _ := split(side)
		for _, e := range own {
			seen[string(e)] = true
		}
	}
	var made []item
	for _, it := range items {
		if seen[string(elements[it.index])] {
			continue
		}
		if !known.asked(&it) {
			return errLookAgain
		}
		made = append(made, it)
	}
	return known.check(made)
}
