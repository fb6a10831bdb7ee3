//! The orchestrator's own: every order has one saga, and both have ended alike.

use crate::quiet::Judged;
use crate::report::Report;
use crate::{AuditError, Books};

/// What holds only while nothing moves.
const ENDED: (&str, &str) = (
    "every saga has reached its end",
    "SELECT format('saga %s of %s: %s, waits for %s%s', saga_id, key, status, waits_for, \
            CASE WHEN stuck_since IS NULL THEN '' ELSE ', stuck' END) \
     FROM sagas WHERE finished_at IS NULL",
);

/// A rule, and what breaks it. Sagas that have ended leave after some days, their orders stay; what somebody
/// answers for with a reason is told beside the findings.
const RULES: [(&str, &str); 3] = [
    (
        "every order has one saga, and every saga of an order has its order",
        "SELECT format('order %s, saga %s', order_id, saga_id) \
         FROM orders FULL JOIN (SELECT * FROM sagas WHERE workflow = 'order') AS sagas \
         ON saga_id = order_id AND key = order_id WHERE order_id IS NULL \
         OR (saga_id IS NULL AND (orders.status = 'pending' OR updated_at > now() - interval '1 day'))",
    ),
    (
        "every saga has a history",
        "SELECT format('saga %s of %s', saga_id, key) FROM sagas \
         WHERE NOT EXISTS (SELECT FROM saga_history WHERE saga_history.saga_id = sagas.saga_id)",
    ),
    (
        "an order has ended as its saga has",
        "SELECT format('order %s is %s, its saga %s', orders.order_id, orders.status, sagas.status) \
         FROM orders JOIN sagas ON saga_id = order_id WHERE sagas.finished_at IS NOT NULL \
         AND NOT EXISTS (SELECT FROM sagas AS turning WHERE turning.key = orders.order_id \
                         AND turning.key <> turning.saga_id AND turning.finished_at IS NULL) \
         AND NOT EXISTS (SELECT FROM operator_actions AS accepted \
                         WHERE accepted.accepted_difference AND accepted.key = orders.order_id) \
         AND NOT CASE orders.status \
             WHEN 'rejected' THEN sagas.status = 'rejected' \
             WHEN 'cancelled' THEN sagas.status = 'cancelled' OR (sagas.status = 'completed' AND (updated_at < now() - interval '1 day' OR EXISTS ( \
                 SELECT FROM sagas AS turning WHERE turning.workflow = 'order_cancellation' \
                 AND turning.key = orders.order_id AND turning.status = 'completed'))) \
             WHEN 'pending' THEN false \
             ELSE sagas.status = 'completed' END",
    ),
];

pub(crate) async fn check(
    orchestrator: &Books,
    judged: Judged,
    report: &mut Report,
) -> Result<(), AuditError> {
    if judged == Judged::All {
        orchestrator.rules(&[ENDED], report).await?;
    }
    orchestrator.rules(&RULES, report).await?;
    let unsent = "SELECT count(*) FROM outbox WHERE sequence IS NULL";
    report.unpublished_events = orchestrator.number(unsent).await?;
    Ok(())
}
