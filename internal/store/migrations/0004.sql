-- Dead letters are counted by class at every look at the page, and listed by it.
CREATE INDEX dead_letter_class ON dead_letter (class, died_at);
