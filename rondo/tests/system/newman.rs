//! The collections of `postman/` through the gateway, with each service in a process of its own. (In one process
//! `scripts/newman-e2e.sh` runs them.)

use std::path::Path;

use serde_json::json;
use tokio::process::Command;
use uuid::Uuid;

use super::orders::Shop;
use super::processes::{GATEWAY, SEPARATE, System};

const EMAIL: &str = "operator@example.com";
const PASSWORD: &str = "correct horse battery";

/// Somebody who can log in and may make couriers.
async fn hire_an_operator(system: &System) {
    let who = json!({ "email": EMAIL, "password": PASSWORD });
    let registered = system.public_client(GATEWAY, None).post("/api/v1/register", &who).await;
    let user_id: Uuid = registered.body["user_id"].as_str().unwrap().parse().unwrap();
    let path = format!("/internal/api/v1/user/{user_id}/roles");
    let given = system.operator("front").put(&path, &json!({ "roles": ["user", "operator"] })).await;
    assert_eq!(given.status, 200, "{given:?}");
}

#[tokio::test]
#[ignore = "needs Node: make test runs it by itself"]
async fn the_collections_pass_through_the_gateway() {
    let mut system = System::start(&SEPARATE).await;
    system.put_gateway_in_front().await;
    Shop::open(&system, 0, 3).await;
    hire_an_operator(&system).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/newman.sh");
    let mut newman = Command::new(script);
    newman.arg(format!("http://{}", system.public_addr(GATEWAY)));
    newman.arg(format!("http://{}", system.internal_addr("front")));
    newman.env("RONDO_OPERATOR_EMAIL", EMAIL).env("RONDO_OPERATOR_PASSWORD", PASSWORD);
    let status = newman.kill_on_drop(true).status().await.unwrap();
    assert!(status.success(), "newman ended with {status}");
}
