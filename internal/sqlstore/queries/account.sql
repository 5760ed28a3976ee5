-- name: UserByID :one
SELECT * FROM users WHERE id = @id;

-- name: UserByUsername :one
SELECT * FROM users WHERE username = @username;

-- Several imported accounts may share an address: an exact match first, then
-- an open account, then the most recent.
-- name: UserByEmail :one
SELECT * FROM users
WHERE email_key = @email_key
ORDER BY CASE WHEN email = @email THEN 0 ELSE 1 END,
         CASE WHEN is_active AND status <> 'inactive' THEN 0 ELSE 1 END,
         date_joined DESC, id DESC
LIMIT 1;

-- name: EmailKeyTaken :one
SELECT EXISTS (SELECT 1 FROM users WHERE email_key = @email_key AND id <> @not_id);

-- name: InsertUser :one
INSERT INTO users (username, email, email_key, email_claim, email_verified_at, password, first_name, last_name, role, status,
                   is_active, avatar, bio, preferred_locale, theme_mode, sidebar_collapsed, date_joined, themes_version,
                   search_text, created_at, updated_at)
VALUES (@username, @email, @email_key, @email_key, @email_verified_at, @password, @first_name, @last_name, @role, @status,
        @is_active, @avatar, @bio, @preferred_locale, @theme_mode, @sidebar_collapsed, @date_joined, 0,
        @search_text, @created_at, @updated_at)
RETURNING *;

-- name: UpdateUser :one
UPDATE users
SET username = @username, email = @email, email_key = @email_key, email_claim = @email_claim,
    email_verified_at = @email_verified_at, password = @password, first_name = @first_name, last_name = @last_name,
    role = @role, status = @status, is_active = @is_active, avatar = @avatar, bio = @bio,
    tokens_valid_after = @tokens_valid_after, search_text = @search_text, updated_at = @updated_at
WHERE id = @id
RETURNING *;

-- Takes the row's lock on PostgreSQL (SQLite has one writer): what follows in
-- the transaction happens one after another for this user.
-- name: LockUser :execrows
UPDATE users SET themes_version = themes_version WHERE id = @id;

-- name: DeleteUser :execrows
DELETE FROM users WHERE id = @id;

-- name: OpenAdmins :one
SELECT count(*) FROM users WHERE role = 'admin' AND is_active AND status <> 'inactive';

-- name: OpenAdminsBut :one
SELECT count(*) FROM users WHERE role = 'admin' AND is_active AND status <> 'inactive' AND id <> @id;

-- Every change that could take away the last administrator first takes the lock
-- of all of them: two such changes come one after the other.
-- name: LockAdmins :many
UPDATE users SET themes_version = themes_version
WHERE role = 'admin' AND is_active AND status <> 'inactive'
RETURNING id;

-- name: InheritWidgets :exec
UPDATE widgets SET created_by = @heir WHERE created_by = @id AND is_public;

-- name: DeleteWidgetsOf :exec
DELETE FROM widgets WHERE created_by = @id;

-- name: InheritDatasources :exec
UPDATE datasources SET created_by = @heir WHERE created_by = @id;

-- name: DeleteLinks :exec
DELETE FROM one_time_tokens WHERE user_id = @user_id AND purpose = @purpose;

-- name: InsertLink :exec
INSERT INTO one_time_tokens (hash, purpose, user_id, session_id, email_key, expires_at, created_at)
VALUES (@hash, @purpose, @user_id, @session_id, @email_key, @expires_at, @created_at);

-- name: LinkByHash :one
SELECT * FROM one_time_tokens WHERE hash = @hash AND purpose = @purpose AND expires_at > @now;

-- name: TakeLink :one
DELETE FROM one_time_tokens WHERE hash = @hash AND purpose = @purpose AND expires_at > @now
RETURNING *;

-- name: VerifyUser :one
UPDATE users
SET email_verified_at = @now,
    status = CASE WHEN status = 'pending' AND CAST(@activate AS BOOLEAN) THEN 'active' ELSE status END,
    updated_at = @now
WHERE id = @id AND email_key = @email_key
RETURNING *;
