-- +goose Up
-- the id under which the user's browsers know the theme; NULL for one that no
-- browser made
ALTER TABLE themes ADD COLUMN client_id TEXT COLLATE "C";
-- the theme as the browser holds it, JSON
ALTER TABLE themes ADD COLUMN document TEXT;
CREATE UNIQUE INDEX themes_client_id_key ON themes (user_id, client_id) WHERE client_id IS NOT NULL;

-- the theme of the browser's own that is active while no stored one is
ALTER TABLE users ADD COLUMN browser_theme TEXT NOT NULL DEFAULT '';
