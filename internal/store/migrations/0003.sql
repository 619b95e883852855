-- What the listing showed of the item (updatedAt and thumb) when it was last read in
-- full and was as we left it; '' = not since our last write.
ALTER TABLE pushed ADD COLUMN seen TEXT NOT NULL DEFAULT '';
