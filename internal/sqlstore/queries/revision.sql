-- name: InsertRevision :exec
INSERT INTO view_revisions (view_id, number, name, description, widgets_config, is_default, changed_by, key_id, reason, summary,
                            restored, surplus, created_at)
VALUES (@view_id, @number, @name, @description, @widgets_config, @is_default, @changed_by, @key_id, @reason, @summary,
        @restored, FALSE, @created_at);

-- Views that are older than revisions, and imported ones, have no first one.
-- name: EnsureFirstRevision :exec
INSERT INTO view_revisions (view_id, number, name, description, widgets_config, is_default, changed_by, key_id, reason, summary,
                            restored, surplus, created_at)
SELECT v.id, v.version, v.name, v.description, v.widgets_config, v.is_default, NULL, NULL, '', '{}', NULL, FALSE, v.updated_at
FROM dashboard_views AS v WHERE v.id = @view_id AND v.version = 1
ON CONFLICT (view_id, number) DO NOTHING;

-- One revision leaves the newest ones for each that is added.
-- name: MarkSurplus :exec
UPDATE view_revisions SET surplus = TRUE WHERE view_id = @view_id AND number = @number;

-- name: RevisionByNumber :one
SELECT * FROM view_revisions WHERE view_id = @view_id AND number = @number;

-- name: SweepRevisions :execrows
DELETE FROM view_revisions WHERE id IN (
    SELECT r.id FROM view_revisions AS r WHERE r.surplus AND r.created_at < @before ORDER BY r.created_at LIMIT @at_most);
