//! Delivery's tables: courier slots and their bookings, deliveries, and where users live.
//!
//! The CHECKs are a second line: the rules in `delivery` never come near them, and a row that would break
//! one fails its batch instead of being believed.

use crate::shared::{DEAD_LETTER_ACTIONS, DEAD_LETTERS, OUTBOX, SMALL_STATISTICS, migrations};

/// One row an hour that somebody asked for; its id follows from when it begins. `busy` are the numbers of
/// the couriers that are booked (a JSON list as text). Hot: every booking of the hour changes the row.
const SLOTS: &str = "
CREATE TABLE slots (
    slot_id    uuid PRIMARY KEY,
    begins_at  timestamptz NOT NULL CHECK (extract(epoch FROM begins_at)::bigint % 3600 = 0),
    busy       text NOT NULL
) WITH (fillfactor = 50);
";

/// One row an order that asked for a courier, also where it got none: `cancelled` is the tombstone of a
/// release that came first. `slot_id` is the parent to lock before the row may change.
const BOOKINGS: &str = "
CREATE TABLE bookings (
    order_id   uuid PRIMARY KEY,
    state      text NOT NULL,
    slot_id    uuid,
    begins_at  timestamptz,
    courier    integer CHECK (courier > 0),
    CHECK ((slot_id IS NULL) = (begins_at IS NULL)),
    CHECK (CASE
        WHEN state IN ('booked', 'released') THEN num_nonnulls(slot_id, courier) = 2
        WHEN state = 'refused' THEN slot_id IS NOT NULL AND courier IS NULL
        ELSE state = 'cancelled' AND num_nonnulls(slot_id, courier) = 0
    END)
) WITH (fillfactor = 80);
";

/// One row an order. `address` is where it goes: the one that came with the order (`address_given`), else
/// what the user's profile said when it was scheduled. `never_scheduled` is the tombstone of a
/// cancellation that came first.
const DELIVERIES: &str = "
CREATE TABLE deliveries (
    order_id       uuid PRIMARY KEY,
    status         text NOT NULL,
    user_id        uuid,
    address        text,
    address_given  boolean NOT NULL,
    slot           timestamptz,
    updated_at     timestamptz NOT NULL,
    CHECK (address IS NOT NULL OR NOT address_given),
    CHECK (CASE
        WHEN status IN ('scheduled', 'sent', 'received', 'cancelled') THEN user_id IS NOT NULL
        ELSE status = 'never_scheduled' AND num_nonnulls(user_id, address, slot) = 0
    END)
) WITH (fillfactor = 60);
";

/// The postal address of a user, by the youngest event heard so far, which happened at `changed_at`.
const RECIPIENTS: &str = "
CREATE TABLE recipients (
    user_id     uuid PRIMARY KEY,
    address     text,
    changed_at  timestamptz NOT NULL
);
";

/// By it is found whether anybody is still booked in an hour that is over.
const BOOKINGS_BY_SLOT: &str = "
CREATE INDEX bookings_by_slot ON bookings (slot_id) WHERE slot_id IS NOT NULL;
";

migrations!(
    "delivery",
    SLOTS,
    BOOKINGS,
    DELIVERIES,
    RECIPIENTS,
    OUTBOX,
    DEAD_LETTERS;
    "m0002_delivery_bookings_by_slot" => BOOKINGS_BY_SLOT;
    "m0003_delivery_dead_letter_actions" => DEAD_LETTER_ACTIONS;
    "m0004_delivery_small_statistics" => SMALL_STATISTICS
);
