package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bdash/bdash/internal/account"
	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/telemetry"
)

// note is what a handler has to say about its request for the audit record.
type note struct {
	audit.Entry
	// tried: a failure is worth an entry, too.
	tried bool
	// skip: nothing happened that is worth one.
	skip   bool
	detail map[string]any
}

type noteKey struct{}

// noteOf is where the handler of an audited method says more.
func noteOf(r *drf.Request) *note {
	n, _ := r.Context().Value(noteKey{}).(*note)
	if n == nil {
		n = &note{} // not audited: what is said goes nowhere
	}
	return n
}

// say adds a detail.
func (n *note) say(name string, value any) {
	if n.detail == nil {
		n.detail = map[string]any{}
	}
	n.detail[name] = value
}

// try says who tries to prove something, so that a failure is recorded, too.
func (n *note) try(name string) {
	n.tried, n.ActorName = true, name
}

// by says who it turned out to be.
func (n *note) by(u *account.User) {
	n.ActorID, n.ActorName, n.Via = &u.ID, u.Email, audit.Session
}

// audited records what the handler did. kind is what the path's id names, ""
// if there is none.
func (s *Server) audited(action, kind string, handler drf.HandlerFunc) drf.HandlerFunc {
	return func(w http.ResponseWriter, r *drf.Request) error {
		n := &note{Entry: audit.Entry{Action: action, TargetKind: kind, Outcome: audit.OK}}
		if kind != "" {
			n.TargetID = r.PathValue("id")
		}
		if a := actor(r); !a.Anonymous() {
			n.ActorID, n.ActorName, n.Via = &a.UserID, a.Email, audit.Session
			if a.ByKey() {
				n.Via = audit.APIKey
				n.say("api_key", a.KeyID)
			}
		}
		r.Request = r.WithContext(context.WithValue(r.Context(), noteKey{}, n))
		err := handler(w, r)
		if err != nil {
			n.Outcome = audit.Failed
		}
		if !n.skip && (err == nil || n.tried) {
			s.record(r, n)
		}
		return err
	}
}

// record appends the entry. What it tells of has been done: that the record
// cannot be written changes no answer, and is logged.
func (s *Server) record(r *drf.Request, n *note) {
	n.IP, n.RequestID = s.clientIP(r.Request).String(), telemetry.RequestID(r.Context())
	if len(n.detail) > 0 {
		n.Detail, _ = json.Marshal(n.detail) // of names, numbers and texts
	}
	// A client that hangs up at the right moment must not stay out of the record.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), auditTimeout)
	defer cancel()
	if err := s.Audit.Record(ctx, n.Entry); err != nil {
		s.Log.ErrorContext(r.Context(), "audit entry not written", "action", n.Action, "error", err)
	}
}

const auditTimeout = 5 * time.Second

// sayChange notes which of the decisive fields of an account changed.
func (n *note) sayChange(before, after *account.User) {
	change := func(name string, from, to any) {
		if from != to {
			n.say(name, []any{from, to})
		}
	}
	change("role", before.Role, after.Role)
	change("status", before.Status, after.Status)
	change("is_active", before.IsActive, after.IsActive)
	change("email", before.Email, after.Email)
	change("username", before.Username, after.Username)
	if before.PasswordHash != after.PasswordHash {
		n.say("password", "changed")
	}
}

// foreign keeps an entry only if the row is somebody else's.
func (n *note) foreign(r *drf.Request, owner int64) {
	n.skip = owner == actor(r).UserID
	n.say("owner", owner)
}

var auditFields = declareAudit()

func declareAudit() *drf.Serializer[audit.Entry, struct{}] {
	s := drf.NewSerializer[audit.Entry, struct{}]("AuditEntry")
	s.Int("id", drf.Opt{}, 0, 0, func(e *audit.Entry) int64 { return e.ID }, nil)
	s.Time("at", drf.Opt{}, func(e *audit.Entry) time.Time { return e.At })
	s.IntOrNull("actor", drf.Opt{Help: "The user's id; null for nobody and for commands."}, func(e *audit.Entry) *int64 { return e.ActorID })
	s.Char("actor_name", drf.Opt{Help: "The user's address at that time, or the name that was tried."}, func(e *audit.Entry) string { return e.ActorName }, nil)
	s.Char("via", drf.Opt{Help: "session, api_key, command, or empty for nobody."}, func(e *audit.Entry) string { return string(e.Via) }, nil)
	s.Char("action", drf.Opt{Example: `"auth.login"`}, func(e *audit.Entry) string { return e.Action }, nil)
	s.Char("outcome", drf.Opt{Help: "ok or failed.", Example: `"ok"`}, func(e *audit.Entry) string { return string(e.Outcome) }, nil)
	s.Char("target_kind", drf.Opt{Example: `"user"`}, func(e *audit.Entry) string { return e.TargetKind }, nil)
	s.Char("target_id", drf.Opt{Example: `"7"`}, func(e *audit.Entry) string { return e.TargetID }, nil)
	s.Char("ip", drf.Opt{}, func(e *audit.Entry) string { return e.IP }, nil)
	s.Char("request_id", drf.Opt{}, func(e *audit.Entry) string { return e.RequestID }, nil)
	s.JSON("detail", drf.Opt{Help: "What changed, from what to what.", Example: `{"role":["user","editor"]}`}, func(e *audit.Entry) json.RawMessage { return e.Detail }, nil)
	return s
}

var (
	auditOrderings = []string{"id", "at", "actor", "action", "outcome", "target_kind", "target_id", "ip"}
	auditFilters   = []drf.Filter{{Field: "actor"}, {Field: "action"}, {Field: "outcome", Choices: []string{"ok", "failed"}},
		{Field: "via", Choices: []string{"session", "api_key", "command"}}, {Field: "target_kind"}, {Field: "target_id"}, {Field: "ip"}}
	auditBounds = []drf.Param{
		{Name: "since", Text: "Only entries of this time or later, such as 2026-01-02T00:00:00Z."},
		{Name: "until", Text: "Only entries before this time."},
	}
	exportParams = slices.Concat(drf.ListParams(nil, "", auditFilters), auditBounds,
		[]drf.Param{{Name: "as", Text: "jsonl (a JSON object on each line) or csv.", Enum: []string{"jsonl", "csv"}}})
)

func auditQuery(r *drf.Request) (q audit.Query, err error) {
	if q.Page, err = pageRequest(r, auditOrderings, auditFilters); err != nil {
		return q, err
	}
	for name, bound := range map[string]**time.Time{"since": &q.Since, "until": &q.Until} {
		text, given := r.Query().Last(name)
		if !given || text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return q, drf.Invalid(name, "Enter a time such as 2026-01-02T15:04:05Z.")
		}
		*bound = &at
	}
	return q, nil
}

func (s *Server) listAudit(w http.ResponseWriter, r *drf.Request) error {
	q, err := auditQuery(r)
	if err != nil {
		return err
	}
	res, err := s.Audit.List(r.Context(), actor(r), q)
	if err != nil {
		return err
	}
	return respondPage(w, r, auditFields, res)
}

// exportAudit streams the whole record, oldest first. An answer that cannot be
// finished is cut off, so that no client takes it for the whole.
func (s *Server) exportAudit(w http.ResponseWriter, r *drf.Request) error {
	q, err := auditQuery(r)
	if err != nil {
		return err
	}
	kind, name, encode := "application/jsonl", "audit.jsonl", appendLines
	switch as, _ := r.Query().Last("as"); as {
	case "", "jsonl":
	case "csv":
		kind, name, encode = "text/csv; charset=utf-8", "audit.csv", appendCSV
	default:
		return drf.Invalid("as", `"`+as+`" is not a valid choice.`)
	}
	began := false
	begin := func() {
		began = true
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		w.Header().Set("Cache-Control", "no-store")
		r.WriteStatus(w, http.StatusOK)
		_, _ = w.Write(encode(nil, nil)) // the head, if there is one
	}
	err = s.Audit.Export(r.Context(), actor(r), q, func(entries []audit.Entry) error {
		if !began {
			begin()
		}
		_, err := w.Write(encode(nil, entries))
		return err
	})
	switch {
	case err == nil && !began:
		begin()
	case err != nil && began:
		s.Log.WarnContext(r.Context(), "audit export cut off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

func appendLines(dst []byte, entries []audit.Entry) []byte {
	for i := range entries {
		dst = append(auditFields.Append(dst, &entries[i]), '\n')
	}
	return dst
}

// appendCSV writes the head for no entries at all.
func appendCSV(dst []byte, entries []audit.Entry) []byte {
	out := bytes.NewBuffer(dst)
	table := csv.NewWriter(out)
	if len(entries) == 0 {
		_ = table.Write([]string{"id", "at", "actor", "actor_name", "via", "action", "outcome", "target_kind", "target_id", "ip", "request_id", "detail"})
	}
	for i := range entries {
		e := &entries[i]
		who := ""
		if e.ActorID != nil {
			who = strconv.FormatInt(*e.ActorID, 10)
		}
		_ = table.Write([]string{strconv.FormatInt(e.ID, 10), e.At.Format(time.RFC3339Nano), who, cell(e.ActorName), string(e.Via), e.Action,
			string(e.Outcome), e.TargetKind, cell(e.TargetID), e.IP, cell(e.RequestID), cell(string(e.Detail))})
	}
	table.Flush() // into memory: it cannot fail
	return out.Bytes()
}

// cell keeps spreadsheets from taking a text for a formula
// (https://owasp.org/www-community/attacks/CSV_Injection).
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
