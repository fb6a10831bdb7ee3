//! Any sequence of commands and events against a model that knows only which orders stand: nothing is
//! lost, nothing is sold twice, and whoever asks again is told the same.

use std::collections::{BTreeMap, BTreeSet};

use contracts::Amount;
use contracts::order::OrderConfirmed;
use contracts::stock::{Item, Line, ReleaseStock, ReserveStock};
use messaging::{Answer as Given, Decider};
use proptest::prelude::*;
use uuid::Uuid;

use super::put_position::PutPosition;
use super::reserve_by_operator::ReserveByOperator;
use super::sample::{confirmed, now};
use crate::decider::{Answer, Command, Input, Set, Stock};
use crate::reservation::State;

const POSITIONS: u128 = 3;
const ORDERS: u128 = 6;

fn position() -> impl Strategy<Value = Uuid> {
    (0..POSITIONS).prop_map(|id| Uuid::from_u128(100 + id))
}

fn order() -> impl Strategy<Value = Uuid> {
    (0..ORDERS).prop_map(Uuid::from_u128)
}

fn reserve() -> impl Strategy<Value = Input> {
    let items = prop::collection::btree_map(position(), 1..6_i64, 1..=3);
    (order(), items, prop::option::of(1..400_i64)).prop_map(|(order_id, items, expected_total)| {
        let items = items.into_iter().map(|(position_id, quantity)| Item { position_id, quantity });
        Input::Command(Command::ReserveStock(ReserveStock {
            order_id,
            items: items.collect(),
            expected_total,
        }))
    })
}

fn input() -> impl Strategy<Value = Input> {
    let put = (position(), 1..100_i64, 0..20_i64).prop_map(|(position_id, price, on_hand)| {
        let price = Amount::new(price).unwrap();
        Input::PutPosition(PutPosition { position_id, name: "x".into(), price, on_hand })
    });
    let by_operator = (order(), position(), 1..6_i64).prop_map(|(order_id, position_id, quantity)| {
        Input::ReserveByOperator(ReserveByOperator { order_id, position_id, quantity })
    });
    let release =
        order().prop_map(|order_id| Input::Command(Command::ReleaseStock(ReleaseStock { order_id })));
    let confirm = order().prop_map(|order_id| Input::Confirmed(OrderConfirmed { order_id, ..confirmed() }));
    prop_oneof![4 => reserve(), 1 => by_operator, 3 => release, 3 => confirm, 2 => put]
}

/// What is on the shelves, what orders have of it, and every order's first reply to a request.
#[derive(Default)]
struct Model {
    on_hand: BTreeMap<Uuid, i64>,
    reserved: BTreeMap<Uuid, Vec<Line>>,
    sold: BTreeMap<Uuid, Vec<Line>>,
    replies: BTreeMap<String, String>,
    released: BTreeSet<Uuid>,
}

impl Model {
    fn learn(&mut self, input: &Input, answer: &Given<Answer>) -> Result<(), TestCaseError> {
        match (input, answer) {
            (Input::PutPosition(put), Given::Caller(Answer::Put(Ok(_)))) => {
                self.on_hand.insert(put.position_id, put.on_hand);
            }
            (Input::ReserveByOperator(asked), Given::Caller(Answer::Reserved(Ok(line)))) => {
                self.reserve(asked.order_id, vec![line.clone()]);
            }
            (Input::Confirmed(event), _) => {
                if let Some(lines) = self.reserved.remove(&event.order_id) {
                    self.change_on_hand(&lines, -1);
                    self.sold.insert(event.order_id, lines);
                }
            }
            (Input::Command(command), Given::Reply(reply)) => {
                let reply = serde_json::to_string(reply).unwrap();
                match command {
                    Command::ReleaseStock(release) => self.release(release.order_id),
                    Command::ReserveStock(reserve) if self.released.contains(&reserve.order_id) => {
                        let is_late = reply.contains("cancelled")
                            || reply.contains("refused")
                            || reply.contains("fault");
                        prop_assert!(is_late, "nothing is reserved after its release: {}", reply);
                        return Ok(());
                    }
                    Command::ReserveStock(reserve) => {
                        let told: serde_json::Value = serde_json::from_str(&reply).unwrap();
                        if told["outcome"] == "done" {
                            let lines = serde_json::from_value(told["body"]["lines"].clone()).unwrap();
                            self.reserve(reserve.order_id, lines);
                        }
                    }
                }
                let first = self.replies.entry(format!("{command:?}")).or_insert_with(|| reply.clone());
                prop_assert_eq!(&*first, &reply, "the reply to {:?}", command);
            }
            _ => {}
        }
        Ok(())
    }

    fn reserve(&mut self, order_id: Uuid, lines: Vec<Line>) {
        if !self.sold.contains_key(&order_id) {
            self.reserved.entry(order_id).or_insert(lines);
        }
    }

    fn release(&mut self, order_id: Uuid) {
        self.released.insert(order_id);
        self.reserved.remove(&order_id);
        if let Some(lines) = self.sold.remove(&order_id) {
            self.change_on_hand(&lines, 1);
        }
    }

    fn change_on_hand(&mut self, lines: &[Line], sign: i64) {
        for line in lines {
            *self.on_hand.entry(line.position_id).or_default() += sign * line.quantity;
        }
    }

    fn check(&self, set: &Set) -> Result<(), TestCaseError> {
        for reservation in set.reservations.iter() {
            let (reserved, sold) =
                (self.reserved.get(&reservation.order_id), self.sold.get(&reservation.order_id));
            match &reservation.state.0 {
                State::Reserved(is) => prop_assert_eq!((reserved, sold), (Some(&is.lines), None)),
                State::Sold(is) => prop_assert_eq!((reserved, sold), (None, Some(&is.lines))),
                _ => prop_assert_eq!((reserved, sold), (None, None)),
            }
        }
        let mut promised: BTreeMap<Uuid, i64> = BTreeMap::new();
        for line in self.reserved.values().flatten() {
            *promised.entry(line.position_id).or_default() += line.quantity;
        }
        for position in set.positions.iter() {
            prop_assert!(position.available >= 0 && position.reserved >= 0, "{:?}", position);
            let on_hand = position.available + position.reserved;
            prop_assert_eq!(Some(&on_hand), self.on_hand.get(&position.position_id));
            let promised = promised.get(&position.position_id).copied().unwrap_or_default();
            prop_assert_eq!(position.reserved, promised);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_stock_adds_up(inputs in prop::collection::vec(input(), 1..80)) {
        let (stock, mut set, mut model) = (Stock::default(), Set::default(), Model::default());
        for input in &inputs {
            let decided = stock.decide(&mut set, input, now());
            model.learn(input, &decided.answer)?;
            model.check(&set)?;
        }
    }
}
