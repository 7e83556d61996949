//! The tables of people.

/// One step per layout. Never edit a step that was released: add the next one.
pub(super) const STEPS: &[&str] = &[FIRST, SUBJECTS];

const FIRST: &str = "
CREATE TABLE people (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    record  TEXT NOT NULL
) STRICT;
CREATE TABLE sessions (
    key     TEXT PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    person  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    seen_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    record  TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_person ON sessions (person, seen_ms);
CREATE INDEX sessions_ends ON sessions (ends_ms);
CREATE TABLE consents (
    person   TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    client   TEXT NOT NULL,
    audience TEXT NOT NULL,
    scopes   TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (person, client, audience)
) STRICT;
";

const SUBJECTS: &str = "
CREATE TABLE subjects (
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    person  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    PRIMARY KEY (issuer, subject)
) STRICT;
CREATE INDEX subjects_person ON subjects (person);
";
