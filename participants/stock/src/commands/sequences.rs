//! Any sequence of commands against a model that knows only which orders stand: nothing is lost, nothing
//! is sold twice, and whoever asks again is told the same.

use std::collections::{BTreeMap, BTreeSet};

use contracts::Amount;
use contracts::stock::{Item, ReleaseStock, ReserveStock};
use messaging::{Answer as Given, Decider};
use proptest::prelude::*;
use uuid::Uuid;

use super::put_position::PutPosition;
use super::reserve_by_operator::ReserveByOperator;
use super::sample::now;
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
    prop_oneof![4 => reserve(), 1 => by_operator, 3 => release, 2 => put]
}

/// What was put on the shelves, and every order's first reply to a request.
#[derive(Default)]
struct Model {
    on_hand: BTreeMap<Uuid, i64>,
    replies: BTreeMap<String, String>,
    released: BTreeSet<Uuid>,
}

impl Model {
    fn learn(&mut self, input: &Input, answer: &Given<Answer>) -> Result<(), TestCaseError> {
        match (input, answer) {
            (Input::PutPosition(put), Given::Caller(Answer::Put(Ok(_)))) => {
                self.on_hand.insert(put.position_id, put.on_hand);
            }
            (Input::Command(command), Given::Reply(reply)) => {
                let reply = serde_json::to_string(reply).unwrap();
                match command {
                    Command::ReleaseStock(release) => drop(self.released.insert(release.order_id)),
                    Command::ReserveStock(reserve) if self.released.contains(&reserve.order_id) => {
                        let is_late = reply.contains("cancelled")
                            || reply.contains("refused")
                            || reply.contains("fault");
                        prop_assert!(is_late, "nothing is reserved after its release: {}", reply);
                        return Ok(());
                    }
                    Command::ReserveStock(_) => {}
                }
                let first = self.replies.entry(format!("{command:?}")).or_insert_with(|| reply.clone());
                prop_assert_eq!(&*first, &reply, "the reply to {:?}", command);
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self, set: &Set) -> Result<(), TestCaseError> {
        let mut promised: BTreeMap<Uuid, i64> = BTreeMap::new();
        for reservation in set.reservations.iter() {
            if let State::Reserved(reserved) = &reservation.state.0 {
                for line in &reserved.lines {
                    *promised.entry(line.position_id).or_default() += line.quantity;
                }
            }
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
        let (mut set, mut model) = (Set::default(), Model::default());
        for input in &inputs {
            let decided = Stock.decide(&mut set, input, now());
            model.learn(input, &decided.answer)?;
            model.check(&set)?;
        }
    }
}
