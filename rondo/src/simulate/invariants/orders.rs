//! Orders whose sagas have ended: a confirmed one is fully done, a rejected one left nothing, each has one
//! letter an outcome; and nothing is done for an order that nobody placed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use billing::entry::{Entry, EntryKind};
use billing::hold::{Hold, HoldState};
use delivery::{Booking, BookingState, Delivery};
use messaging::rows::memory::Tables;
use notification::Letter;
use orchestrator::order::{OrderRow, OrderStatus};
use orchestrator::simulation::{ActionRow, SagaRow};
use saga::Status;
use stock::{Reservation, State};
use uuid::Uuid;

use super::Broken;
use crate::simulate::parts::Databases;

/// All that is there of an order.
struct Traces<'a> {
    order: &'a OrderRow,
    hold: Option<&'a Hold>,
    entries: &'a [&'a Entry],
    reservation: Option<&'a Reservation>,
    booking: Option<&'a Booking>,
    delivery: Option<&'a Delivery>,
    letters: &'a [&'a str],
    /// Whether every event was heard.
    is_quiet: bool,
}

/// Checks all orders of which nothing is under way. Where all is quiet, everything must have been heard.
pub(in crate::simulate) fn check(databases: &Databases, is_quiet: bool) -> Result<(), Broken> {
    databases.orchestrator.look(|orchestrator| {
        databases.billing.look(|billing| {
            databases.stock.look(|stock| {
                databases.delivery.look(|delivery| {
                    databases.notification.look(|notification| {
                        let tables = All { orchestrator, billing, stock, delivery, notification };
                        tables.check(is_quiet)
                    })
                })
            })
        })
    })
}

struct All<'a> {
    orchestrator: &'a Tables,
    billing: &'a Tables,
    stock: &'a Tables,
    delivery: &'a Tables,
    notification: &'a Tables,
}

impl All<'_> {
    fn check(&self, is_quiet: bool) -> Result<(), Broken> {
        self.no_effect_without_order()?;
        let mut entries: HashMap<Uuid, Vec<&Entry>> = HashMap::new();
        let mut letters: HashMap<Uuid, Vec<&str>> = HashMap::new();
        for entry in self.billing.all::<Entry>() {
            entry.order_id.into_iter().for_each(|order| entries.entry(order).or_default().push(entry));
        }
        for letter in self.notification.all::<Letter>() {
            letter
                .order_id
                .into_iter()
                .for_each(|order| letters.entry(order).or_default().push(&letter.kind));
        }
        let (by_hand, open) = (self.left_to_operators(), self.open());
        for order in self.orchestrator.all::<OrderRow>() {
            let id = order.order_id;
            if by_hand.contains(&id) || open.contains(&id) {
                continue;
            }
            let none = Vec::new();
            let traces = Traces {
                order,
                hold: self.billing.get(id),
                entries: entries.get(&id).unwrap_or(&none),
                reservation: self.stock.get(id),
                booking: self.delivery.get(id),
                delivery: self.delivery.get(id),
                letters: letters.get(&id).map_or(&[], |letters| letters),
                is_quiet,
            };
            traces.check()?;
        }
        Ok(())
    }

    fn no_effect_without_order(&self) -> Result<(), Broken> {
        let holds = self.billing.all::<Hold>().map(|hold| hold.order_id);
        let reservations = self.stock.all::<Reservation>().map(|reservation| reservation.order_id);
        let bookings = self.delivery.all::<Booking>().map(|booking| booking.order_id);
        let deliveries = self.delivery.all::<Delivery>().map(|delivery| delivery.order_id);
        let letters = self.notification.all::<Letter>().filter_map(|letter| letter.order_id);
        let entries = self.billing.all::<Entry>().filter_map(|entry| entry.order_id);
        let mut effects =
            holds.chain(reservations).chain(bookings).chain(deliveries).chain(letters).chain(entries);
        let is_unknown = |order: &Uuid| self.orchestrator.get::<SagaRow>(*order).is_none();
        match effects.find(is_unknown) {
            None => Ok(()),
            Some(order) => {
                Err(Broken::new("nothing is done for an order without its saga", order.to_string()))
            }
        }
    }

    /// Orders of which operators have taken something upon themselves.
    fn left_to_operators(&self) -> BTreeSet<Uuid> {
        let actions = self.orchestrator.all::<ActionRow>().filter(|action| action.accepted_difference);
        actions.filter_map(|action| action.key).collect()
    }

    /// Orders of which a saga has not ended.
    fn open(&self) -> BTreeSet<Uuid> {
        let open = self.orchestrator.all::<SagaRow>().filter(|saga| saga.finished_at.is_none());
        open.map(|saga| saga.key).collect()
    }
}

impl Traces<'_> {
    fn check(&self) -> Result<(), Broken> {
        let rules: &[(&'static str, bool)] = match self.order.status {
            OrderStatus::Pending => &[("an order whose saga has ended is decided", false)],
            OrderStatus::Confirmed | OrderStatus::Sent | OrderStatus::Received => &[
                ("a confirmed order is paid once", self.is_paid()),
                ("a confirmed order has its goods", self.has_goods()),
                ("a confirmed order is delivered once", self.is_delivered()),
                ("a confirmed order has its letter, and no other", self.is_told(&["order_confirmed"])),
            ],
            OrderStatus::Rejected => &[
                ("a rejected order takes no money", self.is_unpaid()),
                ("a rejected order leaves no trace", self.has_nothing()),
                ("a rejected order has its letter, and no other", self.is_told(&["order_rejected"])),
            ],
            OrderStatus::Cancelled => &[
                ("a cancelled order gives its money back", self.is_unpaid() || self.is_refunded()),
                ("a cancelled order leaves no trace", self.has_nothing()),
                (
                    "a cancelled order has its letters, and no others",
                    self.is_told(self.letters_of_cancelled()),
                ),
            ],
        };
        match rules.iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((rule, _)) => Err(Broken::new(rule, self.to_string())),
        }
    }

    fn moved(&self, kind: EntryKind) -> Vec<i64> {
        self.entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.amount).collect()
    }

    fn is_paid(&self) -> bool {
        let Some((Hold { state, .. }, total)) = self.hold.zip(self.order.total) else { return false };
        let is_its = state
            .asked()
            .is_some_and(|asked| asked.user_id == self.order.user_id && asked.amount.get() == total);
        let taken = (self.moved(EntryKind::Capture), self.moved(EntryKind::Payment));
        let fits = match state {
            HoldState::Captured(_) => taken == (vec![total], Vec::new()),
            HoldState::Paid(_) => taken == (Vec::new(), vec![total]),
            _ => false,
        };
        is_its && fits && self.moved(EntryKind::Refund).is_empty()
    }

    fn is_unpaid(&self) -> bool {
        use HoldState::{Captured, Held, Paid};
        let is_over = self.hold.is_none_or(|hold| !matches!(hold.state, Held(_) | Captured(_) | Paid(_)));
        is_over && self.entries.is_empty()
    }

    fn is_refunded(&self) -> bool {
        let taken: Vec<i64> = [EntryKind::Capture, EntryKind::Payment].map(|kind| self.moved(kind)).concat();
        let is_over = self.hold.is_some_and(|hold| matches!(hold.state, HoldState::Refunded(_)));
        is_over && taken.len() == 1 && self.moved(EntryKind::Refund) == taken
    }

    fn has_goods(&self) -> bool {
        let Some(reservation) = self.reservation else { return self.order.items.0.is_empty() };
        let lines = match &reservation.state.0 {
            State::Sold(sold) => &sold.lines,
            State::Reserved(reserved) if !self.is_quiet => &reserved.lines,
            _ => return false,
        };
        let reserved = lines.iter().map(|line| (line.position_id, line.quantity));
        let ordered = self.order.items.0.iter().map(|item| (item.position_id, item.quantity));
        let total: i64 = lines.iter().map(|line| line.quantity * line.price).sum();
        reserved.eq(ordered) && self.order.total == Some(total)
    }

    fn is_delivered(&self) -> bool {
        use delivery::State::{Cancelled, NeverScheduled, Received, Scheduled, Sent};
        let Some(Delivery { state, .. }) = self.delivery else {
            return self.order.items.0.is_empty() && !self.is_booked();
        };
        let is_as_far = match (state, self.order.status) {
            (Scheduled(_), status) => status == OrderStatus::Confirmed,
            (Sent(_), OrderStatus::Sent) | (Received(_), OrderStatus::Received) => true,
            // The order hears of it later.
            (Sent(_) | Received(_), _) => !self.is_quiet,
            (Cancelled(_) | NeverScheduled, _) => false,
        };
        let slot = self.delivery.and_then(Delivery::parcel).and_then(|parcel| parcel.slot);
        is_as_far && slot.is_some() == self.is_booked()
    }

    fn is_booked(&self) -> bool {
        self.booking.is_some_and(|booking| matches!(booking.state, BookingState::Booked(_)))
    }

    fn has_nothing(&self) -> bool {
        use delivery::State::{Cancelled, NeverScheduled};
        let is_held =
            |reservation: &Reservation| matches!(reservation.state.0, State::Reserved(_) | State::Sold(_));
        let is_off = |delivery: &Delivery| matches!(delivery.state, Cancelled(_) | NeverScheduled);
        // A courier of a delivery that is called off is free again, too.
        !self.reservation.is_some_and(is_held) && !self.is_booked() && self.delivery.is_none_or(is_off)
    }

    /// Letters about the delivery come besides.
    fn is_told(&self, outcomes: &[&str]) -> bool {
        let of_delivery = ["order_sent", "order_received"];
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        self.letters.iter().for_each(|kind| *told.entry(kind).or_default() += 1);
        let is_once = told.values().all(|count| *count == 1);
        told.retain(|kind, _| !of_delivery.contains(kind));
        is_once && told.len() == outcomes.len() && outcomes.iter().all(|kind| told.contains_key(kind))
    }

    /// Of joy first, where it had been confirmed.
    fn letters_of_cancelled(&self) -> &'static [&'static str] {
        if self.entries.is_empty() { &["order_cancelled"] } else { &["order_confirmed", "order_cancelled"] }
    }
}

impl std::fmt::Display for Traces<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "order {} is {}", self.order.order_id, self.order.status.as_str())?;
        writeln!(f, "    hold {:?}", self.hold.map(|hold| &hold.state))?;
        writeln!(f, "    entries {:?}", self.entries.iter().map(|e| (e.kind, e.amount)).collect::<Vec<_>>())?;
        writeln!(f, "    reservation {:?}", self.reservation.map(|reservation| &reservation.state.0))?;
        writeln!(f, "    booking {:?}", self.booking.map(|booking| booking.state))?;
        writeln!(f, "    delivery {:?}", self.delivery.map(|delivery| &delivery.state))?;
        write!(f, "    letters {:?}, total {:?}", self.letters, self.order.total)
    }
}

/// How orders' sagas ended, by word.
pub(in crate::simulate) fn endings(databases: &Databases) -> BTreeMap<String, u64> {
    databases.orchestrator.look(|tables| {
        let mut endings = BTreeMap::new();
        for saga in tables.all::<SagaRow>() {
            let status: Status = saga.state.0.status();
            *endings.entry(format!("{} {}", saga.workflow, status.as_str())).or_default() += 1;
        }
        endings
    })
}
