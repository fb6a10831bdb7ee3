//! What a token says.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Roles, TokenError};

/// Who signs all tokens.
pub const ISSUER: &str = "rondo";

const SERVICE_PREFIX: &str = "service:";

/// The claims of a token, of either kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// The user's id, or `service:<name>`.
    pub sub: String,
    /// The session; only a user's token has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// The user's roles.
    #[serde(default)]
    pub roles: Roles,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A user.
    User {
        /// Who.
        user_id: Uuid,
        /// In which session.
        session_id: Uuid,
        /// With which roles.
        roles: Roles,
    },
    /// A service, by name.
    Service(String),
}

impl Claims {
    /// The claims of a user's access token that is issued at `now` (seconds since 1970).
    pub fn of_user(user_id: Uuid, session_id: Uuid, roles: Roles, now: i64, lifetime_seconds: u32) -> Self {
        Self::new(user_id.to_string(), Some(session_id), roles, now, lifetime_seconds)
    }

    /// The claims of a service's token that is issued at `now` (seconds since 1970).
    pub fn of_service(name: &str, now: i64, lifetime_seconds: u32) -> Self {
        Self::new(format!("{SERVICE_PREFIX}{name}"), None, Roles::default(), now, lifetime_seconds)
    }

    fn new(sub: String, sid: Option<Uuid>, roles: Roles, iat: i64, lifetime_seconds: u32) -> Self {
        Self { iss: ISSUER.to_owned(), sub, sid, roles, iat, exp: iat + i64::from(lifetime_seconds) }
    }

    /// Whose token it is.
    pub(super) fn identity(&self) -> Result<Identity, TokenError> {
        match (self.sub.strip_prefix(SERVICE_PREFIX), self.sid) {
            (Some(name), None) => Ok(Identity::Service(name.to_owned())),
            (None, Some(session_id)) => {
                let user_id = Uuid::try_parse(&self.sub).map_err(|_| TokenError::Invalid)?;
                Ok(Identity::User { user_id, session_id, roles: self.roles })
            }
            _ => Err(TokenError::Invalid),
        }
    }
}
