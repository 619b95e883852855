-- The first schema. Times are integer milliseconds since the epoch, UTC.
-- Never edit this file after a release: add 0002.sql.

-- The queue: at most one live job for a subject. A job is queued (lease NULL)
-- or leased; done means that the row is gone.
CREATE TABLE job (
    id             INTEGER PRIMARY KEY,
    kind           TEXT    NOT NULL,
    subject_id     INTEGER NOT NULL,
    priority       INTEGER NOT NULL,
    attempt        INTEGER NOT NULL DEFAULT 0,
    missing        INTEGER NOT NULL DEFAULT 0,
    due_at         INTEGER NOT NULL,
    lease          TEXT,
    generation     INTEGER NOT NULL DEFAULT 1,
    first_event_at INTEGER NOT NULL,
    last_event_at  INTEGER NOT NULL,
    last_class     TEXT    NOT NULL DEFAULT '',
    last_error     TEXT    NOT NULL DEFAULT '',
    history        TEXT    NOT NULL DEFAULT '[]',
    UNIQUE (kind, subject_id)
);
CREATE INDEX job_due ON job (priority, due_at) WHERE lease IS NULL;
CREATE INDEX job_lease ON job (lease) WHERE lease IS NOT NULL;

-- The DLQ: one dead letter for a subject.
CREATE TABLE dead_letter (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    kind           TEXT    NOT NULL,
    subject_id     INTEGER NOT NULL,
    class          TEXT    NOT NULL,
    error          TEXT    NOT NULL,
    attempts       INTEGER NOT NULL,
    title          TEXT    NOT NULL DEFAULT '',
    path           TEXT    NOT NULL DEFAULT '',
    first_event_at INTEGER NOT NULL,
    last_event_at  INTEGER NOT NULL,
    died_at        INTEGER NOT NULL,
    history        TEXT    NOT NULL DEFAULT '[]',
    UNIQUE (kind, subject_id)
);
CREATE INDEX dead_letter_died ON dead_letter (died_at);

-- What was last written to each item: the base of the three-way merge. It
-- belongs to the item, whichever scene wrote it.
CREATE TABLE pushed (
    rating_key   TEXT    PRIMARY KEY,
    scene_id     INTEGER NOT NULL,
    section      TEXT    NOT NULL,
    path         TEXT    NOT NULL,           -- of the part, as Plex sees it
    wanted_hash  TEXT    NOT NULL DEFAULT '', -- '' = must be looked at
    base         TEXT    NOT NULL DEFAULT '', -- the fields as written
    intent       TEXT    NOT NULL DEFAULT '', -- base after a write that may have been cut short
    poster_hash  TEXT    NOT NULL DEFAULT '', -- SHA-1 of the picture that Plex has from us
    poster_etag  TEXT    NOT NULL DEFAULT '', -- Stash's, to ask with If-None-Match
    poster_at    INTEGER NOT NULL DEFAULT 0,  -- the scene's updated_at at the last look
    art_hash     TEXT    NOT NULL DEFAULT '',
    thumb        TEXT    NOT NULL DEFAULT '', -- of the item, seen after our write
    refs         TEXT    NOT NULL DEFAULT '', -- ' performer:1 studio:2 tag:3 '
    pushed_at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX pushed_scene ON pushed (scene_id);
CREATE INDEX pushed_path ON pushed (path);

-- The index of Plex parts. The keys are 64-bit hashes of folded names: small,
-- and every hit is compared in full afterwards.
CREATE TABLE item (
    rating_key TEXT    NOT NULL,
    part       INTEGER NOT NULL,
    section    TEXT    NOT NULL,
    path       TEXT    NOT NULL,
    path_key   INTEGER NOT NULL,
    base_key   INTEGER NOT NULL,
    parent_key INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    duration   INTEGER NOT NULL, -- milliseconds
    thumb      TEXT    NOT NULL,
    updated_at INTEGER NOT NULL, -- seconds, as Plex tells it
    scan       INTEGER NOT NULL,
    PRIMARY KEY (rating_key, part)
) WITHOUT ROWID;
CREATE INDEX item_path ON item (path_key);
CREATE INDEX item_base ON item (base_key, size);

-- How far each library's index has been read.
CREATE TABLE section (
    key      TEXT    PRIMARY KEY,
    title    TEXT    NOT NULL,
    full_at  INTEGER NOT NULL DEFAULT 0,
    since_at INTEGER NOT NULL DEFAULT 0,
    scan     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE breaker (
    system     TEXT    PRIMARY KEY,
    state      TEXT    NOT NULL,
    failures   INTEGER NOT NULL,
    opened_at  INTEGER NOT NULL,
    next_probe INTEGER NOT NULL,
    probes     INTEGER NOT NULL,
    cause      TEXT    NOT NULL,
    message    TEXT    NOT NULL
) WITHOUT ROWID;

CREATE TABLE outage (
    id         INTEGER PRIMARY KEY,
    system     TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,            -- NULL while it lasts
    cause      TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    waited     INTEGER NOT NULL DEFAULT 0 -- jobs that waited when it ended
);

-- One row a drain.
CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    token      TEXT    NOT NULL UNIQUE,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,            -- NULL: running, or killed
    done       INTEGER NOT NULL DEFAULT 0,
    unchanged  INTEGER NOT NULL DEFAULT 0,
    retry      INTEGER NOT NULL DEFAULT 0,
    waiting    INTEGER NOT NULL DEFAULT 0,
    dead       INTEGER NOT NULL DEFAULT 0,
    gone       INTEGER NOT NULL DEFAULT 0,
    writes     INTEGER NOT NULL DEFAULT 0,
    note       TEXT    NOT NULL DEFAULT ''
);

-- The drain's role. holder is given up in the transaction that sees that
-- nothing is due; asked is who asked Stash to start a drain.
CREATE TABLE drain (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    holder     TEXT    NOT NULL DEFAULT '',
    held_at    INTEGER NOT NULL DEFAULT 0,
    asked      TEXT    NOT NULL DEFAULT '',
    asked_job  TEXT    NOT NULL DEFAULT '', -- Stash's id of the job
    asked_of   TEXT    NOT NULL DEFAULT '', -- which Stash process was asked
    checked_at INTEGER NOT NULL DEFAULT 0   -- when the question was last known to stand
);
INSERT INTO drain (id) VALUES (1);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
