-- What is known of Plex is known of one server. Rating keys of one mean nothing to
-- another, and what was written to one must be found again when it comes back.
CREATE TABLE server (
    id      INTEGER PRIMARY KEY,
    machine TEXT    NOT NULL UNIQUE -- Plex's machine identifier; '' = not known yet
);
INSERT INTO server (id, machine) SELECT 1, coalesce((SELECT value FROM meta WHERE key = 'plex_machine'), '')
WHERE EXISTS (SELECT 1 FROM meta WHERE key = 'plex_machine') OR EXISTS (SELECT 1 FROM pushed) OR EXISTS (SELECT 1 FROM section);

CREATE TABLE pushed_of (
    server       INTEGER NOT NULL DEFAULT 1, -- the only one, in rows of before
    rating_key   TEXT    NOT NULL,
    scene_id     INTEGER NOT NULL,
    section      TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    size         INTEGER NOT NULL DEFAULT 0, -- of the file; 0 = unknown
    duration     INTEGER NOT NULL DEFAULT 0, -- of the file, milliseconds; 0 = unknown
    wanted_hash  TEXT    NOT NULL DEFAULT '',
    base         TEXT    NOT NULL DEFAULT '',
    intent       TEXT    NOT NULL DEFAULT '',
    poster_hash  TEXT    NOT NULL DEFAULT '',
    poster_etag  TEXT    NOT NULL DEFAULT '',
    poster_at    INTEGER NOT NULL DEFAULT 0,
    art_hash     TEXT    NOT NULL DEFAULT '',
    thumb        TEXT    NOT NULL DEFAULT '',
    refs         TEXT    NOT NULL DEFAULT '',
    pushed_at    INTEGER NOT NULL,
    seen         TEXT    NOT NULL DEFAULT '',
    unread       INTEGER NOT NULL DEFAULT 0, -- written, and not yet read back
    contested    INTEGER NOT NULL DEFAULT 0, -- how often somebody overwrote our value in a row
    PRIMARY KEY (server, rating_key)
) WITHOUT ROWID;
INSERT INTO pushed_of (server, rating_key, scene_id, section, path, wanted_hash, base, intent, poster_hash,
    poster_etag, poster_at, art_hash, thumb, refs, pushed_at, seen)
SELECT 1, rating_key, scene_id, section, path, wanted_hash, base, intent, poster_hash,
    poster_etag, poster_at, art_hash, thumb, refs, pushed_at, seen FROM pushed;
DROP TABLE pushed;
ALTER TABLE pushed_of RENAME TO pushed;
CREATE INDEX pushed_scene ON pushed (server, scene_id);
CREATE INDEX pushed_path ON pushed (server, path);
CREATE INDEX pushed_unread ON pushed (server) WHERE unread <> 0;

CREATE TABLE item_of (
    server     INTEGER NOT NULL,
    rating_key TEXT    NOT NULL,
    part       INTEGER NOT NULL,
    section    TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    path_key   INTEGER NOT NULL,
    base_key   INTEGER NOT NULL,
    parent_key INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    duration   INTEGER NOT NULL,
    thumb      TEXT    NOT NULL,
    updated_at INTEGER NOT NULL,
    scan       INTEGER NOT NULL,
    trashed    INTEGER NOT NULL DEFAULT 0, -- 1: the item is in Plex's trash
    optimized  INTEGER NOT NULL DEFAULT 0, -- 1: Plex made this file itself
    PRIMARY KEY (server, rating_key, part)
) WITHOUT ROWID;
INSERT INTO item_of (server, rating_key, part, section, path, path_key, base_key, parent_key, size, duration, thumb, updated_at, scan)
SELECT 1, rating_key, part, section, path, path_key, base_key, parent_key, size, duration, thumb, updated_at, scan FROM item;
DROP TABLE item;
ALTER TABLE item_of RENAME TO item;
CREATE INDEX item_path ON item (server, path_key);
CREATE INDEX item_base ON item (server, base_key, size);

CREATE TABLE section_of (
    server   INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    title    TEXT    NOT NULL,
    full_at  INTEGER NOT NULL DEFAULT 0,
    since_at INTEGER NOT NULL DEFAULT 0,
    scan     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (server, key)
) WITHOUT ROWID;
INSERT INTO section_of SELECT 1, key, title, full_at, since_at, scan FROM section;
DROP TABLE section;
ALTER TABLE section_of RENAME TO section;

-- A scene whose item belongs to another scene waits for an item of its own: one whose
-- first part is its file.
ALTER TABLE missing ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
