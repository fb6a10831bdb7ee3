//! What auth tells every process: which sessions are over, and which roles a user's tokens must say.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Event, Timestamp};

/// Tokens that are signed and not yet over are refused from now on. Told again, it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRevoked {
    /// Whose tokens.
    #[serde(flatten)]
    pub revoked: Revoked,
    /// When; of two about the same user the later counts.
    pub revoked_at: Timestamp,
    /// No such token lives longer: from then on this may be forgotten.
    pub until: Timestamp,
}

/// Which tokens are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Revoked {
    /// All of a session.
    Session {
        /// The session.
        session_id: Uuid,
    },
    /// Those of a user that say other roles.
    Roles {
        /// The user.
        user_id: Uuid,
        /// The user's roles from now on, by name.
        roles: Vec<String>,
    },
}

impl Revoked {
    /// The session or the user.
    pub fn about(&self) -> Uuid {
        match self {
            Self::Session { session_id } => *session_id,
            Self::Roles { user_id, .. } => *user_id,
        }
    }
}

/// Every revocation that counted at this time is on the stream before this event: who has read so far
/// knows them all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationsComplete {
    /// When.
    pub at: Timestamp,
}

impl Event for SessionRevoked {
    const TYPE: &'static str = "auth.session_revoked.v1";
    fn about(&self) -> Uuid {
        self.revoked.about()
    }
}

impl Event for RevocationsComplete {
    const TYPE: &'static str = "auth.revocations_complete.v1";
    fn about(&self) -> Uuid {
        Uuid::nil()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_session_or_a_user_with_roles_is_on_the_wire() {
        let session = Revoked::Session { session_id: Uuid::nil() };
        let roles = Revoked::Roles { user_id: Uuid::nil(), roles: vec!["user".to_owned()] };
        let nil = "00000000-0000-0000-0000-000000000000";
        for (revoked, what) in [
            (session, format!(r#""session_id":"{nil}""#)),
            (roles, format!(r#""user_id":"{nil}","roles":["user"]"#)),
        ] {
            let event = SessionRevoked { revoked, revoked_at: at(1), until: at(2) };
            let text = serde_json::to_string(&event).unwrap();
            let times = r#""revoked_at":"1970-01-01T00:00:01Z","until":"1970-01-01T00:00:02Z""#;
            assert_eq!(text, format!("{{{what},{times}}}"));
            assert_eq!(serde_json::from_str::<SessionRevoked>(&text).unwrap(), event);
        }
    }
}
