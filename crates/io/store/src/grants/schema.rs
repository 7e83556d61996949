//! The tables of `grants.db`.

/// As those of the other file: never edit a step that was released.
pub(crate) const STEPS: &[&str] = &[FIRST, SECOND];

const FIRST: &str = "
CREATE TABLE families (
    id      BLOB PRIMARY KEY,
    version INTEGER NOT NULL,
    client  TEXT NOT NULL,
    subject TEXT NOT NULL,
    session TEXT,
    ends_ms INTEGER NOT NULL,
    state   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX families_session ON families (session) WHERE session IS NOT NULL;
CREATE INDEX families_subject ON families (subject);
CREATE INDEX families_client ON families (client);
CREATE INDEX families_ends ON families (ends_ms);
CREATE TABLE apps (
    id    TEXT PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
";

/// Which apps somebody logged in at during a session, so that they can be told when it is over.
const SECOND: &str = "
CREATE TABLE logins (
    session TEXT NOT NULL,
    client  TEXT NOT NULL,
    subject TEXT NOT NULL,
    ends_ms INTEGER NOT NULL,
    due_ms  INTEGER,
    tries   INTEGER NOT NULL,
    PRIMARY KEY (session, client)
) STRICT, WITHOUT ROWID;
CREATE INDEX logins_due ON logins (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX logins_ends ON logins (ends_ms);
";
