//! What every service tells alike: problems, tokens, traces, and what is not there.

use reqwest::Method;
use serde_json::json;
use service::token::Role;
use testkit::{Answer, Client};
use uuid::Uuid;

use crate::processes::System;
use crate::table::{INTERNAL, PROBES, PUBLIC, Row, find};
use crate::{ALL, whole_system};

const MEBIBYTE: usize = 1024 * 1024;

/// A route of each service that takes a body; notification has none.
const WITH_BODY: [(&str, &str); 5] = [
    ("auth", "/api/v1/login"),
    ("user", "/api/v1/register"),
    ("billing", "/api/v1/account"),
    ("delivery", "/api/v1/order/received"),
    ("orchestrator", "/api/v1/order"),
];

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

/// An address that the row stands for.
fn address(row: &Row) -> String {
    row.path.replace("{id}", &Uuid::now_v7().to_string()).replace("{action}", "retry")
}

/// A problem with everything that a problem has.
fn is_problem(answer: &Answer, status: u16, code: &str, path: &str) {
    assert_eq!(answer.problem(), (status, code), "{path}: {answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{path}");
    let text =
        |member: &str| answer.body[member].as_str().unwrap_or_else(|| panic!("{path}: {member}: {answer:?}"));
    assert_eq!(text("type"), format!("urn:rondo:problem:{code}"), "{path}");
    assert_eq!(answer.body["status"], status, "{path}");
    assert_eq!(text("instance"), path);
    assert!(!text("title").is_empty() && !text("detail").is_empty(), "{path}: {answer:?}");
    assert_eq!(text("trace_id"), answer.headers["x-trace-id"], "{path}");
    is_trace_id(answer, path);
}

fn is_trace_id(answer: &Answer, path: &str) {
    let trace_id = answer.headers["x-trace-id"].to_str().unwrap();
    assert!(
        trace_id.len() == 32 && trace_id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{path}: {trace_id}"
    );
}

async fn send_text(client: &Client, method: Method, path: &str, content_type: &str, body: String) -> Answer {
    client.send(client.request(method, path).header("content-type", content_type).body(body)).await
}

/// One system for all of them: a system takes longer to start than to be asked.
#[tokio::test]
async fn every_service_tells_problems_alike() {
    let system = whole_system().await;
    nothing_internal_is_behind_the_public_listener(&system).await;
    a_token_is_needed_wherever_the_contract_says_so(&system).await;
    the_internal_listener_lets_operators_and_services_in_and_nobody_else(&system).await;
    a_request_keeps_the_trace_of_its_caller(&system).await;
    a_method_that_a_path_does_not_know_is_refused_with_those_it_does(&system).await;
    a_body_that_is_too_large_is_refused_by_every_service(&system).await;
    a_body_that_cannot_be_read_is_refused_by_every_service(&system).await;
    a_wrong_value_is_told_in_words_of_the_api(&system).await;
    a_parameter_that_comes_twice_is_refused_by_every_list(&system).await;
    a_malformed_or_unknown_id_is_not_found(&system).await;
    what_postgres_cannot_store_is_refused_before_it_is_asked(&system).await;
}

async fn nothing_internal_is_behind_the_public_listener(system: &System) {
    let operator = testkit::token(Uuid::now_v7(), &[Role::User, Role::Operator]);
    for token in [None, Some(operator)] {
        let client = system.public_client(ALL, token);
        for row in INTERNAL {
            let path = address(&row);
            is_problem(
                &client.send(client.request(method(row.method), &path)).await,
                404,
                "not_found",
                &path,
            );
        }
        for path in
            PROBES.iter().chain(&["/internal", "/internal/api/v1", "/internal/api/v1/auth", "/", "/docs/x"])
        {
            is_problem(&client.get(path).await, 404, "not_found", path);
        }
    }
}

async fn a_token_is_needed_wherever_the_contract_says_so(system: &System) {
    let anybody = system.public_client(ALL, None);
    for row in PUBLIC {
        let path = address(&row);
        let answer = anybody.send(anybody.request(method(row.method), &path).json(&json!({}))).await;
        if row.needs_token() {
            is_problem(&answer, 401, "unauthenticated", &path);
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{path}");
        } else {
            assert_ne!(answer.status, 401, "{path}");
        }
        is_trace_id(&answer, &path);
    }
    assert_eq!(anybody.get("/openapi.json").await.status, 200);
    let valid = testkit::token(Uuid::now_v7(), &[Role::User]);
    let (head, signature) = valid.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for token in ["", "no-token", "a.b.c", &forged, &format!("{head}.")] {
        let client = system.public_client(ALL, Some(token.to_owned()));
        is_problem(&client.get("/api/v1/account").await, 401, "unauthenticated", "/api/v1/account");
    }
}

async fn the_internal_listener_lets_operators_and_services_in_and_nobody_else(system: &System) {
    let anybody = system.internal_client(ALL, None);
    let customer =
        system.internal_client(ALL, Some(testkit::token(Uuid::now_v7(), &[Role::User, Role::Courier])));
    let nowhere = Row { path: "/internal/api/v1/nowhere", ..find("GET /internal/api/v1/sagas") };
    for row in INTERNAL.into_iter().chain([nowhere]) {
        let path = address(&row);
        let answer = anybody.send(anybody.request(method(row.method), &path)).await;
        is_problem(&answer, 401, "unauthenticated", &path);
        let answer = customer.send(customer.request(method(row.method), &path)).await;
        if row.needs_role() {
            is_problem(&answer, 403, "forbidden", &path);
        } else {
            assert_eq!(answer.status, 200, "{path}: what gateways ask with their users' tokens");
        }
    }
    is_problem(&system.operator(ALL).get(nowhere.path).await, 404, "not_found", nowhere.path);
    for path in PROBES {
        let answer = anybody.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.headers().contains_key("x-trace-id"), "{path}");
    }
}

async fn a_request_keeps_the_trace_of_its_caller(system: &System) {
    let client = system.client(ALL, Uuid::now_v7());
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for path in ["/api/v1/account", "/api/v1/nowhere"] {
        let request = client.request(Method::GET, path).header("traceparent", traceparent);
        let answer = client.send(request).await;
        assert_eq!(answer.headers["x-trace-id"], "4bf92f3577b34da6a3ce929d0e0e4736", "{path}");
    }
}

async fn a_method_that_a_path_does_not_know_is_refused_with_those_it_does(system: &System) {
    let client = system.client(ALL, Uuid::now_v7());
    for (wrong, path, known) in [
        ("GET", "/api/v1/login", "POST"),
        ("POST", "/.well-known/jwks.json", "GET,HEAD"),
        ("GET", "/api/v1/register", "POST"),
        ("DELETE", "/api/v1/user/profile", "GET,HEAD,POST"),
        ("PUT", "/api/v1/account", "GET,HEAD,POST"),
        ("DELETE", "/api/v1/stock/positions", "GET,HEAD"),
        ("POST", "/api/v1/notifications", "GET,HEAD"),
        ("GET", "/api/v1/order", "POST"),
        ("GET", "/api/v1/order/sent", "POST"),
        ("PATCH", "/api/v1/order/1", "GET,HEAD"),
        ("REFUND", "/api/v1/orders", "GET,HEAD"),
    ] {
        let answer = client.send(client.request(method(wrong), path)).await;
        is_problem(&answer, 405, "method_not_allowed", path);
        let allowed = answer.headers.get("allow").unwrap_or_else(|| panic!("{path}: what is allowed"));
        assert_eq!(allowed, known, "{path}");
    }
}

async fn a_body_that_is_too_large_is_refused_by_every_service(system: &System) {
    let (client, operator) = (system.client(ALL, Uuid::now_v7()), system.operator(ALL));
    let body = format!("{{\"text\":\"{}\"}}", "a".repeat(MEBIBYTE));
    for (_, path) in WITH_BODY {
        let answer = send_text(&client, Method::POST, path, "application/json", body.clone()).await;
        is_problem(&answer, 413, "body_too_large", path);
    }
    let answer =
        send_text(&client, Method::GET, "/api/v1/notifications", "application/json", body.clone()).await;
    is_problem(&answer, 413, "body_too_large", "/api/v1/notifications");
    let path = position();
    is_problem(
        &send_text(&operator, Method::PUT, &path, "application/json", body).await,
        413,
        "body_too_large",
        &path,
    );
}

async fn a_body_that_cannot_be_read_is_refused_by_every_service(system: &System) {
    let (client, operator) = (system.client(ALL, Uuid::now_v7()), system.operator(ALL));
    let stock = position();
    let routes = WITH_BODY.map(|(_, path)| (&client, Method::POST, path));
    for (client, method, path) in routes.into_iter().chain([(&operator, Method::PUT, stock.as_str())]) {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
        for malformed in ["", "{", "{\"a\":1", "{} {}", "nonsense", "{\"a\":\u{1}}", &deep] {
            let answer =
                send_text(client, method.clone(), path, "application/json", malformed.to_owned()).await;
            is_problem(&answer, 400, "malformed_request", path);
        }
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "json",
            "application/json; charset=utf-16",
            "application/json; charset=\"iso-8859-1\"",
        ] {
            let answer = send_text(client, method.clone(), path, content_type, "{}".to_owned()).await;
            is_problem(&answer, 415, "unsupported_media_type", path);
        }
        for content_type in ["application/json", "application/json; charset=UTF-8"] {
            let answer =
                send_text(client, method.clone(), path, content_type, "{\"colour\":1}".to_owned()).await;
            is_problem(&answer, 422, "validation_failed", path);
            assert_eq!(answer.body["errors"][0]["field"], "colour", "{path}");
        }
        let not_utf8 = client.request(method, path).header("content-type", "application/json");
        let answer = client.send(not_utf8.body(vec![b'{', b'"', 0xff, b'"', b':', b'1', b'}'])).await;
        is_problem(&answer, 400, "malformed_request", path);
    }
}

async fn a_wrong_value_is_told_in_words_of_the_api(system: &System) {
    let (client, operator) = (system.client(ALL, Uuid::now_v7()), system.operator(ALL));
    let item = |quantity: &str| json!({ "items": [{ "position_id": Uuid::now_v7(), "quantity": quantity }] });
    for (path, body, field, words) in [
        ("/api/v1/account", json!({ "amount": "5" }), "amount", "must be a whole number"),
        ("/api/v1/account", json!({}), "amount", "is missing"),
        ("/api/v1/login", json!({ "email": 5, "password": "correct horse" }), "email", "must be text"),
        ("/api/v1/order", json!({ "price": 1.5 }), "price", "must be a whole number"),
        ("/api/v1/order", json!({ "price": u64::MAX }), "price", "is out of range"),
        ("/api/v1/order", item("many"), "items[0].quantity", "must be a whole number"),
        ("/api/v1/order", json!({ "items": {} }), "items", "must be a list"),
        ("/api/v1/order/received", json!({ "order_id": "mine" }), "order_id", "must be a UUID"),
    ] {
        let answer = client.post(path, &body).await;
        is_problem(&answer, 422, "validation_failed", path);
        assert_eq!(answer.body["errors"], json!([{ "field": field, "message": words }]), "{path}: {body}");
    }
    let (path, body) = (position(), json!({ "name": "Tea", "price": true, "available": 1 }));
    let answer = operator.put(&path, &body).await;
    is_problem(&answer, 422, "validation_failed", &path);
    assert_eq!(answer.body["errors"][0]["message"], "must be a whole number");
}

async fn a_parameter_that_comes_twice_is_refused_by_every_list(system: &System) {
    let (client, operator) = (system.client(ALL, Uuid::now_v7()), system.operator(ALL));
    let lists = PUBLIC.iter().map(|row| (row, &client)).chain(INTERNAL.iter().map(|row| (row, &operator)));
    let lists: Vec<_> =
        lists.filter(|(row, _)| row.statuses.contains("QUERY") && !row.path.contains('{')).collect();
    assert!(lists.len() > 5, "{}", lists.len());
    for (Row { path, .. }, client) in lists {
        let answer = client.get(&format!("{path}?limit=1&limit=2")).await;
        is_problem(&answer, 422, "validation_failed", path);
        let expected = json!([{ "field": "limit", "message": "must be given once" }]);
        assert_eq!(answer.body["errors"], expected, "{path}");
    }
    let (path, twice) = ("/internal/api/v1/dead-letters", "service=stock&service=billing");
    is_problem(&operator.get(&format!("{path}?{twice}")).await, 422, "validation_failed", path);
}

fn position() -> String {
    format!("/internal/api/v1/stock/position/{}", Uuid::now_v7())
}

async fn a_malformed_or_unknown_id_is_not_found(system: &System) {
    let (client, internal) = (system.client(ALL, Uuid::now_v7()), system.operator(ALL));
    let of = |client: &Client, row: &Row, id: &str| (client.clone(), row.path.replace("{id}", id));
    let reads = PUBLIC.iter().map(|row| (&client, row)).chain(INTERNAL.iter().map(|row| (&internal, row)));
    let reads: Vec<_> = reads.filter(|(_, row)| row.method == "GET" && row.path.contains("{id}")).collect();
    assert_eq!(reads.len(), 9);
    for (client, row) in reads {
        for id in [Uuid::now_v7().to_string().as_str(), "1", "x".repeat(2_000).as_str(), "%F0%9F", "%00"] {
            let (client, path) = of(client, row, id);
            is_problem(&client.get(&path).await, 404, "not_found", &path);
        }
    }
}

async fn what_postgres_cannot_store_is_refused_before_it_is_asked(system: &System) {
    let client = system.client(ALL, Uuid::now_v7());
    let nul = "a\0b";
    for (path, body) in [
        ("/api/v1/login", json!({ "email": nul, "password": "correct horse" })),
        ("/api/v1/register", json!({ "email": "a\0b@example.com", "password": "correct horse" })),
        ("/api/v1/register", json!({ "email": "ann@example.com", "password": "correct horse", "name": nul })),
        ("/api/v1/user/profile", json!({ "address": nul })),
        ("/api/v1/order", json!({ "price": 1, "comment": nul })),
    ] {
        is_problem(&client.post(path, &body).await, 422, "validation_failed", path);
    }
    let (path, body) = (position(), json!({ "name": nul, "price": 1, "available": 1 }));
    is_problem(&system.operator(ALL).put(&path, &body).await, 422, "validation_failed", &path);
}
