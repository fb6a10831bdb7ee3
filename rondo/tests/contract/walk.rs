//! A walk through every row of the contract, as customers and operators take it: what is answered in practice has
//! the fields that the contract promises.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use service::token::Role;
use testkit::{Answer, Client, eventually};
use uuid::Uuid;

use crate::processes::System;
use crate::table::{INTERNAL, PUBLIC, Row, find};
use crate::{ALL, shape, whole_system};

const WITHIN: std::time::Duration = std::time::Duration::from_secs(20);

struct Walk {
    system: System,
    walked: BTreeSet<String>,
}

impl Walk {
    /// Asks what the row stands for; the answer is one of the row's, and a success has its fields.
    async fn ask(&mut self, client: &Client, name: &str, path: &str, body: Option<Value>) -> Answer {
        let row = find(name);
        self.walked.insert(row.name());
        let method: Method = row.method.parse().unwrap();
        let mut request = client.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = client.send(request).await;
        is_promised(&row, &answer);
        answer
    }

    async fn get(&mut self, client: &Client, path: &str) -> Answer {
        let answer = self.ask(client, &format!("GET {path}"), path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    }

    async fn post(&mut self, client: &Client, path: &str, body: Value) -> Answer {
        self.ask(client, &format!("POST {path}"), path, Some(body)).await
    }
}

fn is_promised(row: &Row, answer: &Answer) {
    let name = row.name();
    assert!(row.statuses().contains(&answer.status), "{name}: {answer:?}");
    if answer.status == 204 {
        assert_eq!((answer.headers.get("content-type"), &answer.body), (None, &Value::Null), "{name}");
        return;
    }
    let media_type = &answer.headers["content-type"];
    if answer.status < 300 {
        assert_eq!(media_type, "application/json", "{name}");
        let differences = shape::differences(&shape::of_words(row.fields), &answer.body);
        assert_eq!(differences, [""; 0], "{name}: {}", answer.body);
    } else {
        assert_eq!(media_type, "application/problem+json", "{name}");
    }
}

fn text(answer: &Answer, member: &str) -> String {
    answer.body[member].as_str().unwrap_or_else(|| panic!("{member}: {answer:?}")).to_owned()
}

#[tokio::test]
async fn every_row_answers_what_the_contract_promises() {
    answers_every_row(whole_system().await).await;
}

#[tokio::test]
async fn every_row_answers_so_behind_the_gateway_too() {
    let mut system = whole_system().await;
    system.put_gateway_in_front().await;
    answers_every_row(system).await;
}

async fn answers_every_row(system: System) {
    let mut walk = Walk { system, walked: BTreeSet::new() };
    let (user_id, customer) = registers(&mut walk).await;
    let position = stocks(&mut walk, &customer).await;
    moves_money(&mut walk, &customer, &user_id).await;
    let (confirmed, rejected) = orders(&mut walk, &customer, &position).await;
    looks(&mut walk, &customer, &[confirmed.clone(), rejected]).await;
    delivers(&mut walk, &customer, &confirmed).await;
    operates(&mut walk, &user_id).await;
    acts_on_sagas(&mut walk).await;
    looks_at_dead_letters(&mut walk).await;
    let all: BTreeSet<String> = PUBLIC.iter().chain(&INTERNAL).map(Row::name).collect();
    assert_eq!(walk.walked, all, "every row was walked");
}

async fn registers(walk: &mut Walk) -> (String, Client) {
    let anybody = walk.system.public_client(ALL, None);
    let credentials = json!({ "email": "Ann@Example.com", "password": "correct horse" });
    let registered = walk.post(&anybody, "/api/v1/register", credentials.clone()).await;
    assert_eq!((registered.status, text(&registered, "email").as_str()), (201, "ann@example.com"));
    let again = walk.post(&anybody, "/api/v1/register", credentials.clone()).await;
    assert_eq!(again.problem(), (409, "email_taken"));
    let wrong = json!({ "email": "ann@example.com", "password": "wrong horse" });
    assert_eq!(walk.post(&anybody, "/api/v1/login", wrong).await.problem(), (401, "invalid_credentials"));
    let session = walk.post(&anybody, "/api/v1/login", credentials.clone()).await;
    assert_eq!((session.status, &session.body["token_type"]), (200, &json!("Bearer")));
    let session = goes_on_and_logs_out(walk, &anybody, &session, credentials).await;
    walk.get(&anybody, "/.well-known/jwks.json").await;
    let customer = walk.system.public_client(ALL, Some(text(&session, "access_token")));
    let profile = walk.get(&customer, "/api/v1/user/profile").await;
    assert_eq!(profile.body["user_id"], registered.body["user_id"]);
    let changed =
        walk.post(&customer, "/api/v1/user/profile", json!({ "name": "Ann", "locale": "en" })).await;
    assert_eq!((&changed.body["name"], &changed.body["locale"]), (&json!("Ann"), &json!("en")));
    (text(&registered, "user_id"), customer)
}

/// The next tokens of a session, its end, and another session.
async fn goes_on_and_logs_out(walk: &mut Walk, anybody: &Client, session: &Answer, who: Value) -> Answer {
    let path = "/api/v1/token/refresh";
    let refresh = json!({ "refresh_token": text(session, "refresh_token") });
    let next = walk.post(anybody, path, refresh.clone()).await;
    assert_eq!(next.status, 200, "{next:?}");
    let user = walk.system.public_client(ALL, Some(text(&next, "access_token")));
    let logout = "POST /api/v1/logout";
    assert_eq!(walk.ask(&user, logout, "/api/v1/logout", None).await.status, 204);
    assert_eq!(walk.ask(&user, logout, "/api/v1/logout", None).await.problem(), (401, "unauthenticated"));
    assert_eq!(walk.post(anybody, path, refresh).await.problem(), (401, "invalid_refresh_token"));
    walk.post(anybody, "/api/v1/login", who).await
}

/// A position, and one piece of it reserved by hand.
async fn stocks(walk: &mut Walk, customer: &Client) -> String {
    let (position, inside) = (Uuid::now_v7().to_string(), walk.system.operator(ALL));
    let (row, path) =
        ("PUT /internal/api/v1/stock/position/{id}", format!("/internal/api/v1/stock/position/{position}"));
    let tea = |available: i64| Some(json!({ "name": "tea", "price": 500, "available": available }));
    assert_eq!(walk.ask(&inside, row, &path, tea(10)).await.status, 200);
    let (row, reserve) =
        ("POST /api/v1/stock/position/{id}/reserve", format!("/api/v1/stock/position/{position}/reserve"));
    let operator = testkit::token(Uuid::now_v7(), &[Role::User, Role::Operator]);
    let operator = walk.system.public_client(ALL, Some(operator));
    let ask = |quantity: i64| Some(json!({ "order_id": Uuid::now_v7(), "quantity": quantity }));
    assert_eq!(walk.ask(&operator, row, &reserve, ask(1)).await.status, 200);
    assert_eq!(walk.ask(&operator, row, &reserve, ask(11)).await.problem(), (409, "out_of_stock"));
    assert_eq!(walk.ask(customer, row, &reserve, ask(1)).await.problem(), (403, "forbidden"));
    let below = walk.ask(&inside, "PUT /internal/api/v1/stock/position/{id}", &path, tea(0)).await;
    assert_eq!(below.problem(), (409, "below_reserved"));
    let count = format!("/api/v1/stock/position/{position}/count");
    let count = walk.ask(customer, "GET /api/v1/stock/position/{id}/count", &count, None).await;
    assert_eq!((&count.body["available"], &count.body["reserved"]), (&json!(9), &json!(1)));
    let positions = walk.get(customer, "/api/v1/stock/positions").await;
    assert_eq!(
        (&positions.body["items"][0]["name"], &positions.body["items"][0]["currency"]),
        (&json!("tea"), &json!("RUB"))
    );
    position
}

async fn moves_money(walk: &mut Walk, customer: &Client, user_id: &str) {
    assert_eq!(walk.get(customer, "/api/v1/account").await.body["available"], 0);
    assert_eq!(walk.post(customer, "/api/v1/account", json!({ "amount": 5_000 })).await.status, 200);
    let withdraw = "/api/v1/account/withdraw";
    assert_eq!(walk.post(customer, withdraw, json!({ "amount": 1_000 })).await.body["balance"], 4_000);
    let short = walk.post(customer, withdraw, json!({ "amount": 4_001 })).await;
    assert_eq!(short.problem(), (402, "insufficient_funds"));
    let (inside, order_id) = (walk.system.operator(ALL), Uuid::now_v7());
    let payment = |amount: i64| json!({ "order_id": order_id, "user_id": user_id, "amount": amount });
    let path = "/internal/api/v1/payment";
    assert_eq!(walk.post(&inside, path, payment(500)).await.status, 200);
    assert_eq!(walk.post(&inside, path, payment(501)).await.problem(), (409, "other_payment"));
    let another = json!({ "order_id": Uuid::now_v7(), "user_id": user_id, "amount": 1_000_000 });
    assert_eq!(walk.post(&inside, path, another).await.problem(), (402, "insufficient_funds"));
    let entries = walk.get(customer, "/api/v1/account/entries").await;
    let kinds: Vec<&Value> =
        entries.body["items"].as_array().unwrap().iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["payment", "withdrawal", "deposit"]);
    assert_eq!(entries.body["items"][0]["order_id"], json!(order_id));
}

/// A confirmed order and a rejected one, when everything about them is done.
async fn orders(walk: &mut Walk, customer: &Client, position: &str) -> (String, String) {
    let path = "/api/v1/order";
    let items = |quantity: i64| json!({ "items": [{ "position_id": position, "quantity": quantity }] });
    let confirmed = walk.post(customer, path, items(1)).await;
    assert_eq!((confirmed.status, &confirmed.body["total"]), (201, &json!(500)), "{confirmed:?}");
    let rejected = walk.post(customer, path, items(9)).await;
    assert_eq!(rejected.problem(), (409, "out_of_stock"), "{rejected:?}");
    let expensive = walk.post(customer, path, items(8)).await;
    assert_eq!(expensive.problem(), (402, "insufficient_funds"), "{expensive:?}");
    let request =
        customer.request(Method::POST, path).header("prefer", "respond-async").json(&json!({ "price": 1 }));
    let accepted = customer.send(request).await;
    assert_eq!((accepted.status, &accepted.body["status"]), (202, &json!("pending")), "{accepted:?}");
    is_promised(&find("POST /api/v1/order"), &accepted);
    let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
    let system = &walk.system;
    let quiet = async || (system.number("orchestrator", open).await == 0).then_some(());
    eventually(WITHIN, "every saga to end", quiet).await;
    (text(&confirmed, "order_id"), text(&rejected, "order_id"))
}

async fn looks(walk: &mut Walk, customer: &Client, orders: &[String]) {
    for order in orders {
        let (one, saga) = (format!("/api/v1/order/{order}"), format!("/api/v1/order/{order}/saga"));
        assert_eq!(walk.ask(customer, "GET /api/v1/order/{id}", &one, None).await.status, 200);
        assert_eq!(walk.ask(customer, "GET /api/v1/order/{id}/saga", &saga, None).await.status, 200);
    }
    let listed = walk.get(customer, "/api/v1/orders").await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 4);
    let system = &walk.system;
    let letters = "SELECT count(*) FROM letters";
    let written = async || (system.number("notification", letters).await == 5).then_some(());
    eventually(WITHIN, "a welcome and four letters", written).await;
    let letters = walk.get(customer, "/api/v1/notifications").await;
    assert_eq!(letters.body["items"].as_array().unwrap().len(), 5);
}

async fn delivers(walk: &mut Walk, customer: &Client, order: &str) {
    let courier = testkit::token(Uuid::now_v7(), &[Role::User, Role::Courier]);
    let courier = walk.system.public_client(ALL, Some(courier));
    let (row, path) = ("GET /api/v1/order/{id}/delivery", format!("/api/v1/order/{order}/delivery"));
    let scheduled = walk.ask(customer, row, &path, None).await;
    assert_eq!((scheduled.status, &scheduled.body["status"]), (200, &json!("scheduled")), "{scheduled:?}");
    let (sent, received) = ("/api/v1/order/sent", "/api/v1/order/received");
    let this = json!({ "order_id": order });
    assert_eq!(walk.post(customer, sent, this.clone()).await.problem(), (403, "forbidden"));
    assert_eq!(walk.post(customer, received, this.clone()).await.problem(), (409, "wrong_state"));
    assert_eq!(walk.post(&courier, sent, this.clone()).await.body["status"], "sent");
    for spelling in [received, "/api/v1/order/recieved"] {
        assert_eq!(walk.post(customer, spelling, this.clone()).await.body["status"], "received");
    }
    assert_eq!(walk.post(&courier, sent, this).await.problem(), (409, "wrong_state"));
    let system = &walk.system;
    let heard = format!("SELECT count(*) FROM orders WHERE order_id = '{order}' AND status = 'received'");
    let is_over = async || (system.number("orchestrator", &heard).await == 1).then_some(());
    eventually(WITHIN, "the order to be received", is_over).await;
    let cancel = ("POST /api/v1/order/{id}/cancel", format!("/api/v1/order/{order}/cancel"));
    assert_eq!(walk.ask(customer, cancel.0, &cancel.1, None).await.problem(), (409, "too_late"));
    tells(walk, customer, order).await;
    let unknown = json!({ "order_id": Uuid::now_v7() });
    assert_eq!(walk.post(&courier, sent, unknown).await.problem(), (404, "not_found"));
}

async fn acts_on_sagas(walk: &mut Walk) {
    let inside = walk.system.operator(ALL);
    let sagas = walk.get(&inside, "/internal/api/v1/sagas").await;
    let saga = sagas.body["items"][0]["saga_id"].as_str().unwrap().to_owned();
    let row = "POST /internal/api/v1/sagas/{id}/{action}";
    let reason = Some(json!({ "reason": "a walk" }));
    let ended = format!("/internal/api/v1/sagas/{saga}/retry");
    assert_eq!(walk.ask(&inside, row, &ended, reason.clone()).await.problem(), (409, "not_allowed"));
    let unknown = format!("/internal/api/v1/sagas/{}/retry", Uuid::now_v7());
    assert_eq!(walk.ask(&inside, row, &unknown, reason).await.problem(), (404, "not_found"));
    let bulk = "/internal/api/v1/sagas/bulk";
    let retry =
        |filter: Value| json!({ "filter": filter, "action": "retry", "reason": "a walk", "dry_run": true });
    assert_eq!(walk.post(&inside, bulk, retry(json!({ "workflow": "order" }))).await.body["matched"], 0);
    assert_eq!(walk.post(&inside, bulk, retry(json!({}))).await.problem(), (422, "validation_failed"));
    let (pauses, resume) = ("/internal/api/v1/pauses", "/internal/api/v1/pauses/resume");
    let delivery = json!({ "scope": "participant", "name": "delivery", "reason": "a walk" });
    assert_eq!(walk.post(&inside, pauses, delivery.clone()).await.status, 200);
    assert_eq!(walk.get(&inside, pauses).await.body["items"][0]["name"], "delivery");
    assert_eq!(walk.post(&inside, resume, delivery.clone()).await.status, 200);
    assert_eq!(walk.post(&inside, resume, delivery).await.problem(), (404, "not_found"));
    let trail = walk.get(&inside, "/internal/api/v1/audit/actions").await;
    assert_eq!(trail.body["items"].as_array().unwrap().len(), 2);
}

async fn looks_at_dead_letters(walk: &mut Walk) {
    let (inside, id) = (walk.system.operator(ALL), Uuid::now_v7());
    let all = "/internal/api/v1/dead-letters";
    assert_eq!(walk.get(&inside, all).await.body["items"], json!([]));
    for path in ["/{id}", "/groups/{id}"] {
        let (row, path) =
            (format!("GET {all}{path}"), format!("{all}{path}").replace("{id}", &id.to_string()));
        assert_eq!(walk.ask(&inside, &row, &path, None).await.problem(), (404, "not_found"));
    }
    for deed in ["redrive", "discard"] {
        let answer =
            walk.post(&inside, &format!("{all}/{deed}"), json!({ "ids": [id], "reason": "a walk" })).await;
        assert_eq!(answer.problem(), (404, "not_found"));
    }
    let trail = walk.get(&inside, "/internal/api/v1/audit/dead-letters").await;
    assert_eq!(trail.body["items"], json!([]));
}

/// The timeline of an order that can go no further, to its end.
async fn tells(walk: &mut Walk, customer: &Client, order: &str) {
    let row = find("GET /api/v1/order/{id}/events");
    walk.walked.insert(row.name());
    let path = format!("/api/v1/order/{order}/events");
    let response = customer.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], row.media_type());
    let text = response.text().await.unwrap();
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        assert_eq!(shape::differences(&shape::of_words(row.fields), &event), [""; 0], "{event}");
    }
    assert!(text.contains("event: status") && text.contains("\"what\":\"received\""), "{text}");
}

async fn operates(walk: &mut Walk, user_id: &str) {
    let inside = walk.system.operator(ALL);
    let audited = walk.get(&inside, "/internal/api/v1/audit/money").await;
    assert_eq!(audited.body["sums"]["withdrawn"], 1_000, "{audited:?}");
    let sagas = walk.get(&inside, "/internal/api/v1/sagas").await;
    assert_eq!(sagas.body["items"].as_array().unwrap().len(), 4);
    let saga = format!("/internal/api/v1/sagas/{}", sagas.body["items"][0]["saga_id"].as_str().unwrap());
    assert_eq!(walk.ask(&inside, "GET /internal/api/v1/sagas/{id}", &saga, None).await.status, 200);
    let profile = format!("/internal/api/v1/user/{user_id}/profile");
    let profile = walk.ask(&inside, "GET /internal/api/v1/user/{id}/profile", &profile, None).await;
    assert_eq!(text(&profile, "email"), "ann@example.com");
    let (row, path) =
        ("PUT /internal/api/v1/user/{id}/roles", format!("/internal/api/v1/user/{user_id}/roles"));
    let courier = Some(json!({ "roles": ["user", "courier"] }));
    assert_eq!(walk.ask(&inside, row, &path, courier.clone()).await.status, 200);
    let unknown = format!("/internal/api/v1/user/{}/roles", Uuid::now_v7());
    assert_eq!(walk.ask(&inside, row, &unknown, courier).await.problem(), (404, "not_found"));
    let customer = testkit::token(Uuid::now_v7(), &[Role::User]);
    let gateway = walk.system.internal_client(ALL, Some(customer));
    assert_eq!(walk.get(&gateway, "/internal/api/v1/auth").await.headers["x-roles"], "user");
    let path = "/internal/api/v1/register";
    let of = |user_id: Uuid| json!({ "user_id": user_id, "email": "bob@example.com", "password": "correct horse" });
    assert_eq!(walk.post(&inside, path, of(Uuid::now_v7())).await.problem(), (403, "forbidden"));
    let registrar = walk.system.internal_client(ALL, Some(testkit::service_token("user")));
    assert_eq!(walk.post(&registrar, path, of(Uuid::now_v7())).await.status, 201);
    assert_eq!(walk.post(&registrar, path, of(Uuid::now_v7())).await.problem(), (409, "email_taken"));
}
