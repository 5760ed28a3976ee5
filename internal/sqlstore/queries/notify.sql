-- name: NotificationByID :one
SELECT * FROM notifications WHERE id = @id AND user_id = @user_id;

-- name: UnreadNotifications :one
SELECT count(*) FROM notifications WHERE user_id = @user_id AND read_at IS NULL;

-- name: InsertNotification :one
INSERT INTO notifications (user_id, kind, title, body, link, created_at)
VALUES (@user_id, @kind, @title, @body, @link, @created_at)
RETURNING *;

-- A notification that is marked again stays read since the first time.
-- name: MarkNotification :one
UPDATE notifications SET read_at = CASE WHEN CAST(@read AS BOOLEAN) THEN COALESCE(read_at, @now) END
WHERE id = @id AND user_id = @user_id
RETURNING *;

-- name: MarkAllNotifications :execrows
UPDATE notifications SET read_at = @read_at WHERE user_id = @user_id AND read_at IS NULL;

-- name: DeleteNotification :execrows
DELETE FROM notifications WHERE id = @id AND user_id = @user_id;
