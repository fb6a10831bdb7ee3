//! What a command is, what may be answered to it, and how the answer looks on the wire.

use std::fmt::{self, Display};

use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

/// An order to a participant to do or to undo one thing.
///
/// The type of its answer and of its refusals belong to it: a saga step that learns from another
/// command's reply does not compile.
pub trait Command: Serialize + DeserializeOwned + fmt::Debug + Clone + Send + Sync + 'static {
    /// Name and version in one; also the subject: `cmd.<participant>.<command>.v<N>`.
    const TYPE: &'static str;
    /// The service that answers: the second token of [`Command::TYPE`].
    const PARTICIPANT: &'static str;
    /// What is answered when it was done.
    type Done: Serialize + DeserializeOwned + fmt::Debug + Clone + PartialEq + Send + Sync + 'static;
    /// Why it may be refused; [`Never`] for undos and for steps after the pivot.
    type Refusal: Refusal;
}

/// A business reason to refuse. Its serde form is adjacently tagged:
/// `{"code": "insufficient_funds", "body": {...}}`; the code is stable.
pub trait Refusal:
    Serialize + DeserializeOwned + fmt::Debug + Clone + PartialEq + Send + Sync + 'static
{
}

/// The refusal of what cannot be refused: it has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

impl Refusal for Never {}

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom("this command cannot be refused"))
    }
}

/// Whether a step is done or undone. With saga and step it identifies a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The step itself.
    Do,
    /// Its compensation.
    Undo,
}

impl Direction {
    /// `do` or `undo`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Undo => "undo",
        }
    }
}

impl Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a command: the same for every attempt, so that the participant's row recognises it.
pub fn command_id(saga: Uuid, step: &str, direction: Direction) -> Uuid {
    Uuid::new_v5(&saga, format!("{step}/{direction}").as_bytes())
}

/// A participant's answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply<C: Command> {
    /// It was done, now or by an earlier asking.
    Done(C::Done),
    /// It was refused for a business reason, now or by an earlier asking.
    Refused(C::Refusal),
    /// Its undo came first: it will never be done.
    Cancelled,
    /// The participant cannot keep its promise (a command that must not be refused is, under this
    /// code). The saga waits for an operator.
    Broken(&'static str),
    /// A technical failure: nothing is known about the effect, the saga asks again.
    Fault(String),
}

/// How a command ended, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// See [`Reply::Done`].
    Done,
    /// See [`Reply::Refused`], [`Reply::Cancelled`] and [`Reply::Broken`].
    Refused,
    /// See [`Reply::Fault`].
    Fault,
}

impl Outcome {
    /// `done`, `refused` or `fault`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Fault => "fault",
        }
    }
}

/// The wire form of a [`Reply`]: `{outcome, code?, body?}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReplyData {
    /// How it ended.
    pub outcome: Outcome,
    /// The refusal's stable code, or a word for the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What was answered, or what explains the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
}

/// The code of a `do` that came after its undo.
const CANCELLED: &str = "cancelled";

#[derive(Deserialize)]
struct RefusalParts {
    code: String,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

impl ReplyData {
    fn refused(code: impl Into<String>, body: Option<Box<RawValue>>) -> Self {
        Self { outcome: Outcome::Refused, code: Some(code.into()), body }
    }

    /// A technical failure, with what is known about it.
    pub fn fault(detail: &str) -> Self {
        Self {
            outcome: Outcome::Fault,
            code: Some("fault".to_owned()),
            body: serde_json::value::to_raw_value(detail).ok(),
        }
    }

    /// What was done, as its command's type.
    ///
    /// # Errors
    /// The body is missing or not of that type.
    pub fn done<C: Command>(&self) -> Result<C::Done, serde_json::Error> {
        let body = self.body.as_deref().map_or("null", RawValue::get);
        serde_json::from_str(body)
    }
}

impl<C: Command> From<Reply<C>> for ReplyData {
    fn from(reply: Reply<C>) -> Self {
        let encoded = match reply {
            Reply::Done(done) => serde_json::value::to_raw_value(&done).map(|body| Self {
                outcome: Outcome::Done,
                code: None,
                body: Some(body),
            }),
            Reply::Refused(refusal) => serde_json::to_string(&refusal)
                .and_then(|text| serde_json::from_str::<RefusalParts>(&text))
                .map(|parts| Self::refused(parts.code, parts.body)),
            Reply::Cancelled => Ok(Self::refused(CANCELLED, None)),
            Reply::Broken(code) => Ok(Self::refused(code, None)),
            Reply::Fault(detail) => Ok(Self::fault(&detail)),
        };
        encoded.unwrap_or_else(|error| Self::fault(&format!("the reply cannot be encoded: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::{FundsRefusal, ReserveFunds};

    #[test]
    fn a_refusal_carries_its_code_and_body() {
        let refusal = FundsRefusal::InsufficientFunds { available: 5, required: 7 };
        let data = ReplyData::from(Reply::<ReserveFunds>::Refused(refusal));
        assert_eq!(
            serde_json::to_string(&data).unwrap(),
            r#"{"outcome":"refused","code":"insufficient_funds","body":{"available":5,"required":7}}"#
        );
    }

    #[test]
    fn a_late_do_is_refused_as_cancelled() {
        let data = ReplyData::from(Reply::<ReserveFunds>::Cancelled);
        assert_eq!(serde_json::to_string(&data).unwrap(), r#"{"outcome":"refused","code":"cancelled"}"#);
    }

    #[test]
    fn nothing_answers_an_undo_as_done() {
        let data: ReplyData = serde_json::from_str(r#"{"outcome":"done"}"#).unwrap();
        assert_eq!(data.done::<crate::billing::ReleaseFunds>().unwrap(), ());
    }

    #[test]
    fn command_ids_differ_by_direction_and_not_by_attempt() {
        let saga = Uuid::now_v7();
        assert_eq!(command_id(saga, "a", Direction::Do), command_id(saga, "a", Direction::Do));
        assert_ne!(command_id(saga, "a", Direction::Do), command_id(saga, "a", Direction::Undo));
    }
}
