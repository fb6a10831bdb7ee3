//! An order's timeline, put together from its sagas' histories and its row: steps and statuses, each in its
//! place. Pure, so that whoever reads it, early, late or again, is told the same.

use chrono::{DateTime, Utc};
use saga::{Cause, Status};
use serde::Serialize;
use utoipa::ToSchema;

use super::told::{Position, Told};
use crate::manager::{SagaLine, customers_word};
use crate::order::{OrderRow, OrderStatus};

/// Something that happened to an order. `status` events tell its new status, `step` events what was done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct OrderEvent {
    /// When.
    at: DateTime<Utc>,
    /// The order's status, or what happened: `begun`, `done`, `refused`, `skipped`, `confirmed`,
    /// `turning_back`, `undone`, `cancel_asked`, `finished`.
    what: &'static str,
    /// Which step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    step: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Of an event that tells a status.
    #[serde(skip)]
    status: Option<OrderStatus>,
}

/// What is known of an order.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) row: OrderRow,
    /// Of its own saga; from a record that was told, or all.
    pub(super) own: Vec<SagaLine>,
    /// Of the saga that cancels it; likewise.
    pub(super) cancelling: Vec<SagaLine>,
    /// Whether its saga has left the database: only the row is there.
    pub(super) is_old: bool,
    /// Whether nothing can happen to it any more; then all that did is here.
    pub(super) is_over: bool,
}

impl OrderEvent {
    /// The event's name.
    pub(super) const fn name(&self) -> &'static str {
        if self.status.is_some() { "status" } else { "step" }
    }

    fn status(at: DateTime<Utc>, status: OrderStatus, reason: Option<String>) -> Self {
        Self { at, what: status.as_str(), step: None, reason, status: Some(status) }
    }
}

impl Known {
    /// What comes after what was told, each event with what is told by then.
    ///
    /// A courier's events come behind every status of the sagas, and where their time puts them among the
    /// steps. Who resumes is told by the position in each history what is missing: nothing is left out or
    /// repeated, even if another reader was told two things of the same moment the other way round.
    pub(super) fn after(&self, mut told: Told) -> Vec<(Told, OrderEvent)> {
        if self.is_old {
            let is_told = told.status == Some(self.row.status);
            let told = told.with(Place::Way, Some(self.row.status));
            return if is_told { Vec::new() } else { vec![(told, self.present())] };
        }
        let own = numbered(&self.own, own_events).filter(|(position, _)| *position > told.order);
        let mut events: Vec<_> = own.map(|(position, event)| (Place::Own(position), event)).collect();
        let cancelling = numbered(&self.cancelling, cancellation_events);
        let news = cancelling.filter(|(position, _)| *position > told.cancellation);
        events.extend(news.map(|(position, event)| (Place::Cancellation(position), event)));
        for event in self.on_its_way().filter(|event| way(event.status) > way(told.status)) {
            let before = |(_, other): &(Place, OrderEvent)| other.status.is_some() || other.at <= event.at;
            let at = events.iter().rposition(before).map_or(0, |last| last + 1);
            events.insert(at, (Place::Way, event));
        }
        let telling = events.into_iter().map(|(place, event)| {
            told = told.with(place, event.status);
            (told, event)
        });
        telling.collect()
    }

    /// Whether this was ever told; to be asked with whole histories.
    pub(super) fn has_told(&self, told: Told) -> bool {
        if self.is_old {
            return true; // Only its status counts then.
        }
        let events: Vec<_> = numbered(&self.own, own_events).collect();
        let cancelling: Vec<_> = numbered(&self.cancelling, cancellation_events).collect();
        let (Some(own), Some(later)) =
            (told_of(&events, told.order), told_of(&cancelling, told.cancellation))
        else {
            return false;
        };
        let status = own.iter().chain(later).rev().find_map(|(_, event)| event.status);
        let is_on_its_way = way(told.status) > 0;
        told.status == status
            || is_on_its_way
                && status == Some(OrderStatus::Confirmed)
                && way(told.status) <= way(Some(self.row.status))
    }

    /// All that the row alone tells.
    fn present(&self) -> OrderEvent {
        OrderEvent::status(self.row.updated_at, self.row.status, self.row.reason.clone())
    }

    /// What couriers and users said; no saga knows of it.
    fn on_its_way(&self) -> impl Iterator<Item = OrderEvent> {
        let is_received = self.row.status == OrderStatus::Received;
        let sent = self.row.sent_at.filter(|_| is_received);
        let sent = sent.map(|at| OrderEvent::status(at, OrderStatus::Sent, None));
        let last = (way(Some(self.row.status)) > 0).then(|| self.present());
        sent.into_iter().chain(last)
    }
}

/// Where an event is from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// The order's saga.
    Own(Position),
    /// The saga that cancels it.
    Cancellation(Position),
    /// The courier's way.
    Way,
}

/// How far on its way.
const fn way(status: Option<OrderStatus>) -> u8 {
    match status {
        Some(OrderStatus::Sent) => 1,
        Some(OrderStatus::Received) => 2,
        _ => 0,
    }
}

/// The events up to this position; none if there is no such event.
fn told_of(events: &[(Position, OrderEvent)], told: Position) -> Option<&[(Position, OrderEvent)]> {
    let until = events.partition_point(|(position, _)| *position <= told);
    let last = events[..until].last().map_or(Position::default(), |(position, _)| *position);
    (last == told).then_some(&events[..until])
}

/// The events of these lines with their positions; whole records.
fn numbered<E: IntoIterator<Item = OrderEvent>>(
    lines: &[SagaLine],
    events: fn(&SagaLine) -> E,
) -> impl Iterator<Item = (Position, OrderEvent)> {
    let mut position = Position::default();
    let told = lines.iter().flat_map(move |line| events(line).into_iter().map(|event| (line.seq, event)));
    told.map(move |(seq, event)| {
        position = position.next(seq);
        (position, event)
    })
}

fn own_events(line: &SagaLine) -> impl Iterator<Item = OrderEvent> + use<> {
    let status = match line.event {
        "begun" => Some(OrderStatus::Pending),
        "confirmed" => Some(OrderStatus::Confirmed),
        // Cancelled it stays pending until everything is undone.
        "turning_back" if !is_cancel(line) => Some(OrderStatus::Rejected),
        "finished" if line.detail.as_deref() == Some(Status::Cancelled.as_str()) => {
            Some(OrderStatus::Cancelled)
        }
        _ => None,
    };
    let reason = line.detail.clone().filter(|_| status == Some(OrderStatus::Rejected));
    let status = status.map(|status| OrderEvent::status(line.at, status, reason));
    step(line).into_iter().chain(status)
}

/// What is begun and decided there is the cancellation, and not the order.
fn cancellation_events(line: &SagaLine) -> impl Iterator<Item = OrderEvent> + use<> {
    let step = match line.event {
        "begun" => step(line).map(|event| OrderEvent { what: "cancel_asked", ..event }),
        "confirmed" => None,
        _ => step(line),
    };
    let is_done = line.event == "finished" && line.detail.as_deref() == Some(Status::Completed.as_str());
    let status = is_done.then(|| OrderEvent::status(line.at, OrderStatus::Cancelled, None));
    step.into_iter().chain(status)
}

fn is_cancel(line: &SagaLine) -> bool {
    let code = line.detail.clone().unwrap_or_default();
    Cause { code, step: line.step.clone(), detail: None }.is_cancel()
}

/// What was done, for customers; what was only asked for is not told.
fn step(line: &SagaLine) -> Option<OrderEvent> {
    let what = customers_word(line.event).filter(|word| !["sent", "undo_sent"].contains(word))?;
    Some(OrderEvent { at: line.at, what, step: line.step.clone(), reason: line.detail.clone(), status: None })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use contracts::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::order::{Goods, Order};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::seconds(seconds)
    }

    fn line(seq: u32, seconds: i64, event: &'static str, detail: Option<&str>) -> SagaLine {
        let detail = detail.map(str::to_owned);
        SagaLine { seq, at: at(seconds), step: None, event, attempt: None, detail, payload: None }
    }

    fn received() -> OrderRow {
        let order = Order {
            order_id: Uuid::now_v7(),
            user_id: Uuid::now_v7(),
            goods: Goods::Asked(Vec::new()),
            price: None,
            delivery: None,
            comment: None,
            created_at: at(0),
            held_until: None,
        };
        let sent = OrderRow::confirmed(&order, at(1)).moved_to(OrderStatus::Sent, at(3));
        sent.moved_to(OrderStatus::Received, at(6))
    }

    fn known() -> Known {
        let own = vec![
            line(1, 0, "begun", None),
            line(1, 0, "sent", None),
            line(2, 1, "confirmed", None),
            line(2, 1, "published", Some("order.order_confirmed.v1")),
            line(3, 2, "done", None),
            line(4, 5, "done", None),
            line(4, 5, "finished", Some("completed")),
        ];
        Known { row: received(), own, cancelling: Vec::new(), is_old: false, is_over: true }
    }

    #[test]
    fn what_the_courier_said_stands_where_its_time_puts_it() {
        let told: Vec<_> = known().after(Told::default()).into_iter().map(|(_, event)| event.what).collect();
        let expected =
            ["begun", "pending", "confirmed", "confirmed", "done", "sent", "done", "finished", "received"];
        assert_eq!(told, expected);
    }

    #[test]
    fn from_every_id_on_the_rest_is_told_and_ids_that_were_never_told_are_known() {
        let known = known();
        let all = known.after(Told::default());
        for (index, (told, _)) in all.iter().enumerate() {
            assert!(known.has_told(*told), "{told}");
            assert_eq!(known.after(*told), all[index + 1..], "{told}");
        }
        for never in ["5-1.0-0.received", "4-3.0-0.received", "4-2.1-1.received", "1-2.0-0.sent", "4-2.0-0"] {
            assert!(!known.has_told(never.parse().unwrap()), "{never}");
        }
    }

    #[test]
    fn whoever_heard_the_courier_first_misses_nothing_of_the_tail() {
        // A reader who looked before the tail's record was there.
        let told: Told = "3-1.0-0.sent".parse().unwrap();
        assert!(known().has_told(told));
        let rest: Vec<_> = known().after(told).into_iter().map(|(_, event)| event.what).collect();
        assert_eq!(rest, ["done", "finished", "received"]);
    }
}
