//! The workflow that is checked: three steps over the real commands of stock and billing, in the shape of
//! the order's, and two orders of one user for one position.

use chrono::TimeDelta;
use contracts::billing::{CaptureFunds, FundsReserved, ReleaseFunds, ReserveFunds};
use contracts::order::{OrderConfirmed, OrderRejected};
use contracts::stock::{Item, ReleaseStock, ReserveStock, StockReserved};
use contracts::{Amount, Direction, Timestamp};
use saga::{Cause, Definition, Pace, Saga};
use uuid::Uuid;

/// How many orders there are, each with its saga.
pub(crate) const ORDERS: usize = 2;
/// Whose they are.
pub(crate) const USER: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);
/// What they are about.
pub(crate) const POSITION: Uuid = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0002);
/// Of one piece, in minor units. The first order is for one piece, the second one for two.
pub(crate) const PRICE: i64 = 10;
/// How long a saga goes forward.
pub(crate) const DEADLINE: TimeDelta = TimeDelta::minutes(10);

/// The one moment of the model: time is what the deadline's and the wake times' inputs say it is.
pub(crate) fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// An order as its saga knows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// Which: 0 or 1.
    number: usize,
    /// Once stock has said it.
    total: Option<Amount>,
}

/// A command of the workflow, whatever order it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    ReserveStock,
    ReleaseStock,
    ReserveFunds,
    ReleaseFunds,
    CaptureFunds,
}

impl Command {
    pub(crate) const ALL: [Self; 5] =
        [Self::ReserveStock, Self::ReleaseStock, Self::ReserveFunds, Self::ReleaseFunds, Self::CaptureFunds];

    /// The step that it does or undoes, by its name.
    pub(crate) const fn step(self) -> &'static str {
        match self {
            Self::ReserveStock | Self::ReleaseStock => "reserve_stock",
            Self::ReserveFunds | Self::ReleaseFunds => "reserve_funds",
            Self::CaptureFunds => "capture_funds",
        }
    }

    pub(crate) const fn direction(self) -> Direction {
        match self {
            Self::ReleaseStock | Self::ReleaseFunds => Direction::Undo,
            _ => Direction::Do,
        }
    }

    /// The command of a step in a direction.
    pub(crate) fn of(step: &str, direction: Direction) -> Self {
        let known = Self::ALL.into_iter().find(|one| one.step() == step && one.direction() == direction);
        known.expect("the workflow sends only its own commands")
    }

    /// Whether the one undoes the other.
    pub(crate) fn is_reverse_of(self, other: Self) -> bool {
        self.step() == other.step() && self != other
    }

    pub(crate) const fn is_of_stock(self) -> bool {
        matches!(self, Self::ReserveStock | Self::ReleaseStock)
    }

    /// Whether it makes something that its step's undo takes away.
    pub(crate) const fn is_reservation(self) -> bool {
        matches!(self, Self::ReserveStock | Self::ReserveFunds)
    }
}

impl Order {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, total: None }
    }

    pub(crate) fn id(number: usize) -> Uuid {
        Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0010 + number as u128)
    }

    /// As it is when the money is asked for.
    pub(crate) fn priced(number: usize) -> Self {
        let order = Self::new(number);
        let total = Amount::new(PRICE * order.quantity()).expect("it is a small amount");
        Self { total: Some(total), ..order }
    }

    pub(crate) fn quantity(&self) -> i64 {
        if self.number == 0 { 1 } else { 2 }
    }

    pub(crate) fn reserve_stock(&self) -> ReserveStock {
        let item = Item { position_id: POSITION, quantity: self.quantity() };
        ReserveStock { order_id: Self::id(self.number), items: vec![item], expected_total: None }
    }

    #[expect(clippy::needless_pass_by_value, reason = "what a step learns is given away")]
    fn stock_reserved(&mut self, reserved: StockReserved) {
        self.total = Some(reserved.total);
    }

    pub(crate) fn release_stock(&self) -> ReleaseStock {
        ReleaseStock { order_id: Self::id(self.number) }
    }

    pub(crate) fn reserve_funds(&self) -> ReserveFunds {
        let amount = self.total.expect("stock has answered before");
        ReserveFunds { order_id: Self::id(self.number), user_id: USER, amount }
    }

    fn funds_reserved(&mut self, _: FundsReserved) {}

    pub(crate) fn release_funds(&self) -> ReleaseFunds {
        ReleaseFunds { order_id: Self::id(self.number) }
    }

    pub(crate) fn capture_funds(&self) -> CaptureFunds {
        CaptureFunds { order_id: Self::id(self.number) }
    }

    fn confirmed(&self) -> OrderConfirmed {
        let total = self.total.map_or(0, Amount::get);
        OrderConfirmed { order_id: Self::id(self.number), user_id: USER, total, lines: vec![] }
    }

    fn rejected(&self, cause: &Cause) -> OrderRejected {
        OrderRejected { order_id: Self::id(self.number), reason: cause.code.clone() }
    }
}

/// The second asking is marked as stuck already: so the third one and every later one are like the second.
pub(crate) fn definition() -> Definition<Order> {
    let deadline = DEADLINE.to_std().expect("it is not negative");
    Saga::named("order", 1)
        .deadline(deadline)
        .paced(Pace { first_wait_ms: 1_000, max_wait_ms: 8_000, stuck_after_attempts: 1 })
        .step("reserve_stock", Order::reserve_stock, Order::stock_reserved)
        .undo(Order::release_stock)
        .step("reserve_funds", Order::reserve_funds, Order::funds_reserved)
        .undo(Order::release_funds)
        .pivot(Order::confirmed)
        .tail("capture_funds", Order::capture_funds)
        .otherwise(Order::rejected)
        .build()
}
