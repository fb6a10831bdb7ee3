//! The orchestrator's tables: orders, their sagas and the sagas' histories.

use crate::shared::{
    DEAD_LETTER_ACTIONS, DEAD_LETTERS, IDEMPOTENCY_KEYS, OUTBOX, SMALL_STATISTICS, migrations,
};

/// A saga is one row plus its history. `state` and `data` belong to the saga's model; the plain columns
/// are derived from them for the sweep and for operators. All JSON here is text: only its own types
/// write and read it, and PostgreSQL's parsing it anew at every step was a tenth of its work.
///
/// No index covers what changes with every step, so that updates stay HOT, and a batch's sagas lie on
/// the same pages: more than half of each is kept free for their next versions. One partial index
/// changes once in a saga's life; the other is for workflows whose saga is not named like its key.
const SAGAS: &str = "
CREATE TABLE sagas (
    saga_id      uuid PRIMARY KEY,
    workflow     text NOT NULL,
    version      integer NOT NULL,
    key          uuid NOT NULL,
    state        text NOT NULL,
    data         text NOT NULL,
    status       text NOT NULL,
    step         text,
    waits_for    text NOT NULL,
    stuck_since  timestamptz,
    paused_by    text,
    deadline_at  timestamptz,
    wake_at      timestamptz,
    traceparent  text,
    created_at   timestamptz NOT NULL,
    finished_at  timestamptz,
    CHECK ((finished_at IS NULL) = (wake_at IS NOT NULL))
) WITH (fillfactor = 45);
CREATE INDEX sagas_open ON sagas (saga_id) WHERE finished_at IS NULL;
CREATE INDEX sagas_by_key ON sagas (key) WHERE key <> saga_id;

CREATE TABLE saga_history (
    saga_id  uuid NOT NULL,
    seq      integer NOT NULL,
    at       timestamptz NOT NULL,
    input    text NOT NULL,
    effects  text NOT NULL,
    PRIMARY KEY (saga_id, seq)
);
";

/// The order's saga has the order's id. `price` is what the client sent, `total` what the order costs
/// once that is known.
const ORDERS: &str = "
CREATE TABLE orders (
    order_id    uuid PRIMARY KEY,
    user_id     uuid NOT NULL,
    status      text NOT NULL,
    reason      text,
    refusal     text NOT NULL,
    items       text NOT NULL,
    price       bigint CHECK (price > 0),
    total       bigint CHECK (total > 0),
    comment     text,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
) WITH (fillfactor = 45);
CREATE INDEX orders_by_user ON orders (user_id, order_id);
";

/// Workflows and participants to which nothing is sent.
const PAUSES: &str = "
CREATE TABLE pauses (
    pause_id  uuid PRIMARY KEY,
    scope     text NOT NULL CHECK (scope IN ('workflow', 'participant')),
    name      text NOT NULL,
    since     timestamptz NOT NULL,
    actor     text NOT NULL,
    reason    text NOT NULL,
    UNIQUE (scope, name)
);
";

/// What people did to sagas, written in the transaction of the deed.
const OPERATOR_ACTIONS: &str = "
CREATE TABLE operator_actions (
    action_id            uuid PRIMARY KEY,
    at                   timestamptz NOT NULL,
    actor                text NOT NULL,
    action               text NOT NULL,
    reason               text NOT NULL,
    saga_id              uuid,
    key                  uuid,
    target               text,
    accepted_difference  boolean NOT NULL,
    before               text NOT NULL,
    after                text NOT NULL
);
CREATE INDEX operator_actions_by_saga ON operator_actions (saga_id) WHERE saga_id IS NOT NULL;
CREATE INDEX operator_actions_accepted ON operator_actions (key) WHERE accepted_difference;
";

/// The row says only what it is now; a timeline that is read late tells also when the order was sent.
const ORDERS_SENT_AT: &str = "ALTER TABLE orders ADD COLUMN sent_at timestamptz;";

/// A row for what one commit decided, no more for each of its inputs. Not for two releases at once: there was
/// none before it.
const HISTORY_BY_COMMIT: &str = "
ALTER TABLE saga_history ADD COLUMN inputs text;
UPDATE saga_history SET inputs = '[[' || input || ',' || effects || ']]';
ALTER TABLE saga_history ALTER COLUMN inputs SET NOT NULL, DROP COLUMN input, DROP COLUMN effects;
";

migrations!(
    "orchestrator",
    SAGAS,
    ORDERS,
    PAUSES,
    OPERATOR_ACTIONS,
    OUTBOX,
    IDEMPOTENCY_KEYS,
    DEAD_LETTERS;
    "m0002_orchestrator_sent_at" => ORDERS_SENT_AT;
    "m0003_orchestrator_dead_letter_actions" => DEAD_LETTER_ACTIONS;
    "m0004_orchestrator_history_by_commit" => HISTORY_BY_COMMIT;
    "m0005_orchestrator_small_statistics" => SMALL_STATISTICS
);
