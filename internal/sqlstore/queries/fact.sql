-- name: Fact :one
SELECT value FROM facts WHERE name = @name;

-- name: SetFactOnce :exec
INSERT INTO facts (name, value) VALUES (@name, @value) ON CONFLICT (name) DO NOTHING;
