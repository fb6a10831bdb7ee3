//! `reserve_stock`: all the items of an order at the prices of the moment, or none.
//!
//! A refusal leaves a row as well: the order is told the same for ever, also when there is stock again.

use contracts::stock::{Item, Line, ReserveStock, StockRefusal, StockReserved};
use contracts::{Amount, Reply, Timestamp};
use messaging::rows::Rows;
use uuid::Uuid;

use crate::decider::{Keys, Set};
use crate::position::Position;
use crate::reservation::Reservation;

/// The most items of an order.
const ITEMS_MAX: usize = 100;
/// The largest quantity of an item.
pub(crate) const QUANTITY_MAX: i64 = 1_000_000_000;

pub(crate) fn touches(command: &ReserveStock, keys: &mut Keys) {
    keys.new_orders.insert(command.order_id);
    keys.positions.extend(command.items.iter().map(|item| item.position_id));
}

pub(crate) fn decide(set: &mut Set, command: &ReserveStock, _: Timestamp) -> Reply<ReserveStock> {
    if let Some(earlier) = set.reservations.get(command.order_id) {
        return earlier.repeated(command);
    }
    if !is_sound(&command.items) {
        tracing::error!(order_id = %command.order_id, "items that no order can have");
        return Reply::Fault("items that no order can have".to_owned());
    }
    let decided = reserve(&mut set.positions, &command.items, command.expected_total);
    set.reservations.insert(Reservation::decided(command, &decided));
    decided.map_or_else(Reply::Refused, Reply::Done)
}

/// The bounds of the contract. Whoever breaks them gets no row, so that a corrected asking is heard.
fn is_sound(items: &[Item]) -> bool {
    let mut position_ids: Vec<Uuid> = items.iter().map(|item| item.position_id).collect();
    position_ids.sort_unstable();
    position_ids.dedup();
    position_ids.len() == items.len()
        && (1..=ITEMS_MAX).contains(&items.len())
        && items.iter().all(|item| (1..=QUANTITY_MAX).contains(&item.quantity))
}

/// Reserves all items; a refusal leaves the positions as they were.
pub(crate) fn reserve(
    positions: &mut Rows<Position>,
    items: &[Item],
    expected_total: Option<i64>,
) -> Result<StockReserved, StockRefusal> {
    let unknown = without(items, |item| positions.get(item.position_id).is_some());
    if !unknown.is_empty() {
        return Err(StockRefusal::UnknownPosition { position_ids: unknown });
    }
    let after: Vec<Option<Position>> = items
        .iter()
        .map(|item| positions.get(item.position_id).and_then(|position| position.reserving(item.quantity)))
        .collect();
    let Some(after) = after.iter().cloned().collect::<Option<Vec<Position>>>() else {
        let short = items.iter().zip(&after).filter(|(_, after)| after.is_none());
        let position_ids = short.map(|(item, _)| item.position_id).collect();
        return Err(StockRefusal::OutOfStock { position_ids });
    };
    let total = total(items, &after).ok_or(StockRefusal::TotalTooLarge)?;
    if expected_total.is_some_and(|expected| expected != total.get()) {
        return Err(StockRefusal::PriceChanged { total: total.get() });
    }
    let lines = items.iter().zip(&after).map(|(item, position)| line(item, position)).collect();
    for position in after {
        if let Some(before) = positions.get_mut(position.position_id) {
            *before = position;
        }
    }
    Ok(StockReserved { total, lines })
}

fn without(items: &[Item], fulfils: impl Fn(&Item) -> bool) -> Vec<Uuid> {
    items.iter().filter(|item| !fulfils(item)).map(|item| item.position_id).collect()
}

/// What the items cost; `None` above what one operation may move.
fn total(items: &[Item], positions: &[Position]) -> Option<Amount> {
    let costs = items.iter().zip(positions).map(|(item, position)| position.price.checked_mul(item.quantity));
    let total = costs.into_iter().try_fold(0_i64, |total, cost| total.checked_add(cost?))?;
    Amount::new(total).ok()
}

fn line(item: &Item, position: &Position) -> Line {
    Line {
        position_id: item.position_id,
        name: position.name.clone(),
        quantity: item.quantity,
        price: position.price,
    }
}

#[cfg(test)]
mod tests {
    use contracts::MAX_AMOUNT;

    use super::*;
    use crate::commands::sample::{COFFEE, ORDER, TEA, UNKNOWN, counts, item, now, shelf};

    fn command(items: &[Item]) -> ReserveStock {
        ReserveStock { order_id: ORDER, items: items.to_vec(), expected_total: None }
    }

    fn refused(set: &mut Set, command: &ReserveStock) -> StockRefusal {
        match decide(set, command, now()) {
            Reply::Refused(refusal) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn all_items_are_reserved_at_the_prices_of_the_moment() {
        let mut set = shelf();
        let reply = decide(&mut set, &command(&[item(COFFEE, 2), item(TEA, 3)]), now());
        let Reply::Done(reserved) = reply else { panic!("{reply:?}") };
        assert_eq!(reserved.total.get(), 2 * 70 + 3 * 50);
        let lines: Vec<_> = reserved.lines.iter().map(|l| (l.name.as_str(), l.quantity, l.price)).collect();
        assert_eq!(lines, [("coffee", 2, 70), ("tea", 3, 50)], "in the order of the items");
        assert_eq!((counts(&set, TEA), counts(&set, COFFEE)), ((7, 3), (2, 2)));
    }

    #[test]
    fn what_is_short_is_named_and_nothing_is_reserved() {
        let mut set = shelf();
        let refusal = refused(&mut set, &command(&[item(TEA, 11), item(COFFEE, 1)]));
        assert_eq!(refusal, StockRefusal::OutOfStock { position_ids: vec![TEA] });
        assert_eq!((counts(&set, TEA), counts(&set, COFFEE)), ((10, 0), (4, 0)));
    }

    #[test]
    fn what_is_unknown_is_named_before_what_is_short() {
        let refusal = refused(&mut shelf(), &command(&[item(TEA, 11), item(UNKNOWN, 1)]));
        assert_eq!(refusal, StockRefusal::UnknownPosition { position_ids: vec![UNKNOWN] });
    }

    #[test]
    fn another_total_than_the_expected_one_is_refused_with_the_total() {
        let mut set = shelf();
        let expecting = |total| ReserveStock { expected_total: Some(total), ..command(&[item(TEA, 2)]) };
        assert_eq!(refused(&mut set, &expecting(99)), StockRefusal::PriceChanged { total: 100 });
        assert_eq!(counts(&set, TEA), (10, 0));
        let reply = decide(&mut shelf(), &expecting(100), now());
        assert!(matches!(reply, Reply::Done(_)), "{reply:?}");
    }

    #[test]
    fn a_total_that_no_order_may_cost_is_refused() {
        for price in [MAX_AMOUNT, i64::MAX / 3] {
            let mut set = shelf();
            set.positions.get_mut(TEA).unwrap().price = price;
            assert_eq!(refused(&mut set, &command(&[item(TEA, 4)])), StockRefusal::TotalTooLarge);
            assert_eq!(counts(&set, TEA), (10, 0));
        }
    }

    #[test]
    fn a_repeat_gets_the_same_reply_also_after_prices_changed() {
        let mut set = shelf();
        let command = command(&[item(TEA, 3)]);
        let first = decide(&mut set, &command, now());
        set.positions.get_mut(TEA).unwrap().price = 1;
        assert_eq!(decide(&mut set, &command, now()), first);
        assert_eq!(counts(&set, TEA), (7, 3), "and nothing more is reserved");
    }

    #[test]
    fn a_refusal_is_repeated_also_when_there_is_stock_again() {
        let mut set = shelf();
        let command = command(&[item(TEA, 11)]);
        let first = refused(&mut set, &command);
        set.positions.get_mut(TEA).unwrap().available = 100;
        assert_eq!(refused(&mut set, &command), first);
        assert_eq!(counts(&set, TEA), (100, 0));
    }

    #[test]
    fn another_request_of_the_same_order_is_a_fault() {
        let mut set = shelf();
        decide(&mut set, &command(&[item(TEA, 3)]), now());
        let others = [
            command(&[item(TEA, 4)]),
            command(&[item(COFFEE, 3)]),
            command(&[item(TEA, 3), item(COFFEE, 1)]),
            ReserveStock { expected_total: Some(150), ..command(&[item(TEA, 3)]) },
        ];
        for other in others {
            let reply = decide(&mut set, &other, now());
            assert!(matches!(reply, Reply::Fault(_)), "{reply:?}");
        }
        assert_eq!(counts(&set, TEA), (7, 3));
    }

    #[test]
    fn another_request_of_a_refused_order_is_a_fault() {
        let mut set = shelf();
        refused(&mut set, &command(&[item(TEA, 11)]));
        let reply = decide(&mut set, &command(&[item(TEA, 1)]), now());
        assert!(matches!(reply, Reply::Fault(_)), "{reply:?}");
    }

    #[test]
    fn what_breaks_the_contract_is_a_fault_without_a_row() {
        let many: Vec<Item> = (1000..1101).map(|id| item(Uuid::from_u128(id), 1)).collect();
        let broken = [
            vec![],
            vec![item(TEA, 0)],
            vec![item(TEA, -5)],
            vec![item(TEA, QUANTITY_MAX + 1)],
            vec![item(TEA, 1), item(TEA, 1)],
            many,
        ];
        for items in broken {
            let mut set = shelf();
            let reply = decide(&mut set, &command(&items), now());
            assert!(matches!(reply, Reply::Fault(_)), "{reply:?}");
            assert!(set.reservations.get(ORDER).is_none());
            assert_eq!(counts(&set, TEA), (10, 0));
        }
    }
}
