//! The transition table, row by row.

mod forward;
mod ignored;
mod operators;
mod paused;
mod tail;
mod undoing;
mod until_answered;

use contracts::Direction::Do;
use saga::Input;

use crate::order::{Order, start};

#[test]
fn commands_carry_what_their_participant_needs() {
    let definition = crate::order::definition();
    let saga = saga::Instance::new(&definition, uuid::Uuid::from_u128(5), Order::of_items(), start());
    let (saga, effects) = saga::advance(&definition, saga, &Input::Begin, start());
    let [saga::Effect::Send(sent)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((sent.command_type, sent.participant), ("cmd.stock.reserve_stock.v1", "stock"));
    assert_eq!(sent.command_id, contracts::command_id(saga.id, "reserve_stock", Do));
    let command: contracts::stock::ReserveStock = serde_json::from_str(sent.data.get()).unwrap();
    assert_eq!(command.items, Order::of_items().items);
}
