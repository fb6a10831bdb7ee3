//! Orders that somebody paused say nothing about how fast the others are decided.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use testkit::eventually;
use uuid::Uuid;

use super::orders::END_WITHIN;
use super::processes::{SEPARATE, System};

const PAUSES: &str = "/internal/api/v1/pauses";
const PAUSED: Duration = Duration::from_secs(8);

#[tokio::test]
async fn the_time_of_a_pause_is_in_no_figure_of_how_long_orders_take() {
    let system = System::start(&SEPARATE).await;
    let (operator, customer) = (system.operator("orchestrator"), Uuid::now_v7());
    let mut billing = json!({ "scope": "participant", "name": "billing", "reason": "maintenance" });
    assert_eq!(operator.post(PAUSES, &billing).await.status, 200);
    let client = system.client("orchestrator", customer);
    let request = client.request(Method::POST, "/api/v1/order").header("Prefer", "respond-async");
    let answer = client.send(request.json(&json!({ "price": 1 }))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let since = "created_at < now() - interval '8 seconds'";
    let standing = format!("SELECT count(*) FROM sagas WHERE paused_by = 'participant billing' AND {since}");
    eventually(END_WITHIN, "it to have stood still for a while", async || {
        (system.number("orchestrator", &standing).await == 1).then_some(())
    })
    .await;
    billing["reason"] = "it is over".into();
    assert_eq!(operator.post(&format!("{PAUSES}/resume"), &billing).await.status, 200);
    let url = format!("http://{}/metrics", system.internal_addr("orchestrator"));
    for name in ["rondo_saga_decided_seconds", "rondo_saga_duration_seconds"] {
        // Counted after the commit.
        let seconds = eventually(END_WITHIN, &format!("{name} of one saga"), async || {
            let metrics = reqwest::get(&url).await.unwrap().text().await.unwrap();
            // Of all outcomes together: each has a line of its own, in any order.
            let figure = |of: &str| -> f64 {
                let begin = format!("{name}_{of}{{workflow=\"order\"");
                let lines = metrics.lines().filter(|line| line.starts_with(&begin));
                lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
            };
            (figure("count") == 1.0).then(|| figure("sum"))
        })
        .await;
        assert!(seconds < PAUSED.as_secs_f64() / 2.0, "{name}: {seconds}");
    }
}
