//! Every error is a problem; every response has its trace.

use serde_json::Value;

use crate::running::{Running, code, operator, problem, user};

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let house = Running::start().await;
    assert_eq!(code(house.get("/nothing").send().await.unwrap()).await, (404, "not_found".into()));
    let response = house.get("/api/v1/thing").send().await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(code(response).await, (405, "method_not_allowed".into()));
}

#[tokio::test]
async fn a_malformed_id_is_the_address_of_nothing() {
    let house = Running::start().await;
    let response = house.get("/api/v1/thing/not-an-id").bearer_auth(operator()).send().await.unwrap();
    assert_eq!(code(response).await, (404, "not_found".into()));
}

#[tokio::test]
async fn a_panic_is_answered_without_its_reason_and_the_house_stands() {
    let house = Running::start().await;
    for _ in 0..2 {
        let (status, body) = problem(house.get("/api/v1/panic").send().await.unwrap()).await;
        assert_eq!((status, body["code"].as_str()), (500, Some("internal")));
        assert!(!body.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn a_callers_trace_goes_on_and_handlers_know_it() {
    let house = Running::start().await;
    let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let path = "/api/v1/thing/01930000-0000-7000-8000-000000000000";
    let request = house.get(path).bearer_auth(operator());
    let response =
        request.header("traceparent", format!("00-{trace_id}-00f067aa0ba902b7-01")).send().await.unwrap();
    assert_eq!(response.headers()["x-trace-id"], trace_id);
    let body: Value = response.json().await.unwrap();
    let traceparent = body["traceparent"].as_str().unwrap();
    assert!(traceparent.starts_with(&format!("00-{trace_id}-")) && !traceparent.contains("00f067aa0ba902b7"));
}

#[tokio::test]
async fn every_response_has_a_trace_of_its_own_and_is_not_sniffed_or_stored() {
    let house = Running::start().await;
    let (first, second) = (house.get("/").send().await.unwrap(), house.get("/").send().await.unwrap());
    assert_ne!(first.headers()["x-trace-id"], second.headers()["x-trace-id"]);
    assert_eq!(first.headers()["x-content-type-options"], "nosniff");
    assert_eq!(first.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn an_idempotency_key_reaches_the_handler_and_a_bad_one_is_refused() {
    let house = Running::start().await;
    let request = || house.post("/api/v1/thing").bearer_auth(user()).body(r#"{"name": "chair"}"#);
    let answer: Value =
        request().header("idempotency-key", "k-1").send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["key"], "k-1");
    let (status, body) = problem(request().header("idempotency-key", "a b").send().await.unwrap()).await;
    assert_eq!((status, body["errors"][0]["field"].as_str()), (422, Some("Idempotency-Key")));
}

#[tokio::test]
async fn the_openapi_document_describes_the_routes_of_the_listener() {
    let house = Running::start().await;
    let document: Value = house.get("/openapi.json").send().await.unwrap().json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Rondo");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/thing/{id}"));
    assert!(!paths.keys().any(|path| path.starts_with("/internal")));
    let refused = &document["paths"]["/api/v1/thing"]["post"]["responses"]["503"];
    let schema = &refused["content"]["application/problem+json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/Problem");
    let problem = &document["components"]["schemas"]["Problem"]["properties"];
    assert!(problem["code"].is_object() && problem["errors"].is_object() && problem.get("members").is_none());
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}
