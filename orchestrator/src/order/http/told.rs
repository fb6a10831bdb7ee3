//! How much of an order's timeline a client was told: the id of its last event.

use std::fmt;
use std::str::FromStr;

use super::timeline::Place;
use crate::order::OrderStatus;

/// The last events of the sagas' histories that were told, and the last status. As text
/// `<order>.<cancellation>` and, once a status was told, `.<status>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) order: Position,
    pub(super) cancellation: Position,
    pub(super) status: Option<OrderStatus>,
}

/// An event of a saga's history: the number of its record, and which of the record's events it is, from 1.
/// As text `<seq>-<event>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) seq: u32,
    pub(super) event: u32,
}

impl Position {
    /// The position of the next event, which is of this record.
    pub(super) const fn next(self, seq: u32) -> Self {
        Self { seq, event: if self.seq == seq { self.event + 1 } else { 1 } }
    }
}

impl Told {
    /// When this event was told too.
    pub(super) fn with(self, place: Place, status: Option<OrderStatus>) -> Self {
        let told = Self { status: status.or(self.status), ..self };
        match place {
            Place::Own(order) => Self { order, ..told },
            Place::Cancellation(cancellation) => Self { cancellation, ..told },
            Place::Way => told,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seq, self.event)
    }
}

impl FromStr for Position {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let (seq, event) = text.split_once('-').ok_or(NoEventId)?;
        let number = |text: &str| text.parse().map_err(|_| NoEventId);
        Ok(Self { seq: number(seq)?, event: number(event)? })
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.order, self.cancellation)?;
        self.status.map_or(Ok(()), |status| write!(f, ".{}", status.as_str()))
    }
}

/// No id of ours.
#[derive(Debug)]
pub(super) struct NoEventId;

impl FromStr for Told {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let mut parts = text.split('.');
        let mut position = || parts.next().ok_or(NoEventId)?.parse();
        let (order, cancellation) = (position()?, position()?);
        let status = parts.next().map(|word| OrderStatus::from_word(word).ok_or(NoEventId)).transpose()?;
        if parts.next().is_some() {
            return Err(NoEventId);
        }
        Ok(Self { order, cancellation, status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        for told in [
            Told::default(),
            Told { order: Position { seq: 3, event: 1 }, ..Told::default() },
            Told {
                order: Position { seq: 7, event: 2 },
                cancellation: Position { seq: 2, event: 1 },
                status: Some(OrderStatus::Cancelled),
            },
        ] {
            assert_eq!(told.to_string().parse::<Told>().ok(), Some(told));
        }
    }

    #[test]
    fn what_is_no_id_is_told_apart() {
        for text in ["", "3-1", "3-1.x", "3-1.1-1.unknown", "3-1.1-1.sent.5", "-1.0-0", "3.1"] {
            assert!(text.parse::<Told>().is_err(), "{text}");
        }
    }
}
