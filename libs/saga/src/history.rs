//! History: one row for every decided input, from which a saga can be made again.

use contracts::{Direction, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::instance::whole_microseconds;
use crate::{Decision, Definition, Effect, Input, Instance, Outcome, StuckWhy, advance, ignored};

/// One decided input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the saga, from 1, without gaps.
    pub seq: u32,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub input: Input,
    /// What was done about it; for readers, a replay computes it anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Note>,
}

/// An effect, as history remembers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Note {
    /// A command was sent: step, direction, attempt.
    Sent(String, Direction, u32),
    /// An event of this type was published.
    Published(String),
    /// See [`Effect::Decided`].
    Decided(Decision),
    /// See [`Effect::Finished`].
    Finished(Outcome),
    /// See [`Effect::Stuck`].
    Stuck(String, Direction, StuckWhy),
    /// See [`Effect::Healed`].
    Healed,
}

impl Record {
    /// The record of an input that was just decided: the instance is the one after it. None when
    /// the input was ignored: it costs no row.
    pub fn of<D>(instance: &Instance<D>, input: &Input, effects: &[Effect], at: Timestamp) -> Option<Self> {
        if ignored(effects).is_some() {
            return None;
        }
        let effects = effects.iter().filter_map(Note::of).collect();
        Some(Self { seq: instance.seq, at: whole_microseconds(at), input: input.clone(), effects })
    }
}

impl Note {
    fn of(effect: &Effect) -> Option<Self> {
        Some(match effect {
            Effect::Send(send) => Self::Sent(send.step.to_owned(), send.direction, send.attempt),
            Effect::Publish(event) => Self::Published(event.event_type.to_owned()),
            Effect::Decided(decision) => Self::Decided(decision.clone()),
            Effect::Finished(outcome) => Self::Finished(outcome.clone()),
            Effect::Stuck { step, direction, why } => {
                Self::Stuck((*step).to_owned(), *direction, why.clone())
            }
            Effect::Healed => Self::Healed,
            Effect::Ignored(_) => return None,
        })
    }
}

/// Makes a saga of the data it began with and its history, in the order of `seq`. What comes out is
/// what advanced step by step, to the microsecond; of an empty history, a saga that never began.
pub fn replay<D>(definition: &Definition<D>, id: Uuid, data: D, history: &[Record]) -> Instance<D> {
    let began_at = history.first().map_or(Timestamp::UNIX_EPOCH, |record| record.at);
    let new = Instance::new(definition, id, data, began_at);
    history.iter().fold(new, |instance, record| advance(definition, instance, &record.input, record.at).0)
}
