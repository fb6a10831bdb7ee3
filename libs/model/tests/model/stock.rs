//! Stock's rows of one position, under its real rule.

use contracts::ReplyData;
use messaging::rows::{Json, Rows as Table, Uuids};
use stock::{Position, Reservation, Set, State};

use crate::order::{Command, ORDERS, Order, POSITION, PRICE, now};
use crate::participants::Rows;

/// One position and what became of each order's request for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shelf {
    /// Pieces that there were at first.
    pieces: i64,
    available: i64,
    reserved: i64,
    reservations: [Option<State>; ORDERS],
}

impl Shelf {
    pub(crate) fn with(pieces: i64) -> Self {
        Self { pieces, available: pieces, reserved: 0, reservations: [const { None }; ORDERS] }
    }

    /// As stock's rule wants it.
    pub(crate) fn set(&self) -> Set {
        let Self { available, reserved, .. } = *self;
        let position =
            Position { position_id: POSITION, name: String::new(), price: PRICE, available, reserved };
        let rows = self.reservations.iter().enumerate().filter_map(|(order, state)| {
            let position_ids = match state.clone()? {
                State::Reserved(_) | State::Sold(_) | State::Released(_) => Uuids(vec![POSITION]),
                State::Refused(_) | State::Cancelled => Uuids::default(),
            };
            Some(Reservation { order_id: Order::id(order), position_ids, state: Json(state.clone()?) })
        });
        Set { positions: Table::of([position]), reservations: Table::of(rows) }
    }

    /// What the rule has made of it.
    pub(crate) fn after(&self, set: &Set) -> Self {
        let position = set.positions.get(POSITION).expect("nothing removes a position");
        let state = |order| set.reservations.get(Order::id(order)).map(|row| row.state.0.clone());
        Self {
            pieces: self.pieces,
            available: position.available,
            reserved: position.reserved,
            reservations: std::array::from_fn(state),
        }
    }
}

/// Decides by stock's own rule.
pub(crate) fn decide(set: &mut Set, order: usize, command: Command) -> ReplyData {
    let order = Order::priced(order);
    let command = match command {
        Command::ReserveStock => stock::Command::ReserveStock(order.reserve_stock()),
        Command::ReleaseStock => stock::Command::ReleaseStock(order.release_stock()),
        other => panic!("{other:?} is none of stock's"),
    };
    command.decide(set, now())
}

impl Rows for Shelf {
    fn decide(&self, order: usize, command: Command) -> (Self, ReplyData) {
        let mut set = self.set();
        let reply = decide(&mut set, order, command);
        (self.after(&set), reply)
    }

    fn knows(&self, order: usize) -> bool {
        self.reservations[order].is_some()
    }

    fn without(mut self, order: usize) -> Self {
        self.reservations[order] = None;
        self
    }

    fn promised(&self) -> i64 {
        self.reserved
    }

    fn taken(&self) -> i64 {
        self.pieces - self.available - self.reserved
    }

    fn agree(&self) -> bool {
        let promised = self.reservations.iter().map(|state| match state {
            Some(State::Reserved(reserved)) => reserved.lines.iter().map(|line| line.quantity).sum(),
            _ => 0,
        });
        self.available >= 0 && self.taken() == 0 && self.reserved == promised.sum::<i64>()
    }
}
