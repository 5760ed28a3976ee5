-- name: InsertShare :one
INSERT INTO view_shares (view_id, hash, created_at, expires_at, visits)
VALUES (@view_id, @hash, @created_at, @expires_at, 0)
RETURNING *;

-- name: SharesOf :many
SELECT * FROM view_shares WHERE view_id = @view_id ORDER BY created_at DESC, id DESC LIMIT 1000;

-- name: CountShares :one
SELECT count(*) FROM view_shares WHERE view_id = @view_id AND expires_at > @now;

-- name: DeleteShare :execrows
DELETE FROM view_shares WHERE id = @id AND view_id = @view_id;

-- A link is good while it has not expired and its view's owner may sign in.
-- name: ShareByHash :one
SELECT sqlc.embed(view_shares), sqlc.embed(dashboard_views), users.role, users.status, users.email
FROM view_shares
JOIN dashboard_views ON dashboard_views.id = view_shares.view_id
JOIN users ON users.id = dashboard_views.user_id
WHERE view_shares.hash = @hash AND view_shares.expires_at > @now AND users.is_active AND users.status <> 'inactive';

-- name: CountVisit :exec
UPDATE view_shares SET visits = visits + 1, last_visit_at = @now WHERE id = @id;

-- name: SweepShares :execrows
DELETE FROM view_shares WHERE id IN (
    SELECT s.id FROM view_shares AS s WHERE s.expires_at < @before ORDER BY s.expires_at LIMIT @at_most);

-- Takes the row's lock on PostgreSQL (SQLite has one writer).
-- name: LockView :execrows
UPDATE dashboard_views SET version = version WHERE id = @id;
