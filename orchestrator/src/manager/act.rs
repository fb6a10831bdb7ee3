//! Moving a saga on somebody's behalf: an operator's action, or a customer's cancel. Whoever asks is
//! told what became of it, and what was done stands in the audit trail.

use std::fmt;

use messaging::CallError;
use saga::{IgnoredWhy, Status};
use service::http::Problem;
use uuid::Uuid;

/// What somebody wants done to a saga.
#[derive(Debug)]
pub struct Act {
    /// Made by the caller; the key of its row in the trail, by which a repeat is recognised.
    pub action_id: Uuid,
    /// To which saga.
    pub saga_id: Uuid,
    /// What.
    pub input: saga::Input,
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
}

/// Somebody wants a saga to begin.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Made by the caller; the key of its row in the trail.
    pub action_id: Uuid,
    /// What this is to the one who wants it, as the API says it.
    pub action: &'static str,
    /// Who.
    pub by: Actor,
    /// Why.
    pub reason: String,
}

/// On whose behalf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The customer whose saga it is.
    User(Uuid),
    /// An operator.
    Operator(Uuid),
}

/// It was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acted {
    /// What the saga is doing now.
    pub status: Status,
}

/// It was not done, and nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActRefused {
    /// The workflow has no such saga.
    #[error("there is no such saga")]
    UnknownSaga,
    /// Only a newer process can move it.
    #[error("the saga is of a version that this process does not know")]
    UnknownVersion,
    /// It makes no sense now.
    #[error(transparent)]
    NotAllowed(IgnoredWhy),
}

/// It was not done, or nobody knows.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(crate) enum ActError {
    #[error(transparent)]
    Refused(#[from] ActRefused),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Operator(id) => write!(f, "operator {id}"),
        }
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Refused(ActRefused::UnknownSaga) => Self::not_found(),
            ActError::Refused(ActRefused::UnknownVersion) => {
                Self::unavailable("unknown_version", error.to_string(), 5)
            }
            ActError::Refused(ActRefused::NotAllowed(why)) => Self::conflict("not_allowed", why.to_string()),
            ActError::Call(error) => error.into(),
        }
    }
}
