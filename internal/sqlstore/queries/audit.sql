-- name: InsertAuditEntry :one
INSERT INTO audit_entries (at, actor_id, actor_name, via, action, outcome, target_kind, target_id, ip, request_id, detail)
VALUES (@at, @actor_id, @actor_name, @via, @action, @outcome, @target_kind, @target_id, @ip, @request_id, @detail)
RETURNING id;

-- name: SweepAuditEntries :execrows
DELETE FROM audit_entries WHERE id IN (
    SELECT e.id FROM audit_entries e WHERE e.at < @before ORDER BY e.at, e.id LIMIT @batch
);
