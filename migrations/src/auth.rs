//! Auth's tables: credentials with their roles, sessions, what was revoked, and logins that failed.

use crate::shared::migrations;

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

/// Of a refresh token only SHA-256 sums are kept: of the part that all tokens of a session share, and of
/// the whole one that was given out last. A session that is ended is deleted.
const SESSIONS: &str = "
CREATE TABLE sessions (
    session_id    uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES credentials ON DELETE CASCADE,
    family_hash   bytea NOT NULL UNIQUE CHECK (length(family_hash) = 32),
    refresh_hash  bytea NOT NULL CHECK (length(refresh_hash) = 32),
    created_at    timestamptz NOT NULL,
    refreshed_at  timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_by_user ON sessions (user_id, expires_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);
";

/// What has to be refused until `until`: the tokens of a session, or, where there are `roles`, those of a
/// user that say others. `stream_created_at` and `sequence` say where it was told.
const REVOCATIONS: &str = "
CREATE TABLE revocations (
    about             uuid PRIMARY KEY,
    roles             text[],
    revoked_at        timestamptz NOT NULL,
    until             timestamptz NOT NULL,
    stream_created_at timestamptz,
    sequence          bigint,
    CHECK ((stream_created_at IS NULL) = (sequence IS NULL))
);
CREATE INDEX revocations_by_end ON revocations (until);
";

/// A row an address (a network) and account: when it failed, the latest last. The account is the SHA-256
/// of what was given as its name, whether there is such an account or not.
const LOGIN_FAILURES: &str = "
CREATE TABLE login_failures (
    address         text NOT NULL,
    account         bytea NOT NULL CHECK (length(account) = 32),
    failed_at       timestamptz[] NOT NULL,
    last_failed_at  timestamptz NOT NULL,
    PRIMARY KEY (address, account)
);
CREATE INDEX login_failures_by_address ON login_failures (address, last_failed_at);
CREATE INDEX login_failures_by_time ON login_failures (last_failed_at);
";

migrations!("auth", CREDENTIALS, SESSIONS, REVOCATIONS, LOGIN_FAILURES);
