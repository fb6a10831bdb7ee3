//! Who asks: a user by access token, or an operator or service on the internal listener.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use uuid::Uuid;

use super::Problem;
use crate::token::{Identity, Role, Roles, TokenVerifier};

/// The user who asks, by a valid access token; 401 without. First among a handler's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user_id: Uuid,
    /// The session that the token belongs to.
    pub session_id: Uuid,
    /// What the user may do besides.
    pub roles: Roles,
}

impl Caller {
    /// Refuses everybody without the role.
    ///
    /// # Errors
    /// 403.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.roles.has(role) {
            Ok(())
        } else {
            Err(Problem::forbidden(format!("this needs the role {}", role.as_str())))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match *identity(parts).await? {
            Identity::User { user_id, session_id, roles } => Ok(Self { user_id, session_id, roles }),
            Identity::Service(_) => Err(Problem::invalid_token("a service token is no user's token")),
        }
    }
}

/// Who asks on the internal listener; the listener has checked before routing that it is one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InternalCaller {
    /// A user with the role operator.
    Operator(Uuid),
    /// A service, by name.
    Service(String),
}

impl InternalCaller {
    /// Whom the internal listener lets in.
    ///
    /// # Errors
    /// 403 for a user who is no operator.
    pub(crate) fn of(identity: &Identity) -> Result<Self, Problem> {
        match identity {
            Identity::Service(name) => Ok(Self::Service(name.clone())),
            Identity::User { user_id, roles, .. } if roles.has(Role::Operator) => {
                Ok(Self::Operator(*user_id))
            }
            Identity::User { .. } => {
                Err(Problem::forbidden("this needs the role operator or a service token"))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InternalCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&*identity(parts).await?)
    }
}

/// A caller's token, for what outlives its request: a stream must end with the session that opened it.
#[derive(Debug)]
pub struct Standing {
    token: String,
    tokens: TokenVerifier,
}

impl Standing {
    /// Whether the token would still be let in: neither expired nor revoked.
    pub async fn is_good(&self) -> bool {
        self.tokens.verify(&self.token).await.is_ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Standing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let token = bearer_token(&parts.headers)?.to_owned();
        let tokens = parts.extensions.get::<TokenVerifier>().cloned();
        let tokens = tokens.ok_or_else(|| Problem::internal("a handler runs outside of the house"))?;
        Ok(Self { token, tokens })
    }
}

async fn identity(parts: &Parts) -> Result<Arc<Identity>, Problem> {
    let token = bearer_token(&parts.headers)?;
    let verifier = parts.extensions.get::<TokenVerifier>();
    let verifier = verifier.ok_or_else(|| Problem::internal("a handler runs outside of the house"))?;
    Ok(verifier.verify(token).await?)
}

/// The token of `Authorization: Bearer <token>`.
///
/// # Errors
/// 401 without one.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Result<&str, Problem> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let parts = header.and_then(|value| value.split_once(' '));
    match parts {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(token.trim())
        }
        _ => Err(Problem::unauthenticated("an access token is needed: Authorization: Bearer <token>")),
    }
}
