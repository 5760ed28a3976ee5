-- One look-up per request: the session, its user, and for cache keys the version
-- of the user's preferences and that of all widgets.
-- name: AccessBySession :one
SELECT sqlc.embed(users), sessions.ended_at, COALESCE(user_preferences.version, 0) AS preferences_version,
       COALESCE(widget_epoch.version, 0) AS widget_epoch
FROM sessions
JOIN users ON users.id = sessions.user_id
LEFT JOIN user_preferences ON user_preferences.user_id = users.id
LEFT JOIN widget_epoch ON widget_epoch.id = 1
WHERE sessions.id = @sid;

-- name: AccessByUser :one
SELECT sqlc.embed(users), COALESCE(user_preferences.version, 0) AS preferences_version,
       COALESCE(widget_epoch.version, 0) AS widget_epoch,
       EXISTS (SELECT 1 FROM denied_tokens WHERE denied_tokens.jti = @jti) AS denied
FROM users
LEFT JOIN user_preferences ON user_preferences.user_id = users.id
LEFT JOIN widget_epoch ON widget_epoch.id = 1
WHERE users.id = @id;

-- name: AccessByKey :one
SELECT sqlc.embed(users), sqlc.embed(api_keys), COALESCE(user_preferences.version, 0) AS preferences_version,
       COALESCE(widget_epoch.version, 0) AS widget_epoch
FROM api_keys
JOIN users ON users.id = api_keys.user_id
LEFT JOIN user_preferences ON user_preferences.user_id = users.id
LEFT JOIN widget_epoch ON widget_epoch.id = 1
WHERE api_keys.hash = @hash;

-- Signing in counts only if the account still is what was verified. The update
-- takes the row's lock: a change of password comes before or after, not between.
-- name: TouchSignIn :execrows
UPDATE users
SET last_login = @now, password = @password
WHERE id = @id AND password = @verified AND is_active AND status <> 'inactive';

-- name: InsertSession :exec
INSERT INTO sessions (id, user_id, refresh_jti, refresh_iat, refresh_exp, previous_jti, rotated_at, origin_jti, rich_claims,
                      ip, user_agent, created_at, last_seen_at, expires_at, end_reason)
VALUES (@id, @user_id, @refresh_jti, @refresh_iat, @refresh_exp, @previous_jti, @rotated_at, @origin_jti, @rich_claims,
        @ip, @user_agent, @created_at, @last_seen_at, @expires_at, '');

-- name: RotateSession :one
UPDATE sessions
SET previous_jti = refresh_jti, rotated_at = @now, refresh_jti = @refresh_jti, refresh_iat = @refresh_iat,
    refresh_exp = @refresh_exp, expires_at = @expires_at, last_seen_at = @now
WHERE id = @id AND refresh_jti = @presented AND ended_at IS NULL
RETURNING *;

-- name: SessionByID :one
SELECT * FROM sessions WHERE id = @id;

-- name: SessionByOrigin :one
SELECT * FROM sessions WHERE origin_jti = @origin_jti;

-- name: SessionsOf :many
SELECT * FROM sessions
WHERE user_id = @user_id AND ended_at IS NULL AND expires_at > @now
ORDER BY created_at DESC, id DESC
LIMIT 1000;

-- name: EndSession :execrows
UPDATE sessions SET ended_at = @now, end_reason = @reason
WHERE id = @id AND user_id = @user_id AND ended_at IS NULL;

-- name: EndSessions :many
UPDATE sessions SET ended_at = @now, end_reason = @reason
WHERE user_id = @user_id AND ended_at IS NULL AND id <> @keep
RETURNING id;

-- name: VoidTokens :execrows
UPDATE users SET tokens_valid_after = @now WHERE id = @id;

-- name: DenyToken :execrows
INSERT INTO denied_tokens (jti, expires_at) VALUES (@jti, @expires_at)
ON CONFLICT (jti) DO NOTHING;

-- name: IsDenied :one
SELECT EXISTS (SELECT 1 FROM denied_tokens WHERE jti = @jti);

-- name: SetPassword :execrows
UPDATE users
SET password = @password, tokens_valid_after = @now, updated_at = @now
WHERE id = @id AND password = @verified AND is_active AND status <> 'inactive';

-- name: ResetPassword :one
UPDATE users
SET password = @password, tokens_valid_after = @now, updated_at = @now,
    email_verified_at = COALESCE(email_verified_at, @now)
WHERE id = @id AND email_key = @email_key AND is_active AND status <> 'inactive'
RETURNING *;

-- name: SeenSession :exec
UPDATE sessions SET last_seen_at = @at WHERE id = @id AND last_seen_at < @at;

-- name: SeenKey :exec
UPDATE api_keys SET last_used_at = @at WHERE id = @id AND (last_used_at IS NULL OR last_used_at < @at);

-- name: KeysOf :many
SELECT * FROM api_keys WHERE user_id = @user_id ORDER BY created_at DESC, id DESC LIMIT 1000;

-- name: InsertKey :one
INSERT INTO api_keys (user_id, name, prefix, hash, scopes, expires_at, created_at)
VALUES (@user_id, @name, @prefix, @hash, @scopes, @expires_at, @created_at)
RETURNING *;

-- name: DeleteKey :execrows
DELETE FROM api_keys WHERE id = @id AND user_id = @user_id;

-- name: SweepSessions :execrows
DELETE FROM sessions WHERE id IN (SELECT s.id FROM sessions AS s WHERE s.expires_at < @before ORDER BY s.expires_at LIMIT @at_most);

-- name: SweepDenied :execrows
DELETE FROM denied_tokens WHERE jti IN (SELECT d.jti FROM denied_tokens AS d WHERE d.expires_at < @before ORDER BY d.expires_at LIMIT @at_most);

-- name: SweepLinks :execrows
DELETE FROM one_time_tokens WHERE hash IN (SELECT o.hash FROM one_time_tokens AS o WHERE o.expires_at < @before ORDER BY o.expires_at LIMIT @at_most);
