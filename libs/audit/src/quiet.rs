//! Which orders are judged: what happens to an order while it is looked at is no disagreement.

use std::collections::HashSet;
use std::time::Duration;

use sea_orm::Value;
use uuid::Uuid;

use crate::{AuditError, Books};

/// Which orders are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// All: the caller knows that nothing moves.
    All,
    /// Those that nothing has happened to for so many seconds.
    QuietFor(u32),
}

/// Whether an order of `orders` is quiet; `$1` is for how many seconds.
const IS_QUIET: &str = "(updated_at < now() - make_interval(secs => $1) \
    AND NOT EXISTS (SELECT FROM sagas WHERE saga_id = order_id \
                    AND (finished_at IS NULL OR finished_at > now() - make_interval(secs => $1))) \
    AND NOT EXISTS (SELECT FROM sagas WHERE key = order_id AND key <> saga_id \
                    AND (finished_at IS NULL OR finished_at > now() - make_interval(secs => $1))))";

impl Judged {
    /// Those among the orders with these ids that are not quiet now. Ids that are nobody's order are not
    /// among them, unless they are so new that their order may still come.
    pub(crate) async fn moving(
        self,
        orchestrator: &Books,
        ids: Vec<Uuid>,
    ) -> Result<HashSet<Uuid>, AuditError> {
        let Self::QuietFor(seconds) = self else { return Ok(HashSet::new()) };
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let now = orchestrator.number("SELECT extract(epoch FROM now())::bigint").await?;
        let young = ids.iter().copied().filter(|id| is_younger(*id, now, seconds));
        let mut moving: HashSet<Uuid> = young.collect();
        let sql = format!("SELECT order_id FROM orders WHERE order_id = ANY($2) AND NOT {IS_QUIET}");
        let values = vec![Value::from(f64::from(seconds)), Value::from(ids)];
        for row in orchestrator.rows(&sql, values).await? {
            moving.insert(orchestrator.column(&row, 0)?);
        }
        Ok(moving)
    }
}

/// By the time in an id; one without (an operator's invention) is old.
fn is_younger(id: Uuid, now_epoch_seconds: i64, seconds: u32) -> bool {
    let made = id.get_timestamp().map_or(Duration::ZERO, |time| Duration::from_secs(time.to_unix().0));
    let now = Duration::from_secs(now_epoch_seconds.unsigned_abs());
    made + Duration::from_secs(seconds.into()) > now
}
