//! Every rule is seen to fail. A world in which everything came to its end, and nothing went wrong but that
//! customers changed their minds, is tampered with, a row at a time; and the rule that watches over it says so.

use std::sync::LazyLock;

use billing::account::Account;
use billing::entry::Entry;
use billing::hold::{Hold, HoldState};
use chrono::TimeDelta;
use delivery::{Booking, BookingState, Delivery, Slot};
use futures::FutureExt;
use messaging::rows::memory::Tables;
use messaging::rows::{Changes, Json, Record, Rows, Transaction};
use notification::Letter;
use orchestrator::order::{OrderRow, OrderStatus};
use orchestrator::simulation::{HistoryRow, SagaRow};
use saga::{Cause, Decision, Input, Note, Outcome, Phase, StepSet};
use stock::{Position, Reservation};

use super::*;
use crate::simulate::faults::Fault;
use crate::simulate::parts::cast;
use crate::simulate::scripts;

/// A rule, and what breaks it.
type Tampering = (&'static str, fn(&World));

static UNDISTURBED: LazyLock<Undisturbed> = LazyLock::new(Undisturbed::find);
const SOMEBODY: Uuid = Uuid::from_u128(0xDEAD);

/// What a commit may not do: seen at once.
const COMMITS: [Tampering; 20] = [
    ("nobody has less than nothing, or more held than there is", |world| {
        change(
            &world.databases.billing,
            |_| true,
            |account: &mut Account| account.held = account.balance + 1,
        );
    }),
    ("a balance changes by its entries alone", |world| {
        change(&world.databases.billing, |_| true, |account: &mut Account| account.balance += 1);
    }),
    ("what is held changes by holds alone", |world| {
        let is_rich = |account: &Account| account.balance > account.held;
        change(&world.databases.billing, is_rich, |account: &mut Account| account.held += 1);
    }),
    ("an account knows how many entries it has", |world| {
        change(&world.databases.billing, |_| true, |account: &mut Account| account.entries += 1);
    }),
    ("an entry of the ledger is never changed", |world| {
        change(&world.databases.billing, |_| true, |_: &mut Entry| {});
    }),
    ("a hold ends once", |world| {
        let is_over = |hold: &Hold| matches!(hold.state, HoldState::Captured(_));
        change(&world.databases.billing, is_over, |hold: &mut Hold| {
            if let HoldState::Captured(terms) = hold.state {
                hold.state = HoldState::Held(terms);
            }
        });
    }),
    ("there is never less than nothing of a position", |world| {
        change(&world.databases.stock, |_| true, |position: &mut Position| position.available = -1);
    }),
    ("what is available changes by reservations alone", |world| {
        change(&world.databases.stock, |_| true, |position: &mut Position| position.available += 1);
    }),
    ("what is reserved changes by reservations alone", |world| {
        change(&world.databases.stock, |_| true, |position: &mut Position| position.reserved += 1);
    }),
    ("a reservation ends once", |world| {
        let is_over = |reservation: &Reservation| matches!(reservation.state.0, stock::State::Released(_));
        change(&world.databases.stock, is_over, |reservation: &mut Reservation| {
            if let stock::State::Released(reserved) = reservation.state.0.clone() {
                reservation.state.0 = stock::State::Reserved(reserved);
            }
        });
    }),
    ("couriers are busy by bookings alone", |world| {
        change(
            &world.databases.delivery,
            |_| true,
            |slot: &mut Slot| {
                slot.busy.0.insert(99);
            },
        );
    }),
    ("a booking ends once", |world| {
        let is_over = |booking: &Booking| matches!(booking.state, BookingState::Released(_));
        change(&world.databases.delivery, is_over, |booking: &mut Booking| {
            if let BookingState::Released(place) = booking.state {
                booking.state = BookingState::Booked(place);
            }
        });
    }),
    ("a delivery moves forward", |world| {
        let is_there = |delivery: &Delivery| matches!(delivery.state, delivery::State::Received(_));
        change(&world.databases.delivery, is_there, |delivery: &mut Delivery| {
            if let delivery::State::Received(parcel) = delivery.state.clone() {
                delivery.state = delivery::State::Scheduled(parcel);
            }
        });
    }),
    ("a letter is never changed", |world| {
        change(&world.databases.notification, |_| true, |_: &mut Letter| {});
    }),
    ("an order moves forward", |world| change_order(world, OrderStatus::Rejected, OrderStatus::Confirmed)),
    ("a saga is woken exactly while it has not ended", |world| {
        change_saga(world, |saga| saga.state.0.wake_at = Some(saga.created_at));
    }),
    ("a saga is stuck by a step that is stuck", |world| {
        change_saga(world, |saga| saga.state.0.stuck_since = Some(saga.created_at));
    }),
    ("a saga goes on and never back", |world| change_saga(world, |saga| saga.state.0.seq += 1)),
    ("every input of a saga is numbered", |world| {
        let open = open_saga(world, Phase::Forward(0));
        change(&world.databases.orchestrator, |saga: &SagaRow| saga.saga_id == open, |_: &mut SagaRow| {});
    }),
    ("past the pivot there is only forward", |world| {
        let open = open_saga(world, Phase::Tail(Decision::Confirmed, StepSet::default()));
        let cause = Cause { code: "regret".to_owned(), step: None, detail: None };
        change(
            &world.databases.orchestrator,
            |saga: &SagaRow| saga.saga_id == open,
            |saga: &mut SagaRow| {
                saga.state.0.seq += 1;
                saga.state.0.phase = Phase::Tail(Decision::TurnedBack(cause), StepSet::default());
            },
        );
    }),
];

/// What may not be when all is quiet: seen when everything is looked at.
const ENDS: [Tampering; 19] = [
    ("nothing is done for an order without its saga", |world| {
        insert(&world.databases.billing, Hold { order_id: SOMEBODY, state: HoldState::Cancelled });
    }),
    ("an order whose saga has ended is decided", |world| {
        change_order(world, OrderStatus::Confirmed, OrderStatus::Pending);
    }),
    ("a confirmed order is paid once", |world| {
        let entry = Entry { entry_id: SOMEBODY, ..entry_of(world, OrderStatus::Confirmed) };
        insert(&world.databases.billing, entry);
    }),
    ("a confirmed order has its goods", |world| {
        let order = order(world, OrderStatus::Confirmed);
        change(&world.databases.stock, of(order), |reservation: &mut Reservation| {
            reservation.state.0 = stock::State::Cancelled;
        });
    }),
    ("a confirmed order is delivered once", |world| {
        let order = order(world, OrderStatus::Confirmed);
        change(&world.databases.delivery, of(order), |delivery: &mut Delivery| {
            delivery.state = delivery::State::NeverScheduled;
        });
    }),
    ("a confirmed order has its letter, and no other", |world| {
        write_again(world, OrderStatus::Confirmed, "order_confirmed");
    }),
    ("a rejected order takes no money", |world| {
        let order_id = Some(order(world, OrderStatus::Rejected));
        let entry = Entry { entry_id: SOMEBODY, order_id, ..entry_of(world, OrderStatus::Confirmed) };
        insert(&world.databases.billing, entry);
    }),
    ("an order is rejected for a reason", |world| {
        let order = order(world, OrderStatus::Rejected);
        change(&world.databases.orchestrator, of(order), |order: &mut OrderRow| {
            order.reason = Some("bad_weather".to_owned());
        });
    }),
    ("a rejected order leaves no trace", |world| reserve_again(world, OrderStatus::Rejected)),
    ("a rejected order has its letter, and no other", |world| {
        write_again(world, OrderStatus::Rejected, "order_confirmed");
    }),
    ("a cancelled order gives its money back", |world| {
        let order_id = Some(order(world, OrderStatus::Cancelled));
        let entry = Entry { entry_id: SOMEBODY, order_id, ..entry_of(world, OrderStatus::Confirmed) };
        insert(&world.databases.billing, entry);
    }),
    ("a cancelled order leaves no trace", |world| reserve_again(world, OrderStatus::Cancelled)),
    ("a cancelled order has its letters, and no others", |world| {
        write_again(world, OrderStatus::Cancelled, "order_rejected");
    }),
    ("every saga has its workflow", |world| {
        let saga = ended_saga(world, |_| true);
        insert(
            &world.databases.orchestrator,
            SagaRow { saga_id: SOMEBODY, workflow: "nobody's".to_owned(), ..saga },
        );
    }),
    ("every saga was begun by somebody", |world| {
        let saga = ended_saga(world, |_| true);
        insert(&world.databases.orchestrator, SagaRow { saga_id: SOMEBODY, ..saga });
    }),
    ("a saga equals the replay of its history", |world| {
        change_saga(world, |saga| saga.state.0.attempt += 1);
    }),
    ("a history has no gaps", |world| remember(world, |_| true, 2, vec![])),
    ("a saga decides once", |world| {
        let is_confirmed = |saga: &SagaRow| saga.state.0.phase == Phase::Final(Outcome::Completed);
        remember(world, is_confirmed, 1, vec![Note::Decided(Decision::Confirmed)]);
    }),
    ("what may be done is undone, latest first", |world| {
        let has_undone = |row: &HistoryRow| {
            let mut notes = row.inputs.0.iter().flat_map(|(_, notes)| notes);
            notes.any(|note| {
                matches!(note, Note::Sent(step, contracts::Direction::Undo, _) if step == "reserve_stock")
            })
        };
        let saga_id = first(&world.databases.orchestrator, has_undone).saga_id;
        let again = Note::Sent("reserve_funds".to_owned(), contracts::Direction::Undo, 1);
        remember(world, of(saga_id), 1, vec![again]);
    }),
];

#[test]
fn every_rule_of_a_commit_is_broken_by_something() {
    for (rule, tamper) in COMMITS {
        let world = UNDISTURBED.world();
        assert_eq!(world.watch.broken(), None);
        tamper(&world);
        assert_eq!(world.watch.broken().map(|broken| broken.rule), Some(rule));
    }
}

#[test]
fn every_rule_of_the_end_is_broken_by_something() {
    for (rule, tamper) in ENDS {
        let mut world = UNDISTURBED.world();
        assert_eq!(world.check_all(true), Ok(()));
        tamper(&world);
        assert_eq!(world.check_all(true).map_err(|broken| broken.rule), Err(rule));
    }
}

/// A run in which orders end in every way, and people alone strike.
struct Undisturbed(Script);

impl Undisturbed {
    fn find() -> Self {
        let wishes = |drawn: Script| {
            let mut world = World::open(drawn.clone(), cast);
            world.live().unwrap();
            let struck = world.faults.struck().into_iter().map(|struck| struck.strike);
            let cancelled = struck.filter(|strike| strike.fault == Fault::Cancelled);
            Script { strikes: Strikes::Listed(cancelled.collect()), ..drawn }
        };
        let all = scripts(1, vec![Mode::Liveness]).take(100).map(wishes).map(Self);
        let mut all = all.filter(|one| has_everything(&one.world()));
        all.next().expect("a run of customers alone")
    }

    /// The world as it is at its end.
    fn world(&self) -> World {
        let mut world = World::open(self.0.clone(), cast);
        world.live().unwrap();
        world
    }
}

/// Whether there is all that is tampered with.
fn has_everything(world: &World) -> bool {
    let ends = [OrderStatus::Confirmed, OrderStatus::Rejected, OrderStatus::Cancelled];
    let has_given_back = |tables: &Tables| {
        let mut bookings = tables.all::<Booking>();
        bookings.any(|booking| matches!(booking.state, BookingState::Released(_)))
    };
    let has_arrived = |tables: &Tables| {
        let mut deliveries = tables.all::<Delivery>();
        deliveries.any(|delivery| matches!(delivery.state, delivery::State::Received(_)))
    };
    ends.iter().all(|status| orders(world, *status).next().is_some())
        && world.databases.delivery.look(|tables| has_given_back(tables) && has_arrived(tables))
}

/// What is looked for must not look into the database itself.
fn first<R: Record>(database: &Database, which: impl Fn(&R) -> bool) -> R {
    database.look(|tables| tables.all::<R>().find(|row| which(row)).cloned()).expect("there is one")
}

fn change<R: Record>(database: &Database, which: impl Fn(&R) -> bool, change: impl FnOnce(&mut R)) {
    let row = first(database, which);
    let mut rows = Rows::of([row.clone()]);
    change(rows.get_mut(row.row_key()).unwrap());
    commit(database, |changes| changes.save(&rows));
}

fn insert<R: Record>(database: &Database, row: R) {
    commit(database, |changes| changes.append(&[row]));
}

fn commit(database: &Database, write: impl FnOnce(&mut Changes)) {
    let mut tx = Transaction::Memory(database.begin(None));
    let mut changes = Changes::of(&tx);
    write(&mut changes);
    changes.run(&mut tx).now_or_never().unwrap().unwrap();
    tx.commit().now_or_never().unwrap().unwrap();
}

fn of<R: Record>(key: Uuid) -> impl Fn(&R) -> bool {
    move |row| row.row_key() == key
}

/// Orders with items that stand there.
fn orders(world: &World, status: OrderStatus) -> impl Iterator<Item = Uuid> {
    let orders: Vec<Uuid> = world.databases.orchestrator.look(|tables| {
        let orders = tables.all::<OrderRow>().filter(|order| order.status == status);
        orders.filter(|order| !order.items.0.is_empty()).map(|order| order.order_id).collect()
    });
    let is_known = move |order: &Uuid| {
        world.databases.stock.look(|tables| {
            let reservation = tables.get::<Reservation>(*order);
            reservation.is_some_and(|it| !matches!(it.state.0, stock::State::Cancelled))
        })
    };
    orders.into_iter().filter(is_known)
}

fn order(world: &World, status: OrderStatus) -> Uuid {
    orders(world, status).next().expect("there is one")
}

fn change_order(world: &World, from: OrderStatus, to: OrderStatus) {
    let order = order(world, from);
    change(&world.databases.orchestrator, of(order), |order: &mut OrderRow| order.status = to);
}

fn entry_of(world: &World, status: OrderStatus) -> Entry {
    let order = order(world, status);
    first(&world.databases.billing, |entry: &Entry| entry.order_id == Some(order))
}

/// Takes the goods of another order for one of these.
fn reserve_again(world: &World, status: OrderStatus) {
    let sold = first(&world.databases.stock, |it: &Reservation| matches!(it.state.0, stock::State::Sold(_)));
    let order = order(world, status);
    change(&world.databases.stock, of(order), |reservation: &mut Reservation| reservation.state = sold.state);
}

fn write_again(world: &World, status: OrderStatus, kind: &str) {
    let order_id = Some(order(world, status));
    let letter = first(&world.databases.notification, |letter: &Letter| letter.order_id == order_id);
    insert(&world.databases.notification, Letter { letter_id: SOMEBODY, kind: kind.to_owned(), ..letter });
}

fn ended_saga(world: &World, which: impl Fn(&SagaRow) -> bool) -> SagaRow {
    first(&world.databases.orchestrator, |saga: &SagaRow| saga.finished_at.is_some() && which(saga))
}

fn change_saga(world: &World, change_it: impl FnOnce(&mut SagaRow)) {
    change(&world.databases.orchestrator, |saga: &SagaRow| saga.finished_at.is_some(), change_it);
}

/// A saga that stands there, as if it had just begun.
fn open_saga(world: &World, phase: Phase) -> Uuid {
    let mut saga = SagaRow { saga_id: SOMEBODY, finished_at: None, ..ended_saga(world, |_| true) };
    saga.state.0.phase = phase;
    saga.state.0.wake_at = Some(saga.created_at);
    insert(&world.databases.orchestrator, saga);
    SOMEBODY
}

fn history(world: &World, saga: Uuid) -> Vec<HistoryRow> {
    world.databases.orchestrator.look(|tables| tables.with_key::<HistoryRow>(saga).cloned().collect())
}

/// Adds to a saga's history that it was woken after its end, which moves nothing, and that this came of it.
fn remember(world: &World, which: impl Fn(&SagaRow) -> bool, later: i32, notes: Vec<Note>) {
    let saga = ended_saga(world, which);
    let last = history(world, saga.saga_id).pop().expect("it has a history");
    let woken = HistoryRow {
        saga_id: saga.saga_id,
        seq: last.seq + later,
        at: last.at + TimeDelta::seconds(1),
        inputs: Json(vec![(Input::Wake, notes)]),
    };
    insert(&world.databases.orchestrator, woken);
}
