//! Auth's tables: credentials with their roles, and sessions.

use crate::shared::first_migration;

/// `attempt` is the user service's count of a registration's tries: the password of a later try stays,
/// whatever arrives late.
const CREDENTIALS: &str = "
CREATE TABLE credentials (
    user_id        uuid PRIMARY KEY,
    email          text NOT NULL UNIQUE,
    password_hash  text NOT NULL,
    attempt        integer NOT NULL CHECK (attempt > 0),
    roles          text[] NOT NULL CHECK (roles <@ ARRAY['user', 'courier', 'operator']),
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
";

/// Of a refresh token only its SHA-256 is kept.
const SESSIONS: &str = "
CREATE TABLE sessions (
    session_id    uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES credentials ON DELETE CASCADE,
    refresh_hash  bytea NOT NULL UNIQUE CHECK (length(refresh_hash) = 32),
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id, expires_at);
";

first_migration!("auth", CREDENTIALS, SESSIONS);
