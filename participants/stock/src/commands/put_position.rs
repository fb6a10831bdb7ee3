//! Setting a position: its name, its price and how many are on hand.
//!
//! On hand is what the shelf holds, including what is reserved: whoever counts the shelf need not know
//! of orders. What can be ordered is the rest. What is sold is no longer there.

use contracts::Amount;
use uuid::Uuid;

use crate::decider::{Keys, Set};
use crate::position::Position;

/// What a position is to be.
#[derive(Debug, Clone)]
pub struct PutPosition {
    /// The position; made if it is not there.
    pub position_id: Uuid,
    /// What it is called.
    pub name: String,
    /// Of one; what is reserved keeps its price.
    pub price: Amount,
    /// How many are on hand, including what is reserved, without what is sold: 0 to 10^12.
    pub on_hand: i64,
}

/// More is reserved than is on hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutRefusal {
    /// So many.
    pub reserved: i64,
}

pub(crate) fn touches(request: &PutPosition, keys: &mut Keys) {
    keys.positions.insert(request.position_id);
}

pub(crate) fn decide(set: &mut Set, request: &PutPosition) -> Result<Position, PutRefusal> {
    let reserved = set.positions.get(request.position_id).map_or(0, |position| position.reserved);
    let available = request.on_hand.checked_sub(reserved).filter(|available| *available >= 0);
    let position = Position {
        position_id: request.position_id,
        name: request.name.clone(),
        price: request.price.get(),
        available: available.ok_or(PutRefusal { reserved })?,
        reserved,
    };
    match set.positions.get_mut(request.position_id) {
        Some(before) => *before = position.clone(),
        None => set.positions.insert(position.clone()),
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sample::{TEA, UNKNOWN, counts, shelf};

    fn request(position_id: Uuid, on_hand: i64) -> PutPosition {
        PutPosition { position_id, name: "green tea".into(), price: Amount::new(60).unwrap(), on_hand }
    }

    #[test]
    fn a_position_is_made() {
        let mut set = shelf();
        decide(&mut set, &request(UNKNOWN, 8)).unwrap();
        assert_eq!(counts(&set, UNKNOWN), (8, 0));
    }

    #[test]
    fn what_is_on_hand_includes_what_is_reserved() {
        let mut set = shelf();
        let tea = set.positions.get_mut(TEA).unwrap();
        *tea = tea.reserving(4).unwrap();
        let position = decide(&mut set, &request(TEA, 5)).unwrap();
        assert_eq!((position.name.as_str(), position.price), ("green tea", 60));
        assert_eq!(counts(&set, TEA), (1, 4));
    }

    #[test]
    fn not_less_than_is_reserved() {
        let mut set = shelf();
        let tea = set.positions.get_mut(TEA).unwrap();
        *tea = tea.reserving(4).unwrap();
        assert_eq!(decide(&mut set, &request(TEA, 3)).unwrap_err(), PutRefusal { reserved: 4 });
        assert_eq!(counts(&set, TEA), (6, 4));
        assert_eq!(set.positions.get(TEA).unwrap().name, "tea");
    }
}
