//! Notification's tables: whom letters go to, and the letters.

use crate::shared::{DEAD_LETTERS, first_migration};

/// What is known of a user, each part by the time of the event that said it, so that an event that
/// comes late changes nothing. `address` is the postal one.
const CONTACTS: &str = "
CREATE TABLE contacts (
    user_id        uuid PRIMARY KEY,
    email          text,
    name           text,
    locale         text NOT NULL,
    address        text,
    profile_at     timestamptz NOT NULL
);
";

/// A letter is written once and kept; nothing is sent. `request_hash` tells a repeated request from
/// another one under the same id.
const LETTERS: &str = "
CREATE TABLE letters (
    letter_id     uuid PRIMARY KEY,
    user_id       uuid NOT NULL,
    kind          text NOT NULL,
    subject       text NOT NULL,
    body          text NOT NULL,
    order_id      uuid,
    channel       text NOT NULL,
    status        text NOT NULL,
    request_hash  uuid NOT NULL,
    created_at    timestamptz NOT NULL
);
CREATE INDEX letters_by_user ON letters (user_id, letter_id);
";

first_migration!("notification", CONTACTS, LETTERS, DEAD_LETTERS);
