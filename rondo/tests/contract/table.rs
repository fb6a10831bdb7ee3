//! The contract: every row of the API that is served today.
//!
//! Statuses are what an operation may answer besides 500 and 503, which every one may. In words: `AUTH` it needs a
//! token (401), `ROLE` and a role (403), `QUERY` it has parameters (422), `BODY` it has a body (400, 408, 413, 415,
//! 422). Fields are those of its 2xx answers; with `?` they may be absent; a 204 has none.

use std::collections::BTreeSet;

/// An operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) statuses: &'static str,
    pub(crate) fields: &'static str,
}

const fn row(method: &'static str, path: &'static str, statuses: &'static str, fields: &'static str) -> Row {
    Row { method, path, statuses, fields }
}

const TOKENS: &str = "access_token token_type expires_in refresh_token";
const PROFILE: &str = "user_id email name phone address locale";
const ACCOUNT: &str = "account_id user_id currency balance held available";
const ORDER: &str = "order_id user_id status reason? items[position_id quantity] total currency created_at \
                     updated_at saga_id";
const ORDERS: &str = "items[order_id user_id status reason? items[position_id quantity] total currency created_at \
                      updated_at saga_id] next_cursor";
const SAGA: &str = "saga_id workflow version key status paused paused_by? stuck \
                    steps[name kind status attempts reason? started_at? finished_at?] allowed_actions \
                    history[seq at step? event attempt? detail? payload?] waits_for? trace_id? wake_at? created_at finished_at?";

const DEAD_LETTERS: &str = "items[service letter_id group subject item_type? about? error times first_at last_at \
                            headers? payload]";
const DEAD_LETTER_PAGE: &str = "items[service letter_id group subject item_type? about? error times first_at \
                                last_at headers? payload] next_cursor";
const CHANGED: &str = "items[service letter_id ok why?] succeeded failed left";

const DELIVERY: &str = "order_id status address slot updated_at";

const AUDIT: &str = "findings[rule count examples] orders reserved_by_hand \
                     accepted[order_id action step? actor reason at rules] orders_judged orders_moving \
                     sums[orders_confirmed orders_rejected orders_cancelled orders_cancelled_confirmed \
                     confirmed_total deposited withdrawn captured refunded paid paid_for_orders balances held \
                     available reserved sold letters] dead_letters unpublished_events";

/// What clients reach.
pub(crate) const PUBLIC: [Row; 25] = [
    row("POST", "/api/v1/register", "201 409 BODY", "user_id email name"),
    row("POST", "/api/v1/login", "200 401 429 BODY", TOKENS),
    row("POST", "/api/v1/token/refresh", "200 401 BODY", TOKENS),
    row("POST", "/api/v1/logout", "204 AUTH", ""),
    row("GET", "/.well-known/jwks.json", "200", "keys"),
    row("GET", "/api/v1/user/profile", "200 AUTH 404", PROFILE),
    row("POST", "/api/v1/user/profile", "200 AUTH 404 BODY", PROFILE),
    row("GET", "/api/v1/account", "200 AUTH", ACCOUNT),
    row("POST", "/api/v1/account", "200 AUTH BODY", ACCOUNT),
    row("POST", "/api/v1/account/withdraw", "200 AUTH 402 BODY", ACCOUNT),
    row(
        "GET",
        "/api/v1/account/entries",
        "200 AUTH QUERY",
        "items[entry_id kind amount balance_after order_id? created_at] next_cursor",
    ),
    row(
        "GET",
        "/api/v1/stock/positions",
        "200 AUTH QUERY",
        "items[position_id name price currency available] next_cursor",
    ),
    row("GET", "/api/v1/stock/position/{id}/count", "200 AUTH 404", "position_id available reserved"),
    row(
        "POST",
        "/api/v1/stock/position/{id}/reserve",
        "200 AUTH ROLE 404 409 BODY",
        "order_id position_id name quantity price currency",
    ),
    row("POST", "/api/v1/order", "201 202 AUTH 402 409 BODY", ORDER),
    row("GET", "/api/v1/orders", "200 AUTH QUERY", ORDERS),
    row("GET", "/api/v1/order/{id}", "200 AUTH 404", ORDER),
    row("GET", "/api/v1/order/{id}/saga", "200 AUTH 404", SAGA),
    row("GET", "/api/v1/order/{id}/events", "200 204 AUTH 404 429", "at what step? reason?"),
    row("POST", "/api/v1/order/{id}/cancel", "200 202 AUTH 404 409", ORDER),
    row("GET", "/api/v1/order/{id}/delivery", "200 AUTH 404", DELIVERY),
    row("POST", "/api/v1/order/sent", "200 AUTH ROLE 404 409 BODY", DELIVERY),
    row("POST", "/api/v1/order/received", "200 AUTH 404 409 BODY", DELIVERY),
    row("POST", "/api/v1/order/recieved", "200 AUTH 404 409 BODY", DELIVERY),
    row(
        "GET",
        "/api/v1/notifications",
        "200 AUTH QUERY",
        "items[notification_id kind subject body order_id? channel status created_at] next_cursor",
    ),
];

/// What operators and other services reach.
pub(crate) const INTERNAL: [Row; 21] = [
    row("POST", "/internal/api/v1/register", "201 AUTH ROLE 409 BODY", "user_id"),
    row("GET", "/internal/api/v1/user/{id}/profile", "200 AUTH ROLE 404", PROFILE),
    row("PUT", "/internal/api/v1/user/{id}/roles", "200 AUTH ROLE 404 BODY", "user_id roles"),
    row("GET", "/internal/api/v1/auth", "200 AUTH", "user_id roles"),
    row(
        "POST",
        "/internal/api/v1/payment",
        "200 AUTH ROLE 402 409 BODY",
        "entry_id order_id user_id amount currency",
    ),
    row(
        "PUT",
        "/internal/api/v1/stock/position/{id}",
        "200 AUTH ROLE 404 409 BODY",
        "position_id name price currency available reserved",
    ),
    row(
        "GET",
        "/internal/api/v1/sagas",
        "200 AUTH ROLE QUERY",
        "items[saga_id workflow version key status step? stuck paused wake_at? created_at finished_at?] next_cursor",
    ),
    row("GET", "/internal/api/v1/sagas/{id}", "200 AUTH ROLE 404", SAGA),
    row("POST", "/internal/api/v1/sagas/{id}/{action}", "200 AUTH ROLE 404 409 BODY", SAGA),
    row(
        "POST",
        "/internal/api/v1/sagas/bulk",
        "200 AUTH ROLE BODY",
        "dry_run matched items[saga_id key workflow status step? past_pivot ok why? would_send?] succeeded failed \
         stopped next_cursor",
    ),
    row("GET", "/internal/api/v1/pauses", "200 AUTH ROLE", "items[scope name since actor reason]"),
    row("POST", "/internal/api/v1/pauses", "200 AUTH ROLE 409 BODY", "scope name since actor reason"),
    row("POST", "/internal/api/v1/pauses/resume", "200 AUTH ROLE 404 BODY", "scope name since actor reason"),
    row(
        "GET",
        "/internal/api/v1/audit/actions",
        "200 AUTH ROLE QUERY",
        "items[action_id at actor action reason saga_id? key? target? accepted_difference \
         before?[status step? attempt stuck paused] after?[status step? attempt stuck paused]] next_cursor",
    ),
    row(
        "GET",
        "/internal/api/v1/audit/dead-letters",
        "200 AUTH ROLE QUERY",
        "items[action_id service at actor action reason letter_id before after] next_cursor",
    ),
    row(
        "GET",
        "/internal/api/v1/dead-letters",
        "200 AUTH ROLE QUERY",
        "items[service group subject error letters times first_at last_at]",
    ),
    row("GET", "/internal/api/v1/dead-letters/groups/{id}", "200 AUTH ROLE 404 QUERY", DEAD_LETTER_PAGE),
    row("GET", "/internal/api/v1/dead-letters/{id}", "200 AUTH ROLE 404", DEAD_LETTERS),
    row("POST", "/internal/api/v1/dead-letters/redrive", "200 AUTH ROLE 404 BODY", CHANGED),
    row("POST", "/internal/api/v1/dead-letters/discard", "200 AUTH ROLE 404 BODY", CHANGED),
    row("GET", "/internal/api/v1/audit/money", "200 AUTH ROLE", AUDIT),
];

/// What the internal listener tells everybody; not in its document.
pub(crate) const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

impl Row {
    /// Every status it may answer with.
    pub(crate) fn statuses(&self) -> BTreeSet<u16> {
        let of = |word: &str| match word {
            "AUTH" => vec![401],
            "ROLE" => vec![403],
            "QUERY" => vec![422],
            "BODY" => vec![400, 408, 413, 415, 422],
            status => vec![status.parse().unwrap()],
        };
        self.statuses.split(' ').flat_map(of).chain([500, 503]).collect()
    }

    /// Whether it needs a token.
    pub(crate) fn needs_token(&self) -> bool {
        self.statuses.split(' ').any(|word| word == "AUTH")
    }

    /// Whether it needs more than any user's token.
    pub(crate) fn needs_role(&self) -> bool {
        self.statuses.split(' ').any(|word| word == "ROLE")
    }

    /// Of its successes: one operation tells a stream.
    pub(crate) fn media_type(&self) -> &'static str {
        if self.path.ends_with("/events") { "text/event-stream" } else { "application/json" }
    }

    /// `GET /api/v1/order/{id}`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// The row of this name.
pub(crate) fn find(name: &str) -> Row {
    let mut rows = PUBLIC.into_iter().chain(INTERNAL);
    rows.find(|row| row.name() == name).unwrap_or_else(|| panic!("{name} is not in the contract"))
}
