//! The orchestrator's tables: orders, their sagas and the sagas' histories.

use crate::shared::{DEAD_LETTERS, IDEMPOTENCY_KEYS, OUTBOX, first_migration};

/// A saga is one row plus its history. `state` and `data` belong to the saga's model; the plain columns
/// are derived from them for the sweep and for operators. No index covers what changes with every
/// step, so that updates stay HOT; the one partial index changes once in a saga's life.
const SAGAS: &str = "
CREATE TABLE sagas (
    saga_id      uuid PRIMARY KEY,
    workflow     text NOT NULL,
    version      integer NOT NULL,
    key          uuid NOT NULL,
    state        json NOT NULL,
    data         json NOT NULL,
    status       text NOT NULL,
    step         text,
    waits_for    text NOT NULL,
    stuck_since  timestamptz,
    deadline_at  timestamptz,
    wake_at      timestamptz,
    traceparent  text,
    created_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    CHECK ((finished_at IS NULL) = (wake_at IS NOT NULL))
) WITH (fillfactor = 60);
CREATE INDEX sagas_open ON sagas (saga_id) WHERE finished_at IS NULL;
CREATE INDEX sagas_by_key ON sagas (key);

CREATE TABLE saga_history (
    saga_id  uuid NOT NULL,
    seq      integer NOT NULL,
    at       timestamptz NOT NULL,
    record   json NOT NULL,
    PRIMARY KEY (saga_id, seq)
);
";

/// `price` is what the client sent, `total` what the order costs once that is known.
const ORDERS: &str = "
CREATE TABLE orders (
    order_id    uuid PRIMARY KEY,
    user_id     uuid NOT NULL,
    saga_id     uuid NOT NULL,
    status      text NOT NULL,
    reason      text,
    refusal     json NOT NULL,
    items       json NOT NULL,
    price       bigint CHECK (price > 0),
    total       bigint CHECK (total > 0),
    comment     text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
) WITH (fillfactor = 60);
CREATE INDEX orders_by_user ON orders (user_id, order_id);
";

first_migration!("orchestrator", SAGAS, ORDERS, OUTBOX, IDEMPOTENCY_KEYS, DEAD_LETTERS);
