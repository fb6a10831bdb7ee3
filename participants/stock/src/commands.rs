//! What changes stock, a file each: the keys it needs and its rule, pure and total.

pub mod put_position;
pub mod release_stock;
pub mod reserve_by_operator;
pub mod reserve_stock;
pub mod sell;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod sequences;

use contracts::stock::Line;
use messaging::rows::Rows;

use crate::position::Position;

/// Moves what the lines say, all or none; whether it did.
fn move_all(
    positions: &mut Rows<Position>,
    lines: &[Line],
    moved: fn(&Position, i64) -> Option<Position>,
) -> bool {
    let after = lines.iter().map(|line| moved(positions.get(line.position_id)?, line.quantity));
    let Some(after) = after.collect::<Option<Vec<Position>>>() else { return false };
    for position in after {
        if let Some(before) = positions.get_mut(position.position_id) {
            *before = position;
        }
    }
    true
}
