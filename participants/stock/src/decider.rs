//! Stock's rules as the loop wants them: which rows the inputs need, and who decides which input.

use std::collections::BTreeSet;

use contracts::order::OrderConfirmed;
use contracts::{Event, Timestamp};
use messaging::rows::memory::Tables;
use messaging::rows::{Changes, Hold, Known, Rows, Transaction, Version};
use messaging::{BatchError, Decided, Decider, DecodeError, Item};
use uuid::Uuid;

use crate::commands::put_position::{PutPosition, PutRefusal};
use crate::commands::reserve_by_operator::{OperatorRefusal, ReserveByOperator};
use crate::commands::{put_position, release_stock, reserve_by_operator, reserve_stock, sell};
use crate::position::Position;
use crate::reservation::{Reservation, State};

messaging::commands! {
    /// What stock is asked for over the wire.
    pub enum Command(Set, Keys) {
        ReserveStock(contracts::stock::ReserveStock) => reserve_stock,
        ReleaseStock(contracts::stock::ReleaseStock) => release_stock,
    }
}

/// A command, an event, or what an HTTP handler asks for.
#[derive(Debug, Clone)]
pub enum Input {
    /// Over the wire.
    Command(Command),
    /// An order will be done.
    Confirmed(OrderConfirmed),
    /// By hand.
    ReserveByOperator(ReserveByOperator),
    /// By hand.
    PutPosition(PutPosition),
}

/// What an HTTP handler is told.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Input::ReserveByOperator`].
    Reserved(Result<contracts::stock::Line, OperatorRefusal>),
    /// To [`Input::PutPosition`].
    Put(Result<Position, PutRefusal>),
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub struct Set {
    /// Locked.
    pub positions: Rows<Position>,
    /// Change only while their positions are locked.
    pub reservations: Rows<Reservation>,
}

/// The keys of the rows of a batch.
#[derive(Debug, Default)]
pub struct Keys {
    /// Positions that inputs name.
    pub positions: BTreeSet<Uuid>,
    /// Orders that inputs name; the positions of their reservations are loaded too.
    pub orders: BTreeSet<Uuid>,
    /// Orders whose reservations most likely are not there yet.
    pub new_orders: BTreeSet<Uuid>,
}

impl Keys {
    fn all_orders(&self) -> Vec<Uuid> {
        self.orders.union(&self.new_orders).copied().collect()
    }
}

/// The rules.
#[derive(Debug)]
pub struct Stock {
    positions: Known<Position>,
    /// Those that wait to be sold.
    reservations: Known<Reservation>,
}

/// Positions, and reservations, that a process remembers, less than a KiB each: others are read.
const KNOWN_MAX: usize = 8_192;

impl Default for Stock {
    fn default() -> Self {
        Self { positions: Known::new(KNOWN_MAX), reservations: Known::new(KNOWN_MAX) }
    }
}

impl Decider for Stock {
    const SERVICE: &'static str = crate::SERVICE;
    const IS_OPTIMISTIC: bool = true;
    const TAKES_TURNS: bool = true;
    type Input = Input;
    type Answer = Answer;
    type Set = Set;

    fn decode(&self, item: &Item<'_>) -> Result<Input, DecodeError> {
        if item.item_type == OrderConfirmed::TYPE {
            return Ok(Input::Confirmed(serde_json::from_str(item.data.get())?));
        }
        Command::decode(item).map(Input::Command)
    }

    /// What is sold stays reserved until then.
    fn can_wait(&self, input: &Input) -> bool {
        matches!(input, Input::Confirmed(_))
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Input]) -> Result<Set, BatchError> {
        let mut keys = Keys::default();
        for input in inputs {
            match input {
                Input::Command(command) => command.touches(&mut keys),
                Input::Confirmed(event) => sell::touches(event, &mut keys),
                Input::ReserveByOperator(request) => reserve_by_operator::touches(request, &mut keys),
                Input::PutPosition(request) => put_position::touches(request, &mut keys),
            }
        }
        if tx.is_optimistic() { self.read(tx, &keys).await } else { self.lock(tx, &keys).await }
    }

    fn decide(&self, set: &mut Set, input: &Input, now: Timestamp) -> Decided<Answer> {
        match input {
            Input::Command(command) => Decided::reply(command.decide(set, now)),
            Input::Confirmed(event) => {
                sell::decide(set, event);
                Decided::nothing()
            }
            Input::ReserveByOperator(request) => {
                Decided::answer(Answer::Reserved(reserve_by_operator::decide(set, request)))
            }
            Input::PutPosition(request) => Decided::answer(Answer::Put(put_position::decide(set, request))),
        }
    }

    fn save(&self, set: &Set, changes: &mut Changes) {
        changes.save(&set.positions);
        changes.save(&set.reservations);
    }

    fn committed(&self, set: Set, version: Option<Version>) {
        if let Some(version) = version {
            self.positions.keep(set.positions, version, |_| true);
            self.reservations.keep(set.reservations, version, |reservation| {
                matches!(reservation.state.0, State::Reserved(_))
            });
        }
    }
}

impl Stock {
    /// Without locks: reservations first, for they say which positions they are of. What is there of new orders' is
    /// found out by writing them: such a batch is loaded again, with locks.
    async fn read(&self, tx: &mut Transaction, keys: &Keys) -> Result<Set, BatchError> {
        let known = self.reservations.take(&keys.all_orders());
        let orders: Vec<Uuid> = keys.orders.iter().copied().collect();
        let reservations = known.and_read(tx, &orders).await?;
        let reserved = reservations.iter().flat_map(|reservation| &reservation.position_ids.0);
        let positions: Vec<Uuid> = keys.positions.iter().chain(reserved).copied().collect();
        Ok(Set { positions: self.positions.load(tx, &positions).await?, reservations })
    }

    async fn lock(&self, tx: &mut Transaction, keys: &Keys) -> Result<Set, BatchError> {
        let (named, orders) = (keys.positions.iter().copied().collect::<Vec<_>>(), keys.all_orders());
        let positions = lock_positions(tx, &named, &orders).await?;
        let reservations = Rows::load(tx, &orders, Hold::Unlocked).await?;
        all_locked(&positions, &reservations)?;
        Ok(Set { positions, reservations })
    }
}

/// Those that are named, and those of the reservations of `orders`, in the order of their keys.
async fn lock_positions(
    tx: &mut Transaction,
    named: &[Uuid],
    orders: &[Uuid],
) -> Result<Rows<Position>, BatchError> {
    let reserved = "SELECT unnest(position_ids) FROM reservations WHERE order_id = ANY($2)";
    let positions = |tables: &Tables, order_id| {
        let reservation: Option<&Reservation> = tables.get(order_id);
        reservation.map_or_else(Vec::new, |reservation| reservation.position_ids.0.clone())
    };
    Ok(Rows::lock_with_parents_of(tx, named, reserved, orders, positions).await?)
}

/// A reservation that somebody committed after the positions were locked may have others: once more.
fn all_locked(positions: &Rows<Position>, reservations: &Rows<Reservation>) -> Result<(), BatchError> {
    let needed = reservations.iter().flat_map(|reservation| &reservation.position_ids.0);
    match needed.filter(|position_id| positions.get(**position_id).is_none()).count() {
        0 => Ok(()),
        unlocked => Err(BatchError::Conflict(format!("positions: {unlocked} more are to be locked"))),
    }
}
