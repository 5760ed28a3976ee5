package sqlstore

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/sqlstore/db"
)

// Audit implements audit.Store.
type Audit struct{ DB *DB }

// Append implements audit.Store.
func (s *Audit) Append(ctx context.Context, e audit.Entry) error {
	_, err := s.DB.W().InsertAuditEntry(ctx, db.InsertAuditEntryParams{
		At: e.At, ActorID: e.ActorID, ActorName: e.ActorName, Via: string(e.Via), Action: e.Action, Outcome: string(e.Outcome),
		TargetKind: e.TargetKind, TargetID: e.TargetID, IP: e.IP, RequestID: e.RequestID, Detail: string(e.Detail),
	})
	return err
}

var auditList = ListSpec{
	Columns: "id, at, actor_id, actor_name, via, action, outcome, target_kind, target_id, ip, request_id, detail",
	From:    "audit_entries",
	ID:      "id",
	Order: map[string]OrderKey{
		"id": {Expr: "id"}, "at": {Expr: "at"}, "actor": {Expr: "actor_id", Nullable: true}, "action": {Expr: "action"},
		"outcome": {Expr: "outcome"}, "target_kind": {Expr: "target_kind"}, "target_id": {Expr: "target_id"}, "ip": {Expr: "ip"},
	},
	Default: []page.Order{{Field: "at", Desc: true}},
	Filters: map[string]Filter{
		"actor": {Expr: "actor_id", Parse: FilterInt}, "action": {Expr: "action"}, "outcome": {Expr: "outcome"}, "via": {Expr: "via"},
		"target_kind": {Expr: "target_kind"}, "target_id": {Expr: "target_id"}, "ip": {Expr: "ip"},
	},
}

// auditSpec is the list with the query's bounds, and with ids above after.
func auditSpec(q audit.Query, after int64) ListSpec {
	spec := auditList
	bound := func(condition string, value any) {
		if spec.Where != "" {
			spec.Where += " AND "
		}
		spec.Args = append(spec.Args, value)
		spec.Where += condition + " $" + strconv.Itoa(len(spec.Args))
	}
	if q.Since != nil {
		bound("at >=", q.Since.UTC())
	}
	if q.Until != nil {
		bound("at <", q.Until.UTC())
	}
	if after > 0 {
		bound("id >", after)
	}
	return spec
}

func scanAudit(rows pgx.Rows) (audit.Entry, error) {
	var e audit.Entry
	var via, outcome, detail string
	err := rows.Scan(&e.ID, &e.At, &e.ActorID, &e.ActorName, &via, &e.Action, &outcome, &e.TargetKind, &e.TargetID, &e.IP, &e.RequestID, &detail)
	e.Via, e.Outcome, e.Detail = audit.Via(via), audit.Outcome(outcome), []byte(detail)
	return e, err
}

// List implements audit.Store.
func (s *Audit) List(ctx context.Context, q audit.Query) (page.Result[audit.Entry], error) {
	return ListPage(ctx, s.DB.ReadDBTX(), auditSpec(q, 0), q.Page, scanAudit)
}

// After implements audit.Store.
func (s *Audit) After(ctx context.Context, q audit.Query, id int64, limit int) ([]audit.Entry, error) {
	req := page.Request{Number: 1, Size: limit, Filters: q.Page.Filters, Ordering: []page.Order{{Field: "id"}}}
	res, err := ListPage(ctx, s.DB.ReadDBTX(), auditSpec(q, id), req, scanAudit)
	return res.Items, err
}

// Sweep implements audit.Store.
func (s *Audit) Sweep(ctx context.Context, before time.Time, batch int) (int64, error) {
	return s.DB.W().SweepAuditEntries(ctx, db.SweepAuditEntriesParams{Before: before, Batch: int32(batch)})
}
