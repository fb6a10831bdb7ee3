//! Stock: what is on the shelves, what of it is promised, and what has left them.

use std::collections::HashMap;

use uuid::Uuid;

use crate::report::Report;
use crate::{AuditError, Books, Expected};

/// A rule, and what breaks it.
const RULES: [(&str, &str); 3] = [
    (
        "what is reserved of a position is the sum of the reservations that stand",
        "SELECT format('position %s: reserved %s, reservations %s', position_id, reserved, total) \
         FROM positions FULL JOIN \
              (SELECT position_id, sum(quantity) AS total FROM reservation_lines WHERE state = 'reserved' \
               GROUP BY position_id) AS standing \
         USING (position_id) WHERE reserved IS DISTINCT FROM coalesce(total, 0)",
    ),
    (
        "nothing is sold that is not there",
        "SELECT format('position %s: available %s, reserved %s', position_id, available, reserved) \
         FROM positions WHERE available < 0 OR reserved < 0",
    ),
    (
        "a reservation has no position twice and no quantity below one",
        "SELECT format('order %s, position %s', order_id, position_id) FROM reservation_lines \
         GROUP BY order_id, position_id HAVING count(*) > 1 OR min(quantity) < 1",
    ),
];

/// In one statement, so that no sale falls in between.
const SHELVED: &str = "SELECT position_id, (available + reserved + coalesce(sold, 0))::bigint FROM positions \
    LEFT JOIN (SELECT position_id, sum(quantity) AS sold FROM reservation_lines WHERE state = 'sold' \
               GROUP BY position_id) AS gone USING (position_id)";

const SOLD: &str = "SELECT coalesce(sum(quantity), 0)::bigint FROM reservation_lines WHERE state = 'sold'";

pub(crate) async fn check(stock: &Books, expected: &Expected, report: &mut Report) -> Result<(), AuditError> {
    stock.rules(&RULES, report).await?;
    report.sums.available = stock.number("SELECT coalesce(sum(available), 0)::bigint FROM positions").await?;
    report.sums.reserved = stock.number("SELECT coalesce(sum(reserved), 0)::bigint FROM positions").await?;
    report.sums.sold = stock.number(SOLD).await?;
    if expected.put_in_stock.is_empty() {
        return Ok(());
    }
    let mut shelved: HashMap<Uuid, i64> = HashMap::new();
    for row in stock.rows(SHELVED, Vec::new()).await? {
        shelved.insert(stock.column(&row, 0)?, stock.column(&row, 1)?);
    }
    for (position_id, put) in &expected.put_in_stock {
        let found = shelved.get(position_id);
        if found != Some(put) {
            let said = format!("position {position_id}: put {put}, found {found:?}");
            report.broken_once_more(
                "what is on hand and what is sold are together what was put in stock",
                said,
            );
        }
    }
    Ok(())
}
