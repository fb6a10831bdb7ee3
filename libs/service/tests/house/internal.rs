//! The internal listener, and that nothing of it is public.

use std::sync::atomic::Ordering;

use messaging::{Bus, StreamSpec, topology};
use secrecy::ExposeSecret;
use serde_json::Value;

use testkit::eventually;

use crate::running::{Running, SOON, code, config, operator, tell_that_revocations_are_complete, user};

#[tokio::test]
async fn what_is_internal_does_not_exist_in_public() {
    let house = Running::start().await;
    for path in ["/livez", "/readyz", "/metrics", "/runbooks", "/runbooks/", "/internal/api/v1/thing"] {
        let response = house.get(path).bearer_auth(operator()).send().await.unwrap();
        assert_eq!(code(response).await, (404, "not_found".into()), "{path}");
    }
}

#[tokio::test]
async fn only_operators_and_services_are_let_in_and_others_learn_nothing() {
    let house = Running::start().await;
    for path in ["/internal/api/v1/thing", "/internal/api/v1/nothing", "/openapi.json"] {
        assert_eq!(code(house.internal(path).send().await.unwrap()).await.0, 401, "{path}");
        assert_eq!(
            code(house.internal(path).bearer_auth(user()).send().await.unwrap()).await.0,
            403,
            "{path}"
        );
    }
    let unknown = house.internal("/internal/api/v1/nothing").bearer_auth(operator()).send().await.unwrap();
    assert_eq!(code(unknown).await.0, 404);

    let ask = async |token: &str| {
        let response = house.internal("/internal/api/v1/thing").bearer_auth(token).send().await.unwrap();
        response.json::<Value>().await.unwrap()
    };
    assert_eq!(ask(&operator()).await, "operator");
    assert_eq!(ask(house.house.service_token("billing").unwrap().expose_secret()).await, "billing");
}

#[tokio::test]
async fn readiness_names_every_check_and_nats_away_is_no_reason() {
    let mut nats = testkit::nats().await;
    let mut config = config();
    config.nats.url = nats.url().into();
    let house = Running::start_with(config).await;
    assert_eq!(house.internal("/livez").send().await.unwrap().status(), 200);
    tell_that_revocations_are_complete(&nats.url()).await;
    house.is_ready().await;
    nats.kill().await.unwrap();
    let away = async || {
        let body = house.readiness().await.1;
        (body["checks"]["nats"] == "away, requests go on").then_some(body)
    };
    let body = eventually(SOON, "NATS to be missed", away).await;
    assert_eq!(body["checks"]["things.wellness"], "ok");
    assert_eq!((&body["checks"]["revocations"], &body["status"]), (&"ok".into(), &"ready".into()));

    house.things.well.store(false, Ordering::Relaxed);
    let (status, body) = house.readiness().await;
    assert_eq!(status, 503);
    assert_eq!(body["checks"]["things.wellness"], "unwell");
    assert_eq!(body["checks"]["tokens"], "ok");
}

#[tokio::test]
async fn a_process_is_not_ready_while_nats_refuses_one_of_its_streams() {
    let mut nats = testkit::nats().await;
    let mut config = config();
    config.nats.url = nats.url().into();
    let house = Running::start_with(config).await;
    tell_that_revocations_are_complete(&nats.url()).await;
    house.is_ready().await;
    // Of the 64 GB that the server may use all but half a one is promised: too little for a stream of 512 MiB.
    let everything = StreamSpec { bytes_max: 63_500_000_000, ..topology::commands_of("everything") };
    let other = Bus::connect(&nats.url(), "other").await.unwrap();
    let made = async || other.ensure_stream("other", &everything).await.ok();
    eventually(SOON, "the other stream", made).await;
    let stream = topology::commands_of("things");
    let bus = &house.house.bus("things").await.unwrap();
    assert!(bus.ensure_stream("things", &stream).await.is_err());
    let (status, body) = house.readiness().await;
    let why = body["checks"]["streams"].as_str().unwrap();
    assert!(status == 503 && why.contains("CMD_THINGS") && why.contains("storage"), "{body}");

    testkit::delete_stream(&nats.url(), &everything.name).await;
    bus.ensure_stream("things", &stream).await.unwrap();
    assert_eq!(house.readiness().await.0, 200);
    nats.kill().await.unwrap();
    assert!(bus.ensure_stream("things", &stream).await.is_err());
    let (status, body) = house.readiness().await;
    assert_eq!(
        (status, &body["checks"]["streams"]),
        (200, &"ok".into()),
        "a server that is away is waited for"
    );
}

#[tokio::test]
async fn metrics_count_requests_by_route_and_never_by_path() {
    let house = Running::start().await;
    for id in 0..3 {
        let path = format!("/api/v1/thing/01930000-0000-7000-8000-00000000000{id}");
        house.get(&path).bearer_auth(operator()).send().await.unwrap();
        house.get(&format!("/wandering/{id}")).send().await.unwrap();
    }
    let text = house.internal("/metrics").send().await.unwrap().text().await.unwrap();
    let counted = |labels: &str| {
        text.lines().any(|line| {
            line.starts_with("rondo_http_request_duration_seconds_count")
                && labels.split(' ').all(|label| line.contains(label))
        })
    };
    assert!(counted(r#"route="/api/v1/thing/{id}" method="GET" status="200" listener="public""#), "{text}");
    assert!(counted(r#"route="none" status="404""#), "{text}");
    assert!(!text.contains("wandering") && !text.contains("01930000"));
    assert!(text.contains("rondo_http_request_duration_seconds_bucket"));
}
