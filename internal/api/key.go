package api

import (
	"net/http"
	"time"

	"github.com/bdash/bdash/internal/auth"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/identity"
)

var keyScopes = []drf.Choice{
	{Value: string(identity.ScopeRead), Label: "Read"},
	{Value: string(identity.ScopeWrite), Label: "Write"},
	{Value: string(identity.ScopeAdmin), Label: "Administer users"},
}

// shownKey is an API key as its owner sees it; the secret only at birth.
type shownKey struct {
	auth.Key
	secret string
}

var keyFields, newKeyFields = declareKey(false), declareKey(true)

func declareKey(withSecret bool) *drf.Serializer[shownKey, auth.KeyDraft] {
	name := "APIKey"
	if withSecret {
		name = "NewAPIKey"
	}
	s := drf.NewSerializer[shownKey, auth.KeyDraft](name)
	s.Int("id", drf.Opt{}, 0, 0, func(k *shownKey) int64 { return k.ID }, nil)
	s.Char("name", drf.Opt{Required: true, Max: 100, Example: `"nightly export"`},
		func(k *shownKey) string { return k.Name }, func(d *auth.KeyDraft, v string) { d.Name = v })
	s.Strings("scopes", drf.Opt{Required: true, Help: "read: GET, HEAD, OPTIONS; write: all other methods; admin: users, for administrators.", Example: `["read"]`}, keyScopes,
		func(k *shownKey) []string { return scopeWords(k.Scopes) }, setScopes)
	s.TimeOrNull("expires_at", drf.Opt{Help: "null: never."},
		func(k *shownKey) *time.Time { return k.ExpiresAt }, func(d *auth.KeyDraft, v *time.Time) { d.ExpiresAt = v })
	s.TimeOrNull("last_used_at", drf.Opt{}, func(k *shownKey) *time.Time { return k.LastUsedAt }, nil)
	s.Time("created_at", drf.Opt{}, func(k *shownKey) time.Time { return k.CreatedAt })
	s.Char("prefix", drf.Opt{Help: "The beginning of the key, to tell keys apart."}, func(k *shownKey) string { return k.Prefix }, nil)
	if withSecret {
		s.Char("key", drf.Opt{Help: "The key itself: shown this once."}, func(k *shownKey) string { return k.secret }, nil)
	}
	return s
}

func scopeWords(scopes []identity.Scope) []string {
	words := make([]string, len(scopes))
	for i, scope := range scopes {
		words[i] = string(scope)
	}
	return words
}

func setScopes(d *auth.KeyDraft, words []string) {
	d.Scopes = make([]identity.Scope, len(words))
	for i, word := range words {
		d.Scopes[i] = identity.Scope(word)
	}
}

func (s *Server) listKeys(w http.ResponseWriter, r *drf.Request) error {
	keys, err := s.Auth.ListKeys(r.Context(), actor(r))
	if err != nil {
		return err
	}
	shown := make([]shownKey, len(keys))
	for i := range keys {
		shown[i].Key = keys[i]
	}
	return respondList(w, r, keyFields, shown)
}

func (s *Server) createKey(w http.ResponseWriter, r *drf.Request) error {
	var d auth.KeyDraft
	if err := keyFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	if len(d.Scopes) == 0 {
		return drf.Invalid("scopes", "This list may not be empty.")
	}
	k, secret, err := s.Auth.CreateKey(r.Context(), actor(r), d)
	if err != nil {
		return err
	}
	return newKeyFields.Respond(w, r, http.StatusCreated, &shownKey{k, secret})
}

func (s *Server) deleteKey(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := s.Auth.DeleteKey(r.Context(), actor(r), id); err != nil {
		return err
	}
	return r.NoContent(w)
}
