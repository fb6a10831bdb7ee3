//! `/api/v1/account`: what a user has, money in and out.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use contracts::Amount;
use serde::{Deserialize, Serialize};
use service::http::documentation::{
    BodyProblems, Failures, IdempotencyKeyHeader, ProblemBody, Unauthenticated,
};
use service::http::{Caller, FieldErrors, Json, Keyed, Problem, REPLAYED, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Counter, Shared};
use crate::commands::Call;
use crate::commands::deposit::Deposit;
use crate::commands::open_account::OpenAccount;
use crate::commands::withdraw::Withdraw;
use crate::once::{AccountView, Booked};
use crate::store;

const DEPOSIT: &str = "POST /api/v1/account";
const WITHDRAW: &str = "POST /api/v1/account/withdraw";

/// How much money.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AmountIn {
    /// In minor units.
    #[schema(value_type = i64, minimum = 1, maximum = 1_000_000_000_000_i64)]
    amount: Amount,
}

impl Validate for AmountIn {
    fn validate(&self, _: &mut FieldErrors) {}
}

/// An account; all amounts in minor units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AccountOut {
    /// The account.
    account_id: Uuid,
    /// Whose.
    user_id: Uuid,
    /// ISO 4217.
    #[schema(example = "RUB")]
    currency: String,
    /// All the money: available + held.
    balance: i64,
    /// What waits for orders.
    held: i64,
    /// What can be spent.
    available: i64,
}

impl AccountOut {
    fn new(account: &AccountView, currency: &str) -> Self {
        let &AccountView { account_id, user_id, balance, held } = account;
        Self { account_id, user_id, currency: currency.to_owned(), balance, held, available: balance - held }
    }
}

/// Read the own account
#[utoipa::path(
    get,
    path = "/api/v1/account",
    operation_id = "read_account",
    tag = "billing",
    security(("bearer" = [])),
    responses((status = 200, description = "The account", body = AccountOut), Unauthenticated, Failures)
)]
pub(super) async fn read(caller: Caller, State(counter): State<Shared>) -> Result<Json<AccountOut>, Problem> {
    let account = match store::account(&counter.db, caller.user_id).await? {
        Some(account) => AccountView::from(&account),
        None => counter.booked(Call::OpenAccount(OpenAccount { user_id: caller.user_id })).await?.account,
    };
    Ok(Json(AccountOut::new(&account, &counter.currency)))
}

/// Put money into the own account
#[utoipa::path(
    post,
    path = "/api/v1/account",
    operation_id = "deposit",
    tag = "billing",
    security(("bearer" = [])),
    params(IdempotencyKeyHeader),
    request_body = AmountIn,
    responses(
        (
            status = 200,
            description = "The account with the money added; or as it was told before to a request with the same key",
            body = AccountOut,
            headers(("Idempotency-Replayed" = String, description = "`true` when it is an earlier answer"))
        ),
        Unauthenticated,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn deposit(
    caller: Caller,
    State(counter): State<Shared>,
    Keyed { body, key }: Keyed<AmountIn>,
) -> Result<Response, Problem> {
    let user_id = caller.user_id;
    let key = key.map(|key| key.scoped(user_id, DEPOSIT));
    let call = Deposit { entry_id: Uuid::now_v7(), user_id, amount: body.amount, key };
    counter.answer(Call::Deposit(call)).await
}

/// Take money out of the own account
#[utoipa::path(
    post,
    path = "/api/v1/account/withdraw",
    operation_id = "withdraw",
    tag = "billing",
    security(("bearer" = [])),
    params(IdempotencyKeyHeader),
    request_body = AmountIn,
    responses(
        (
            status = 200,
            description = "The account without the money; or as it was told before to a request with the same key",
            body = AccountOut,
            headers(("Idempotency-Replayed" = String, description = "`true` when it is an earlier answer"))
        ),
        (
            status = 402,
            description = "`insufficient_funds`, with `available` and `required`",
            body = ProblemBody,
            content_type = "application/problem+json"
        ),
        Unauthenticated,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn withdraw(
    caller: Caller,
    State(counter): State<Shared>,
    Keyed { body, key }: Keyed<AmountIn>,
) -> Result<Response, Problem> {
    let user_id = caller.user_id;
    let key = key.map(|key| key.scoped(user_id, WITHDRAW));
    let call = Withdraw { entry_id: Uuid::now_v7(), user_id, amount: body.amount, key };
    counter.answer(Call::Withdraw(call)).await
}

impl Counter {
    /// Puts a call through the loop.
    pub(super) async fn booked(&self, call: Call) -> Result<Booked, Problem> {
        Ok(self.handle.call(crate::Input::Call(call)).await??)
    }

    async fn answer(&self, call: Call) -> Result<Response, Problem> {
        let Booked { account, replayed } = self.booked(call).await?;
        Ok(replayable(replayed, Json(AccountOut::new(&account, &self.currency))))
    }
}

/// Says so when an answer was given before.
pub(super) fn replayable(replayed: bool, answer: impl IntoResponse) -> Response {
    if replayed { ([(REPLAYED, "true")], answer).into_response() } else { answer.into_response() }
}
