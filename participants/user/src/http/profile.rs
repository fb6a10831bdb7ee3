//! `/api/v1/user/profile`: what a user says about themselves.

use axum::extract::State;
use chrono::Utc;
use contracts::user::{Locale, ProfileChanged};
use messaging::outbox;
use sea_orm::TransactionTrait;
use serde::{Deserialize, Serialize};
use service::http::documentation::{BodyProblems, Failures, Forbidden, NotFound, Unauthenticated};
use service::http::{Caller, FieldErrors, InternalCaller, Json, Path, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::users::{self, Changes, User};
use crate::{NAME, Shared};

/// The language of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum LocaleName {
    /// Russian.
    Ru,
    /// English.
    En,
}

impl From<LocaleName> for Locale {
    fn from(name: LocaleName) -> Self {
        match name {
            LocaleName::Ru => Self::Ru,
            LocaleName::En => Self::En,
        }
    }
}

/// What changes; a field that is absent stays, an empty text takes the value away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileIn {
    /// How to address the user.
    #[schema(
        max_length = 100,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    name: Option<String>,
    /// Digits, spaces, `+`, `-`, `(` and `)`.
    #[schema(max_length = 32, pattern = "^[0-9 +()-]*$", example = "+7 900 000-00-00")]
    phone: Option<String>,
    /// The postal address.
    #[schema(
        max_length = 500,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    address: Option<String>,
    /// The language of letters.
    locale: Option<LocaleName>,
}

impl Validate for ProfileIn {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.optional_line("name", self.name.as_deref(), 0..=100);
        errors.optional_line("phone", self.phone.as_deref(), 0..=32);
        errors.optional_text("address", self.address.as_deref(), 0..=500);
        let is_blank = |text: &String| !text.is_empty() && text.trim().is_empty();
        let address_says = !self.address.as_ref().is_some_and(is_blank);
        errors.check(address_says, "address", "must say something, or be empty");
        let dialled = |character: char| character.is_ascii_digit() || " +-()".contains(character);
        let phone = self.phone.as_deref().unwrap_or_default();
        errors.check(phone.chars().all(dialled), "phone", "must have digits, spaces, +, -, ( and ) only");
    }
}

/// A user's profile.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProfileOut {
    /// The user.
    user_id: Uuid,
    /// Where letters go.
    email: String,
    /// How to address the user.
    #[schema(required)]
    name: Option<String>,
    /// The phone number.
    #[schema(required)]
    phone: Option<String>,
    /// The postal address.
    #[schema(required)]
    address: Option<String>,
    /// The language of letters.
    #[schema(value_type = LocaleName)]
    locale: String,
}

impl From<User> for ProfileOut {
    fn from(user: User) -> Self {
        let User { user_id, email, name, phone, address, locale } = user;
        Self { user_id, email, name, phone, address, locale }
    }
}

/// Read the own profile
#[utoipa::path(
    get,
    path = "/api/v1/user/profile",
    operation_id = "read_profile",
    tag = "user",
    security(("bearer" = [])),
    responses((status = 200, description = "The profile", body = ProfileOut), Unauthenticated, NotFound, Failures)
)]
pub(super) async fn read(caller: Caller, State(users): State<Shared>) -> Result<Json<ProfileOut>, Problem> {
    let user = users::find(&users.db, caller.user_id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(user.into()))
}

/// Change the own profile
#[utoipa::path(
    post,
    path = "/api/v1/user/profile",
    operation_id = "change_profile",
    tag = "user",
    security(("bearer" = [])),
    request_body = ProfileIn,
    responses(
        (status = 200, description = "The profile as it is now", body = ProfileOut),
        Unauthenticated,
        NotFound,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn change(
    caller: Caller,
    State(users): State<Shared>,
    Json(profile): Json<ProfileIn>,
) -> Result<Json<ProfileOut>, Problem> {
    let ProfileIn { name, phone, address, locale } = profile;
    let locale = locale.map(|name| Locale::from(name).as_str());
    let told = address.is_some() || locale.is_some();
    let changes = Changes { name, phone, address, locale };
    let (now, transaction) = (Utc::now(), users.db.begin().await?);
    let changed = users::change(&transaction, caller.user_id, changes, now).await?;
    let user = changed.ok_or_else(Problem::not_found)?;
    let stored = if told {
        outbox::store(&transaction, NAME, &[profile_changed(&user).into()], now).await?
    } else {
        None
    };
    transaction.commit().await?;
    if let Some(stored) = stored {
        users.publisher.events(stored).await;
    }
    Ok(Json(user.into()))
}

fn profile_changed(user: &User) -> ProfileChanged {
    let locale = if user.locale == Locale::En.as_str() { Locale::En } else { Locale::Ru };
    ProfileChanged { user_id: user.user_id, locale, address: user.address.clone() }
}

/// Read a user's profile
#[utoipa::path(
    get,
    path = "/internal/api/v1/user/{id}/profile",
    operation_id = "read_profile_of_user",
    tag = "user",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The user")),
    responses(
        (status = 200, description = "The profile", body = ProfileOut),
        Unauthenticated,
        Forbidden,
        NotFound,
        Failures,
    )
)]
pub(super) async fn read_of(
    _: InternalCaller,
    State(users): State<Shared>,
    Path(user_id): Path<Uuid>,
) -> Result<Json<ProfileOut>, Problem> {
    let user = users::find(&users.db, user_id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(user.into()))
}
