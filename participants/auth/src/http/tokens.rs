//! The tokens of a session, as login and refresh give them out.

use contracts::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use service::http::Problem;
use service::token::Claims;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Auth;
use crate::refresh_token::RefreshToken;

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct TokensOut {
    /// Says who asks, in every request: `Authorization: Bearer <access_token>`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long the access token is valid, in seconds.
    expires_in: u32,
    /// Gets the next tokens; works once.
    refresh_token: String,
}

impl Auth {
    /// Signs an access token, to be given out with this refresh token.
    pub(super) fn tokens(
        &self,
        (user_id, session_id): (Uuid, Uuid),
        roles: &[String],
        refresh_token: &RefreshToken,
        now: Timestamp,
    ) -> Result<TokensOut, Problem> {
        let expires_in = self.security.access_token_seconds;
        let roles = roles.iter().collect();
        let claims = Claims::of_user(user_id, session_id, roles, now.timestamp(), expires_in);
        let access_token = self.signing_key.sign(&claims).map_err(|error| Problem::internal(&error))?;
        let refresh_token = refresh_token.text().expose_secret().to_owned();
        Ok(TokensOut { access_token, token_type: "Bearer", expires_in, refresh_token })
    }
}
