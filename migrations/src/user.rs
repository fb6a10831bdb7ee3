//! The user service's tables: profiles, and the outbox of what is told about them.

use crate::shared::{OUTBOX, migrations};

/// A row is `pending` until auth has its credentials; `attempt` counts the tries, and only the latest
/// can make it `active`.
const USERS: &str = "
CREATE TABLE users (
    user_id     uuid PRIMARY KEY,
    email       text NOT NULL UNIQUE,
    status      text NOT NULL CHECK (status IN ('pending', 'active')),
    attempt     integer NOT NULL CHECK (attempt > 0),
    name        text,
    phone       text,
    address     text,
    locale      text NOT NULL CHECK (locale IN ('ru', 'en')),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
";

migrations!("user", USERS, OUTBOX);
