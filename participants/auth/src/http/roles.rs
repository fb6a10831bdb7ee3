//! `PUT /internal/api/v1/user/{id}/roles`: what a user may do.

use axum::extract::State;
use chrono::Utc;
use serde::{Deserialize, Serialize};
use service::http::documentation::{BodyProblems, Failures, Forbidden, NotFound, Unauthenticated};
use service::http::{FieldErrors, InternalCaller, Json, Path, Problem, Validate};
use service::token::{Role, Roles};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::roles::Changed;
use crate::{NAME, Shared, roles};

/// What a user may do from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RolesIn {
    /// All roles of the user; those that are not named are taken away.
    #[schema(min_items = 1, max_items = 3)]
    roles: Vec<Role>,
}

impl Validate for RolesIn {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.check((1..=Role::ALL.len()).contains(&self.roles.len()), "roles", "must name 1 to 3 roles");
    }
}

/// What a user may do.
#[derive(Serialize, ToSchema)]
pub(super) struct RolesOut {
    /// The user.
    user_id: Uuid,
    /// The roles, in the order user, courier, operator.
    roles: Vec<Role>,
}

/// Set a user's roles
///
/// Tokens that say other roles stop working within a second: the user refreshes them or logs in again.
#[utoipa::path(
    put,
    path = "/internal/api/v1/user/{id}/roles",
    operation_id = "put_roles",
    tag = "auth",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user")),
    request_body = RolesIn,
    responses(
        (status = 200, description = "The roles as they are now", body = RolesOut),
        Unauthenticated,
        Forbidden,
        NotFound,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn put(
    caller: InternalCaller,
    State(auth): State<Shared>,
    Path(user_id): Path<Uuid>,
    Json(wanted): Json<RolesIn>,
) -> Result<Json<RolesOut>, Problem> {
    may_give_roles(&caller)?;
    let wanted = wanted.roles.into_iter().fold(Roles::default(), Roles::with);
    let changed = roles::change(&auth.db, user_id, &auth.security, Utc::now(), |_| wanted).await?;
    match changed {
        Changed::Unknown => return Err(Problem::not_found()),
        Changed::No => {}
        Changed::Yes(revoked) => {
            auth.announcer.announce(&[revoked]);
            tracing::info!(?caller, %user_id, roles = ?wanted.names(), "roles were set");
        }
    }
    Ok(Json(RolesOut { user_id, roles: wanted.iter().collect() }))
}

/// Operators; and who holds auth's own token, for the first operator has nobody above. Of the other
/// services none has to make operators.
fn may_give_roles(caller: &InternalCaller) -> Result<(), Problem> {
    match caller {
        InternalCaller::Operator(_) => Ok(()),
        InternalCaller::Service(name) if name == NAME => Ok(()),
        InternalCaller::Service(_) => Err(Problem::forbidden("only operators and auth itself give roles")),
    }
}
