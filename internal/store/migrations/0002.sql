-- Where the files of scenes that are not in Plex were looked for, so that an item
-- that turns up later brings its scene back. The keys are those of the table item.
CREATE TABLE missing (
    scene_id  INTEGER NOT NULL,
    path_key  INTEGER NOT NULL,
    base_key  INTEGER NOT NULL,
    namesakes INTEGER NOT NULL, -- parts that shared the file's name at that time
    PRIMARY KEY (scene_id, path_key)
) WITHOUT ROWID;
