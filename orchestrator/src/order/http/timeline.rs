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
