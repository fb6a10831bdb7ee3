//! Billing: the ledger, the accounts made of it, and the holds.

use sea_orm::Value;
use uuid::Uuid;

use crate::report::Report;
use crate::{AuditError, Books, Expected};

/// A rule, and what breaks it.
const RULES: [(&str, &str); 10] = [
    (
        "an entry has two postings that sum to zero",
        "SELECT format('entry %s: %s postings, sum %s', entry_id, count(*), sum(amount)) \
         FROM postings GROUP BY entry_id HAVING count(*) <> 2 OR sum(amount) <> 0",
    ),
    (
        "a balance is the sum of its account's postings",
        "SELECT format('user %s: balance %s, postings %s', user_id, balance, coalesce(total, 0)) \
         FROM accounts LEFT JOIN (SELECT account_id, sum(amount) AS total FROM postings GROUP BY account_id) AS posted \
         USING (account_id) WHERE balance <> coalesce(total, 0)",
    ),
    (
        "money is posted only to accounts that exist",
        "SELECT DISTINCT format('account %s', account_id) FROM postings \
         WHERE account_id NOT IN (SELECT account_id FROM accounts UNION SELECT account_id FROM system_accounts)",
    ),
    (
        "what is held is the sum of the open holds",
        "SELECT format('user %s: held %s, holds %s', user_id, held, total) \
         FROM accounts FULL JOIN (SELECT user_id, sum(amount) AS total FROM holds WHERE state = 'held' GROUP BY user_id) \
         AS open USING (user_id) WHERE held IS DISTINCT FROM coalesce(total, 0)",
    ),
    (
        "nobody has less than nothing, or more held than there is",
        "SELECT format('user %s: balance %s, held %s', user_id, balance, held) FROM accounts \
         WHERE balance < 0 OR held < 0 OR held > balance",
    ),
    (
        "a statement has no gaps, and its balances follow from its entries",
        "SELECT format('user %s, entry %s: in place %s, balance %s, expected %s', user_id, number, place, balance_after, running) \
         FROM (SELECT entries.user_id, number, balance_after, row_number() OVER statement AS place, \
               sum(postings.amount) OVER statement AS running \
               FROM entries JOIN accounts USING (user_id) \
               JOIN postings ON postings.entry_id = entries.entry_id AND postings.account_id = accounts.account_id \
               WINDOW statement AS (PARTITION BY entries.user_id ORDER BY number)) AS line \
         WHERE number <> place OR balance_after <> running",
    ),
    (
        "an account knows how many entries it has",
        "SELECT format('user %s: says %s, has %s', user_id, accounts.entries, coalesce(written, 0)) \
         FROM accounts LEFT JOIN (SELECT user_id, count(*) AS written FROM entries GROUP BY user_id) AS counted \
         USING (user_id) WHERE accounts.entries <> coalesce(written, 0)",
    ),
    (
        "the money of an order is taken once, by an entry of its hold's amount and user",
        "SELECT format('order %s: held %s of %s, taken %s of %s, in %s entries', order_id, hold.amount, hold.user_id, entry.amount, entry.user_id, times) \
         FROM (SELECT order_id, user_id, amount FROM holds WHERE state IN ('captured', 'paid', 'refunded')) AS hold \
         FULL JOIN (SELECT order_id, min(user_id::text)::uuid AS user_id, sum(amount) AS amount, count(*) AS times \
                    FROM entries WHERE kind IN ('capture', 'payment') GROUP BY order_id) AS entry USING (order_id) \
         WHERE hold.amount IS DISTINCT FROM entry.amount OR hold.user_id IS DISTINCT FROM entry.user_id OR times <> 1",
    ),
    (
        "a hold is captured by a capture, and an order that was paid at once has a payment",
        "SELECT format('order %s: %s, %s', order_id, state, kind) FROM holds JOIN entries USING (order_id) \
         WHERE (state = 'captured' AND kind = 'payment') OR (state = 'paid' AND kind = 'capture')",
    ),
    (
        "a refunded hold is given back by one entry of its amount and user, and nothing else is refunded",
        "SELECT format('order %s: held %s of %s, refunded %s of %s', order_id, hold.amount, hold.user_id, entry.amount, entry.user_id) \
         FROM (SELECT order_id, user_id, amount FROM holds WHERE state = 'refunded') AS hold \
         FULL JOIN (SELECT order_id, min(user_id::text)::uuid AS user_id, sum(amount) AS amount, count(*) AS times \
                    FROM entries WHERE kind = 'refund' GROUP BY order_id) AS entry USING (order_id) \
         WHERE hold.amount IS DISTINCT FROM entry.amount OR hold.user_id IS DISTINCT FROM entry.user_id OR times <> 1",
    ),
];

/// In one statement, so that no deposit falls in between.
const SUMS: &str = "SELECT \
    coalesce(sum(amount) FILTER (WHERE kind = 'deposit'), 0)::bigint, \
    coalesce(sum(amount) FILTER (WHERE kind = 'withdrawal'), 0)::bigint, \
    coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0)::bigint, \
    coalesce(sum(amount) FILTER (WHERE kind = 'payment'), 0)::bigint, \
    coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0)::bigint, \
    (SELECT coalesce(sum(balance), 0)::bigint FROM accounts), \
    (SELECT coalesce(sum(held), 0)::bigint FROM accounts) FROM entries";

const DEPOSITS: &str =
    "SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE kind = 'deposit' AND user_id = $1";

pub(crate) async fn check(
    billing: &Books,
    expected: &Expected,
    report: &mut Report,
) -> Result<(), AuditError> {
    billing.rules(&RULES, report).await?;
    if let Some(row) = billing.rows(SUMS, Vec::new()).await?.first() {
        report.sums.deposited = billing.column(row, 0)?;
        report.sums.withdrawn = billing.column(row, 1)?;
        report.sums.captured = billing.column(row, 2)?;
        report.sums.paid = billing.column(row, 3)?;
        report.sums.refunded = billing.column(row, 4)?;
        report.sums.balances = billing.column(row, 5)?;
        report.sums.held = billing.column(row, 6)?;
    }
    for (user_id, amount) in &expected.deposited {
        check_deposits(billing, *user_id, *amount, report).await?;
    }
    Ok(())
}

async fn check_deposits(
    billing: &Books,
    user_id: Uuid,
    amount: i64,
    report: &mut Report,
) -> Result<(), AuditError> {
    let rows = billing.rows(DEPOSITS, vec![Value::from(user_id)]).await?;
    let found: i64 = rows.first().map_or(Ok(0), |row| billing.column(row, 0))?;
    if found != amount {
        let said = format!("user {user_id}: deposited {amount}, in the ledger {found}");
        report.broken_once_more("every deposit is in the ledger once", said);
    }
    Ok(())
}
