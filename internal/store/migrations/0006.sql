-- What started a run: edit, person or schedule; '' for those of before.
ALTER TABLE run ADD COLUMN cause TEXT NOT NULL DEFAULT '';
