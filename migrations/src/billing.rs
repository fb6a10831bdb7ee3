//! Billing's tables: accounts, holds on them, and a double-entry ledger.
//!
//! The CHECKs are a second line: the rules in `billing` never come near them, and a row that would
//! break one fails its batch instead of being believed.

use crate::shared::{DEAD_LETTER_ACTIONS, DEAD_LETTERS, IDEMPOTENCY_KEYS, SMALL_STATISTICS, migrations};

/// One row a user. Hot: changed by every command that names its user, so half-empty pages keep the
/// updates HOT, and no index covers what changes. `entries` numbers the user's entries without gaps.
/// A balance stays below 2^53, so that every JSON reader sees it exactly.
const ACCOUNTS: &str = "
CREATE TABLE accounts (
    user_id     uuid PRIMARY KEY,
    account_id  uuid NOT NULL,
    balance     bigint NOT NULL CHECK (balance BETWEEN 0 AND 9000000000000000),
    held        bigint NOT NULL CHECK (held BETWEEN 0 AND balance),
    entries     bigint NOT NULL CHECK (entries >= 0),
    opened_at   timestamptz NOT NULL
) WITH (fillfactor = 30);

CREATE TABLE system_accounts (
    account_id  uuid PRIMARY KEY,
    name        text NOT NULL UNIQUE
);
INSERT INTO system_accounts VALUES
    ('00000000-0000-0000-0000-000000000001', 'cash'),
    ('00000000-0000-0000-0000-000000000002', 'revenue');
";

/// One row an order, also where nothing is held: `refused` keeps what the refusal said (`available`),
/// `cancelled` is the tombstone of an undo that came first, `paid` (see [`PAID`]) was taken at once. A hold is
/// not a posting.
const HOLDS: &str = "
CREATE TABLE holds (
    order_id    uuid PRIMARY KEY,
    state       text NOT NULL,
    user_id     uuid,
    amount      bigint CHECK (amount > 0),
    expires_at  timestamptz,
    available   bigint CHECK (available >= 0),
    CHECK (CASE
        WHEN state IN ('held', 'released', 'captured', 'refunded', 'expired')
            THEN num_nonnulls(user_id, amount, expires_at) = 3 AND available IS NULL
        WHEN state = 'refused'
            THEN num_nonnulls(user_id, amount, available) = 3 AND expires_at IS NULL AND available < amount
        ELSE state = 'cancelled' AND num_nonnulls(user_id, amount, expires_at, available) = 0
    END)
) WITH (fillfactor = 60);
";

/// One row an entry: a transfer from the account it debits to the one it credits, so that its two
/// postings sum to zero by construction; the view `postings` shows them. Rows are never changed.
const ENTRIES: &str = "
CREATE TABLE entries (
    entry_id        uuid PRIMARY KEY,
    user_id         uuid NOT NULL,
    number          bigint NOT NULL CHECK (number > 0),
    kind            text NOT NULL,
    debit_account   uuid NOT NULL,
    credit_account  uuid NOT NULL CHECK (credit_account <> debit_account),
    amount          bigint NOT NULL CHECK (amount > 0),
    balance_after   bigint NOT NULL CHECK (balance_after >= 0),
    order_id        uuid,
    created_at      timestamptz NOT NULL,
    UNIQUE (user_id, number),
    CHECK ((order_id IS NOT NULL) = (kind IN ('capture', 'payment', 'refund'))),
    CHECK (CASE kind
        WHEN 'deposit' THEN debit_account = '00000000-0000-0000-0000-000000000001'
        WHEN 'withdrawal' THEN credit_account = '00000000-0000-0000-0000-000000000001'
        WHEN 'refund' THEN debit_account = '00000000-0000-0000-0000-000000000002'
        ELSE kind IN ('capture', 'payment') AND credit_account = '00000000-0000-0000-0000-000000000002'
    END)
);

CREATE VIEW postings AS
    SELECT entry_id, debit_account AS account_id, -amount AS amount, created_at FROM entries
    UNION ALL
    SELECT entry_id, credit_account, amount, created_at FROM entries;
";

/// A payment at once leaves a hold, too; those of before get theirs, where the order has none.
const PAID: &str = "
ALTER TABLE holds DROP CONSTRAINT holds_check;
ALTER TABLE holds ADD CONSTRAINT holds_check CHECK (CASE
    WHEN state IN ('held', 'released', 'captured', 'paid', 'refunded', 'expired')
        THEN num_nonnulls(user_id, amount, expires_at) = 3 AND available IS NULL
    WHEN state = 'refused'
        THEN num_nonnulls(user_id, amount, available) = 3 AND expires_at IS NULL AND available < amount
    ELSE state = 'cancelled' AND num_nonnulls(user_id, amount, expires_at, available) = 0
END);
INSERT INTO holds (order_id, state, user_id, amount, expires_at)
    SELECT order_id, 'paid', user_id, amount, created_at + interval '7 days'
    FROM entries WHERE kind = 'payment' ON CONFLICT DO NOTHING;
";

migrations!(
    "billing",
    ACCOUNTS,
    HOLDS,
    ENTRIES,
    IDEMPOTENCY_KEYS,
    DEAD_LETTERS;
    "m0002_billing_paid" => PAID;
    "m0003_billing_dead_letter_actions" => DEAD_LETTER_ACTIONS;
    "m0004_billing_small_statistics" => SMALL_STATISTICS
);
