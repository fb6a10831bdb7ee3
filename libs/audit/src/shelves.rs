//! Stock: what is on the shelves, and what of it is promised.

use sea_orm::Value;

use crate::report::Report;
use crate::{AuditError, Books, Expected};

/// A rule, and what breaks it.
const RULES: [(&str, &str); 3] = [
    (
        "what is reserved of a position is the sum of the reservations that stand",
        "SELECT format('position %s: reserved %s, reservations %s', position_id, reserved, total) \
         FROM positions FULL JOIN \
              (SELECT position_id, sum(quantity) AS total FROM reserved_lines GROUP BY position_id) AS standing \
         USING (position_id) WHERE reserved IS DISTINCT FROM coalesce(total, 0)",
    ),
    (
        "nothing is sold that is not there",
        "SELECT format('position %s: available %s, reserved %s', position_id, available, reserved) \
         FROM positions WHERE available < 0 OR reserved < 0",
    ),
    (
        "a reservation has no position twice and no quantity below one",
        "SELECT format('order %s, position %s', order_id, position_id) FROM reserved_lines \
         GROUP BY order_id, position_id HAVING count(*) > 1 OR min(quantity) < 1",
    ),
];

const ON_HAND: &str = "SELECT available + reserved FROM positions WHERE position_id = $1";

pub(crate) async fn check(stock: &Books, expected: &Expected, report: &mut Report) -> Result<(), AuditError> {
    stock.rules(&RULES, report).await?;
    report.sums.available = stock.number("SELECT coalesce(sum(available), 0)::bigint FROM positions").await?;
    report.sums.reserved = stock.number("SELECT coalesce(sum(reserved), 0)::bigint FROM positions").await?;
    for (position_id, on_hand) in &expected.on_hand {
        let rows = stock.rows(ON_HAND, vec![Value::from(*position_id)]).await?;
        let found: Option<i64> = rows.first().map(|row| stock.column(row, 0)).transpose()?;
        if found != Some(*on_hand) {
            let said = format!("position {position_id}: put {on_hand}, found {found:?}");
            report.broken_once_more("available and reserved are together what was put in stock", said);
        }
    }
    Ok(())
}
