//! Notification's tables: whom letters go to, and the letters.

use crate::shared::{DEAD_LETTER_ACTIONS, DEAD_LETTERS, SMALL_STATISTICS, migrations};

/// What is known of a user. Events come in any order: e-mail and name are of the registration alone,
/// locale and (postal) address of the youngest event, which happened at `profile_at`.
const CONTACTS: &str = "
CREATE TABLE contacts (
    user_id     uuid PRIMARY KEY,
    email       text,
    name        text,
    locale      text NOT NULL CHECK (locale IN ('ru', 'en')),
    address     text,
    profile_at  timestamptz NOT NULL
);
";

/// A letter is written once and kept; nothing is sent. `letter_id` recognises the request when it is
/// repeated, `request_hash` tells another one under the same id; `notification_id` is in the order of
/// time, as clients page through them.
const LETTERS: &str = "
CREATE TABLE letters (
    letter_id        uuid PRIMARY KEY,
    notification_id  uuid NOT NULL,
    user_id          uuid NOT NULL,
    kind             text NOT NULL,
    subject          text NOT NULL,
    body             text NOT NULL,
    order_id         uuid,
    channel          text NOT NULL,
    status           text NOT NULL,
    request_hash     uuid NOT NULL,
    created_at       timestamptz NOT NULL
);
CREATE INDEX letters_by_user ON letters (user_id, notification_id);
";

migrations!(
    "notification",
    CONTACTS,
    LETTERS,
    DEAD_LETTERS;
    "m0002_notification_dead_letter_actions" => DEAD_LETTER_ACTIONS;
    "m0003_notification_small_statistics" => SMALL_STATISTICS
);
