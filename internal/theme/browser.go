package theme

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
)

// ErrClientIDTaken is the fault of a client id that another theme of the user
// has.
var ErrClientIDTaken = fault.New(fault.Conflict, "theme.client_id_taken", "A theme with this id already exists.")

// maxThemeName is the length of a theme's name, in characters.
const maxThemeName = 100

// nameTries bounds how often a free name is looked for while others take it.
const nameTries = 5

// Documents are all themes of the actor, oldest first.
func (s *Service) Documents(ctx context.Context, actor identity.Actor) ([]Theme, error) {
	return s.Store.All(ctx, actor.UserID)
}

// ByClientID is one of the actor's themes by the id that browsers know it by.
// ErrNotFound.
func (s *Service) ByClientID(ctx context.Context, actor identity.Actor, clientID string) (Theme, error) {
	t, err := s.Store.ByClientID(ctx, actor.UserID, clientID)
	if !errors.Is(err, ErrNotFound) {
		return t, err
	}
	id, ok := derivedID(clientID)
	if !ok {
		return Theme{}, ErrNotFound
	}
	if t, err = s.Store.ByID(ctx, actor.UserID, id); err == nil && t.ClientID != "" {
		return Theme{}, ErrNotFound
	}
	return t, err
}

// CreateDocument stores a browser's theme under the id in it, or under a new
// one. Its name may be taken: the theme's own then gets a number, and the
// document keeps what was sent. ErrClientIDTaken; field faults.
func (s *Service) CreateDocument(ctx context.Context, actor identity.Actor, raw json.RawMessage) (Theme, error) {
	d, err := readDocument(raw)
	if err != nil {
		return Theme{}, err
	}
	members, _ := objectMembers(raw)
	clientID := "theme-" + strings.ToLower(rand.Text())
	if id := valueOf(members, "id"); id != nil && string(id) != "null" {
		text, ok := textOf(id)
		if !ok {
			return Theme{}, documentFault("id", "Expected text.")
		}
		clientID = text
	}
	if err := checkClientID(clientID); err != nil {
		return Theme{}, err
	}
	if _, err := s.ByClientID(ctx, actor, clientID); !errors.Is(err, ErrNotFound) {
		if err == nil {
			err = ErrClientIDTaken
		}
		return Theme{}, err
	}
	now := s.now()
	t := Theme{
		UserID: actor.UserID, ColorMode: "light", ClientID: clientID, Document: encode(with(members, "id", quoted(clientID))),
		CreatedAt: now, UpdatedAt: now,
	}
	if err := d.apply(&t, nil); err != nil {
		return Theme{}, err
	}
	created, err := s.named(ctx, actor, d.name, 0, func(name string) (Theme, error) {
		t.Name = name
		return s.Store.Create(ctx, t)
	})
	if err != nil {
		return Theme{}, err
	}
	// An id like those that are made up must not come to name a later theme.
	if id, ok := derivedID(clientID); ok && id > created.ID {
		if err := s.Store.Delete(ctx, actor.UserID, created.ID); err != nil {
			return Theme{}, err
		}
		return Theme{}, documentFault("id", "This id cannot be used.")
	}
	return created, nil
}

// named runs write with a name that no other theme of the actor has, and again
// when somebody takes it meanwhile.
func (s *Service) named(ctx context.Context, actor identity.Actor, wanted string, self int64, write func(name string) (Theme, error)) (Theme, error) {
	for try := 1; ; try++ {
		all, err := s.Store.All(ctx, actor.UserID)
		if err != nil {
			return Theme{}, err
		}
		t, err := write(FreeName(wanted, maxThemeName, func(name string) bool {
			return slices.ContainsFunc(all, func(t Theme) bool { return t.ID != self && t.Name == name })
		}))
		if try == nameTries || !errors.Is(err, ErrNameTaken) {
			return t, err
		}
	}
}

// UpdateDocument changes the members that a part of a document names; its id
// stays. ErrNotFound; field faults.
func (s *Service) UpdateDocument(ctx context.Context, actor identity.Actor, clientID string, part json.RawMessage) (Theme, error) {
	changes, ok := objectMembers(part)
	if !ok {
		return Theme{}, documentFault("theme", "Expected an object.")
	}
	found, err := s.ByClientID(ctx, actor, clientID)
	if err != nil {
		return Theme{}, err
	}
	wanted := found.Name
	if name, ok := textOf(valueOf(changes, "name")); ok {
		wanted = name
	}
	now := s.now()
	return s.named(ctx, actor, wanted, found.ID, func(name string) (Theme, error) {
		return s.Store.Update(ctx, actor.UserID, found.ID, func(t *Theme) error {
			whole := DocumentOf(t)
			before, _ := readDocument(whole)
			members, _ := objectMembers(whole)
			for _, c := range changes {
				if c.name != "id" {
					members = with(members, c.name, c.value)
				}
			}
			d, err := readDocument(encode(members))
			if err != nil {
				return err
			}
			if d.name != before.name {
				t.Name = name
			}
			t.Document, t.UpdatedAt = encode(members), now
			return d.apply(t, &before)
		})
	})
}

// DeleteByClientID removes a theme. ErrNotFound.
func (s *Service) DeleteByClientID(ctx context.Context, actor identity.Actor, clientID string) error {
	t, err := s.ByClientID(ctx, actor, clientID)
	if err != nil {
		return err
	}
	return s.Store.Delete(ctx, actor.UserID, t.ID)
}

// ActiveClientID is the client id of the active theme, or one of BrowserThemes.
func (s *Service) ActiveClientID(ctx context.Context, actor identity.Actor) (string, error) {
	t, err := s.Store.Active(ctx, actor.UserID)
	if err == nil {
		return ClientIDOf(&t), nil
	}
	if !errors.Is(err, ErrNoActive) {
		return "", err
	}
	id, err := s.Store.BrowserTheme(ctx, actor.UserID)
	if err == nil && id == "" {
		id = DefaultBrowserTheme
	}
	return id, err
}

// ActivateClientID makes a theme the active one, or one of BrowserThemes: then
// no stored theme is. ErrNotFound.
func (s *Service) ActivateClientID(ctx context.Context, actor identity.Actor, clientID string) error {
	if slices.Contains(BrowserThemes, clientID) {
		return s.Store.ChooseBrowserTheme(ctx, actor.UserID, clientID)
	}
	t, err := s.ByClientID(ctx, actor, clientID)
	if err != nil {
		return err
	}
	_, err = s.Store.Activate(ctx, actor.UserID, t.ID, s.now())
	return err
}

// Refusal is a document that a Sync did not take, and why.
type Refusal struct {
	ClientID string
	Err      error
}

// Synced is the outcome of a Sync.
type Synced struct {
	Uploaded int
	// Lacking are the themes that the browser does not have.
	Lacking []Theme
	Refused []Refusal
}

// Sync stores the documents that are not known yet, and gives those that the
// browser lacks. What is built into browsers is left out. A document that is
// not valid does not keep the others from being stored; doing it again changes
// nothing.
func (s *Service) Sync(ctx context.Context, actor identity.Actor, documents []json.RawMessage) (Synced, error) {
	all, err := s.Store.All(ctx, actor.UserID)
	if err != nil {
		return Synced{}, err
	}
	known := map[string]bool{}
	for i := range all {
		known[ClientIDOf(&all[i])] = true
	}
	out := Synced{Lacking: []Theme{}}
	held := map[string]bool{}
	for _, raw := range documents {
		members, _ := objectMembers(raw)
		id, ok := textOf(valueOf(members, "id"))
		if !ok {
			out.Refused = append(out.Refused, Refusal{Err: documentFault("id", "Expected text.")})
			continue
		}
		if held[id] || slices.Contains(BrowserThemes, id) {
			continue
		}
		held[id] = true
		if known[id] {
			continue
		}
		_, err := s.CreateDocument(ctx, actor, raw)
		switch kind := fault.KindOf(err); {
		case err == nil:
			out.Uploaded++
		case kind == fault.Conflict: // another browser was quicker
		case kind == fault.Invalid:
			out.Refused = append(out.Refused, Refusal{id, err})
		default:
			return out, err
		}
	}
	for i := range all {
		if !held[ClientIDOf(&all[i])] {
			out.Lacking = append(out.Lacking, all[i])
		}
	}
	return out, nil
}
