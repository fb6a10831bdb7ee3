//! The audit of a system at work: over HTTP and on the command line.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use testkit::{Client, eventually};

use super::orders::Shop;
use super::processes::{SEPARATE, System};

const MONEY: &str = "/internal/api/v1/audit/money";
const QUIET: (&str, &str) = ("AUDIT_QUIET_SECONDS", "1");
const WITHIN: Duration = Duration::from_secs(30);

async fn audited_system() -> System {
    let mut system = System::start(&SEPARATE).await;
    system.launch("audit", &["audit"], &[QUIET]);
    system.ready("audit").await;
    system
}

async fn audit(operator: &Client) -> Value {
    let answer = operator.get(MONEY).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Whether `rondo audit` is content, and what it says on both ways out.
async fn command(system: &System, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = system.rondo(&["audit"]);
    let output = command.args(arguments).env(QUIET.0, QUIET.1).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Waits until so many orders are compared.
async fn compared(operator: &Client, orders: u64) -> Value {
    eventually(WITHIN, "the orders to be quiet", async || {
        let report = audit(operator).await;
        let judged = report["orders_judged"].as_u64()?;
        (judged == orders && report["orders_moving"] == 0).then_some(report)
    })
    .await
}

#[tokio::test]
async fn orders_at_work_are_no_finding_and_a_tampered_row_is() {
    let system = audited_system().await;
    let operator = system.operator("audit");
    let mut shop = Shop::open(&system, 4, 2).await;
    for _ in 0..10 {
        let (_, report) = tokio::join!(shop.place(&system, "orchestrator", 25), audit(&operator));
        assert_eq!(report["findings"], json!([]), "{report}");
    }
    let orders = shop.accepted.len() as u64;
    let report = compared(&operator, orders).await;
    assert_eq!((&report["findings"], &report["orders"]), (&json!([]), &json!([])));
    assert_eq!(command(&system, &[]).await.0, Some(0));

    let victim = shop.accepted[0];
    let db = system.look("billing").await;
    let tamper =
        format!("UPDATE holds SET state = 'released' WHERE order_id = '{victim}' AND state = 'captured'");
    assert_eq!(db.execute_unprepared(&tamper).await.unwrap().rows_affected(), 1);
    let report = audit(&operator).await;
    assert_eq!(report["orders"], json!([victim]));
    let rules: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .collect();
    let captured = "a confirmed order's total is taken once, from its user";
    assert!(rules.contains(&captured), "{rules:?}");

    let (code, table, said) = command(&system, &[]).await;
    assert_eq!(code, Some(1));
    assert!(table.contains(&victim.to_string()), "{table}");
    assert!(said.contains("the services disagree on 1 orders"), "{said}");
    let (code, json, _) = command(&system, &["--json"]).await;
    let told: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &told["orders"]), (Some(1), &json!([victim])));
}

#[tokio::test]
async fn it_is_for_operators() {
    let system = audited_system().await;
    let service = system.internal_client("audit", Some(testkit::service_token("orchestrator")));
    assert_eq!(service.get(MONEY).await.problem(), (403, "forbidden"));
    assert_eq!(system.internal_client("audit", None).get(MONEY).await.problem(), (401, "unauthenticated"));
    let mut lost = system.rondo(&["serve", "audit"]);
    lost.env("PUBLIC_ADDR", "127.0.0.1:0").env("INTERNAL_ADDR", "127.0.0.1:0");
    let missing = lost.env_remove("STOCK_DATABASE_URL").output().await.unwrap();
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(!missing.status.success() && said.contains("STOCK_DATABASE_URL is not configured"), "{said}");
}
