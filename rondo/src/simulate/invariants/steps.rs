//! Cheap rules over every row that a commit changes, and over all that it changes together: money, what is
//! held, stock and couriers move exactly as the rows that record them say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use billing::account::Account;
use billing::entry::Entry;
use billing::hold::{Hold, HoldState};
use delivery::{Booking, Delivery, Slot};
use notification::Letter;
use orchestrator::order::{OrderRow, OrderStatus};
use orchestrator::simulation::SagaRow;
use saga::{Phase, Status};
use stock::{Position, Reservation};
use uuid::Uuid;

use super::Broken;
use crate::simulate::parts::Databases;

/// What is seen of every commit. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(in crate::simulate) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    broken: Option<Broken>,
    /// What of these the commit under way has moved, less what its records say.
    moved: HashMap<(Counted, Uuid), i64>,
    begun: u64,
    ended: u64,
}

/// What is counted twice: where it is, and where it is recorded why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counted {
    Balance,
    Held,
    Entries,
    Available,
    Reserved,
    Couriers,
}

impl Counted {
    const fn rule(self) -> &'static str {
        match self {
            Self::Balance => "a balance changes by its entries alone",
            Self::Held => "what is held changes by holds alone",
            Self::Entries => "an account knows how many entries it has",
            Self::Available => "what is available changes by reservations alone",
            Self::Reserved => "what is reserved changes by reservations alone",
            Self::Couriers => "couriers are busy by bookings alone",
        }
    }
}

impl Watch {
    /// Looks at all tables from now on. Stock must be in its place already.
    pub(in crate::simulate) fn over(databases: &Databases) -> Self {
        let watch = Self::default();
        watch.watch(&databases.billing, Seen::account);
        watch.watch(&databases.billing, Seen::entry);
        watch.watch(&databases.billing, Seen::hold);
        watch.watch(&databases.stock, Seen::position);
        watch.watch(&databases.stock, Seen::reservation);
        watch.watch(&databases.delivery, Seen::slot);
        watch.watch(&databases.delivery, Seen::booking);
        watch.watch(&databases.delivery, Seen::delivery);
        watch.watch(&databases.notification, Seen::letter);
        watch.watch(&databases.orchestrator, Seen::order);
        watch.watch(&databases.orchestrator, Seen::saga);
        watch
    }

    fn watch<R: messaging::rows::Record>(
        &self,
        database: &messaging::rows::memory::Database,
        see: fn(&mut Seen, Option<&R>, &R),
    ) {
        let watch = self.clone();
        database.watch(move |before, after| see(&mut watch.lock(), before, after));
    }

    /// What the commit that is over has broken.
    pub(in crate::simulate) fn broken(&self) -> Option<Broken> {
        let mut seen = self.lock();
        let moved = std::mem::take(&mut seen.moved);
        let mut unexplained: Vec<_> = moved.into_iter().filter(|(_, difference)| *difference != 0).collect();
        unexplained.sort_unstable_by_key(|((_, of), _)| *of);
        let books = unexplained.first().map(|((counted, of), difference)| {
            Broken::new(counted.rule(), format!("{of} differs by {difference}"))
        });
        seen.broken.take().or(books)
    }

    /// How many sagas began and ended.
    pub(in crate::simulate) fn sagas(&self) -> (u64, u64) {
        let seen = self.lock();
        (seen.begun, seen.ended)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn must(&mut self, holds: bool, rule: &'static str, detail: impl FnOnce() -> String) {
        if !holds && self.broken.is_none() {
            self.broken = Some(Broken::new(rule, detail()));
        }
    }

    fn count(&mut self, counted: Counted, of: Uuid, difference: i64) {
        if difference != 0 {
            *self.moved.entry((counted, of)).or_default() += difference;
        }
    }

    fn account(&mut self, before: Option<&Account>, after: &Account) {
        let is_sound = 0 <= after.held && after.held <= after.balance;
        self.must(is_sound, "nobody has less than nothing, or more held than there is", || {
            format!("{after:?}")
        });
        let (balance, held, entries) = before.map_or((0, 0, 0), |it| (it.balance, it.held, it.entries));
        self.count(Counted::Balance, after.user_id, after.balance - balance);
        self.count(Counted::Held, after.user_id, after.held - held);
        self.count(Counted::Entries, after.user_id, after.entries - entries);
    }

    fn entry(&mut self, before: Option<&Entry>, after: &Entry) {
        self.must(before.is_none(), "an entry of the ledger is never changed", || format!("{after:?}"));
        self.count(Counted::Balance, after.user_id, -after.signed_amount());
        self.count(Counted::Entries, after.user_id, -1);
    }

    fn hold(&mut self, before: Option<&Hold>, after: &Hold) {
        use HoldState::{Captured, Expired, Held, Paid, Refunded, Released};
        let moves = before.is_none_or(|before| {
            std::mem::discriminant(&before.state) == std::mem::discriminant(&after.state)
                || matches!(
                    (&before.state, &after.state),
                    (Held(_), Released(_) | Captured(_) | Expired(_))
                        | (Expired(_), Released(_) | Captured(_))
                        | (Captured(_) | Paid(_), Refunded(_))
                )
        });
        self.must(moves, "a hold ends once", || format!("{before:?} became {after:?}"));
        for (hold, sign) in before.map(|before| (before, 1)).into_iter().chain([(after, -1)]) {
            if let Held(terms) = &hold.state {
                self.count(Counted::Held, terms.asked.user_id, sign * terms.asked.amount.get());
            }
        }
    }

    fn position(&mut self, before: Option<&Position>, after: &Position) {
        let is_sound = after.available >= 0 && after.reserved >= 0;
        self.must(is_sound, "there is never less than nothing of a position", || format!("{after:?}"));
        let (available, reserved) = before.map_or((0, 0), |it| (it.available, it.reserved));
        self.count(Counted::Available, after.position_id, after.available - available);
        self.count(Counted::Reserved, after.position_id, after.reserved - reserved);
    }

    fn reservation(&mut self, before: Option<&Reservation>, after: &Reservation) {
        use stock::State::{Released, Reserved, Sold};
        let moves = before.is_none_or(|before| {
            before.state == after.state
                || matches!(
                    (&before.state.0, &after.state.0),
                    (Reserved(_), Sold(_) | Released(_)) | (Sold(_), Released(_))
                )
        });
        self.must(moves, "a reservation ends once", || format!("{before:?} became {after:?}"));
        for (reservation, sign) in before.map(|before| (before, 1)).into_iter().chain([(after, -1)]) {
            let (taken, reserved) = match &reservation.state.0 {
                Reserved(reserved) => (&reserved.lines[..], 1),
                Sold(sold) => (&sold.lines[..], 0),
                _ => (&[][..], 0),
            };
            for line in taken {
                self.count(Counted::Available, line.position_id, -sign * line.quantity);
                self.count(Counted::Reserved, line.position_id, sign * reserved * line.quantity);
            }
        }
    }

    fn slot(&mut self, before: Option<&Slot>, after: &Slot) {
        let busy = |slot: &Slot| i64::try_from(slot.busy.0.len()).unwrap_or(i64::MAX);
        self.count(Counted::Couriers, after.slot_id, busy(after) - before.map_or(0, busy));
    }

    fn booking(&mut self, before: Option<&Booking>, after: &Booking) {
        let held = |booking: &Booking| booking.held().map(|place| place.hour.slot_id());
        let moves = before.is_none_or(|before| before == after || before.held().is_some());
        self.must(moves, "a booking ends once", || format!("{before:?} became {after:?}"));
        for (slot, sign) in [(before.and_then(held), 1), (held(after), -1)] {
            slot.into_iter().for_each(|slot| self.count(Counted::Couriers, slot, sign));
        }
    }

    fn delivery(&mut self, before: Option<&Delivery>, after: &Delivery) {
        use delivery::State::{Cancelled, Received, Scheduled, Sent};
        let moves = before.is_none_or(|before| {
            std::mem::discriminant(&before.state) == std::mem::discriminant(&after.state)
                || matches!(
                    (&before.state, &after.state),
                    (Scheduled(_), Sent(_) | Cancelled(_)) | (Sent(_), Received(_))
                )
        });
        self.must(moves, "a delivery moves forward", || format!("{before:?} became {after:?}"));
    }

    fn letter(&mut self, before: Option<&Letter>, after: &Letter) {
        self.must(before.is_none(), "a letter is never changed", || format!("{after:?}"));
    }

    fn order(&mut self, before: Option<&OrderRow>, after: &OrderRow) {
        use OrderStatus::{Cancelled, Confirmed, Pending, Received, Rejected, Sent};
        let moves = before.is_none_or(|before| {
            before.status == after.status
                || matches!(
                    (before.status, after.status),
                    (Pending, Confirmed | Rejected | Cancelled)
                        | (Confirmed, Sent | Received | Cancelled)
                        | (Sent, Received)
                )
        });
        self.must(moves, "an order moves forward", || format!("{before:?} became {after:?}"));
    }

    fn saga(&mut self, before: Option<&SagaRow>, after: &SagaRow) {
        let (state, saga) = (&after.state.0, after.saga_id);
        self.begun += u64::from(before.is_none());
        self.ended +=
            u64::from(after.finished_at.is_some() && before.is_none_or(|it| it.finished_at.is_none()));
        self.must(
            state.wake_at.is_some() != state.is_final() && state.is_final() == after.finished_at.is_some(),
            "a saga is woken exactly while it has not ended",
            || format!("{saga}: {state:?}"),
        );
        self.must(
            state.stuck_since.is_some() != state.stuck.is_empty(),
            "a saga is stuck by a step that is stuck",
            || format!("{saga}: {state:?}"),
        );
        let Some(before) = before else { return };
        let was = &before.state.0;
        let is_onward = !was.is_final() && rank(was.status()) <= rank(state.status());
        self.must(is_onward, "a saga goes on and never back", || format!("{saga}: {was:?} became {state:?}"));
        self.must(state.seq > was.seq, "every input of a saga is numbered", || format!("{saga}: {state:?}"));
        let is_confirmed = |phase: &Phase| matches!(phase, Phase::Tail(saga::Decision::Confirmed, _));
        let turned = is_confirmed(&was.phase) && !is_confirmed(&state.phase) && !state.is_final();
        self.must(!turned, "past the pivot there is only forward", || {
            format!("{saga}: {was:?} became {state:?}")
        });
    }
}

const fn rank(status: Status) -> u8 {
    match status {
        Status::Running => 0,
        Status::Compensating => 1,
        Status::Tail => 2,
        _ => 3,
    }
}
