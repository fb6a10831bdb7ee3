//! Every alert that can be provoked within minutes, provoked: something is broken, a real Prometheus with the project's own
//! rules (but for their patience) says so, and what the runbook says mends it.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::{Config, Republish};
use contracts::Amount;
use contracts::billing::ReserveFunds;
use nix::sys::signal::Signal;
use reqwest::Method;
use sandbox::Flow;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::{Value, json};
use testkit::{Road, eventually};
use uuid::Uuid;

use super::faults::{copied, through_a_proxy};
use super::observed::{PROCESSES, Watcher, alert_rules};
use super::processes::{SEPARATE, System};

const WITHIN: Duration = Duration::from_secs(120);
const MONEY: &str = "/internal/api/v1/audit/money";

/// The project's rules, with less patience: nothing must last, windows are short, thresholds low.
pub(crate) fn impatient() -> String {
    let patience = [
        ("> 900", "> 3"),
        ("> 60", "> 2"),
        ("> 100", "> 0"),
        ("> 20", "> 5"),
        ("[1m]", "[5s]"),
        ("[2m]", "[10s]"),
        ("[5m]", "[1m]"),
        ("[10m]", "[20s]"),
        ("[15m]", "[1m]"),
        ("[1h]", "[5m]"),
    ];
    let rules = patience.iter().fold(alert_rules(), |rules, (long, short)| rules.replace(long, short));
    let hasty = |line: &str| match line.trim().strip_prefix("for: ") {
        Some(_) => "        for: 0s".to_owned(),
        None => line.to_owned(),
    };
    rules.lines().map(hasty).collect::<Vec<_>>().join("\n")
}

/// Orders by price alone, without waiting for what becomes of them; those that were accepted.
async fn order(system: &System, customer: Uuid, price: i64, count: usize) -> Vec<Uuid> {
    let client = system.client("orchestrator", customer);
    let placing = (0..count).map(|_| async {
        let request = client.request(Method::POST, "/api/v1/order").header("Prefer", "respond-async");
        let answer = client.try_send(request.json(&json!({ "price": price }))).await?;
        answer.body["order_id"].as_str()?.parse().ok()
    });
    futures::future::join_all(placing).await.into_iter().flatten().collect()
}

async fn status(system: &System, order: Uuid) -> i64 {
    let open = format!("SELECT count(*) FROM sagas WHERE saga_id = '{order}' AND finished_at IS NULL");
    system.number("orchestrator", &open).await
}

async fn all_ended(system: &System) {
    eventually(WITHIN, "all sagas to end", async || {
        let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
        (system.number("orchestrator", open).await == 0).then_some(())
    })
    .await;
}

async fn deposit(system: &System, customer: Uuid) {
    let client = system.client("billing", customer);
    let answer = client.post("/api/v1/account", &json!({ "amount": 1_000_000 })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
#[ignore = "long: make proof"]
async fn what_breaks_is_told_and_what_the_runbook_says_mends_it() {
    let mut system = System::start(&SEPARATE).await;
    system.launch("audit", &["audit"], &[("AUDIT_QUIET_SECONDS", "1")]);
    system.ready("audit").await;
    system.put_gateway_in_front().await;
    let watcher = Watcher::start(&system, &PROCESSES, &impatient()).await;
    let customer = Uuid::now_v7();
    deposit(&system, customer).await;
    let road = Road::connect(&system.nats.url()).await;

    too_many_are_refused(&system, &watcher, customer).await;
    the_books_are_tampered_with(&system, &watcher, customer).await;
    messages_nobody_understands(&system, &watcher, &road, customer).await;
    a_participant_is_away(&mut system, &watcher, &road, customer).await;
    a_participant_is_slow(&mut system, &watcher, customer).await;
    the_road_is_away(&mut system, &watcher).await;
    the_truth_is_away(&mut system, &watcher, customer).await;
    nobody_audits(&mut system, &watcher).await;
    the_truth_is_far_away(&mut system, &watcher, customer).await;
    somebody_locks_a_table(&system, &watcher, customer).await;
    the_road_comes_back_with_an_older_store(&mut system, &watcher, customer).await;
    a_process_dies_again_and_again(&mut system, &watcher).await;
    nobody_takes_the_spans(&mut system, &watcher).await;
    somebody_forgets_a_pause(&system, &watcher, customer).await;
    somebody_tells_a_stream_to_forge_commands(&system, &watcher, customer).await;
}

/// With the operator's key: nobody else may change a stream. Deleted, it is made as it should be.
async fn somebody_tells_a_stream_to_forge_commands(system: &System, watcher: &Watcher, customer: Uuid) {
    let jetstream = jetstream::new(async_nats::connect(system.nats.url()).await.unwrap());
    let found = jetstream.get_stream("CMD_BILLING").await.unwrap();
    let republish = Republish {
        source: "cmd.billing.reserve_funds.v1".to_owned(),
        destination: "cmd.stock.reserve_stock.v1".to_owned(),
        headers_only: false,
    };
    let changed = Config { republish: Some(republish), ..found.cached_info().config.clone() };
    jetstream.update_stream(changed).await.unwrap();
    watcher.fires("StreamsDiffer", WITHIN).await;
    order(system, customer, 1, 1).await;
    watcher.fires("DeadLetters", WITHIN).await;
    jetstream.delete_stream("CMD_BILLING").await.unwrap();
    watcher.falls_silent("StreamsDiffer", WITHIN).await;
    order(system, customer, 1, 1).await;
    all_ended(system).await;
    let made = jetstream.get_stream("CMD_BILLING").await.unwrap();
    assert!(made.cached_info().config.republish.is_none(), "{made:?}");
}

/// What is paused is in no other figure than this one.
async fn somebody_forgets_a_pause(system: &System, watcher: &Watcher, customer: Uuid) {
    all_ended(system).await;
    let operator = system.operator("orchestrator");
    let mut billing = json!({ "scope": "participant", "name": "billing", "reason": "maintenance" });
    assert_eq!(operator.post("/internal/api/v1/pauses", &billing).await.status, 200);
    order(system, customer, 1, 3).await;
    watcher.fires("SagasPaused", WITHIN).await;
    billing["reason"] = "it is over".into();
    assert_eq!(operator.post("/internal/api/v1/pauses/resume", &billing).await.status, 200);
    all_ended(system).await;
    watcher.falls_silent("SagasPaused", WITHIN).await;
}

async fn too_many_are_refused(system: &System, watcher: &Watcher, customer: Uuid) {
    order(system, customer, 1, 200).await;
    all_ended(system).await;
    let lately = "sum(increase(rondo_sagas_decided_total{workflow=\"order\"}[20s]))";
    let whole = "sum(increase(rondo_sagas_decided_total{workflow=\"order\"}[1d])) > 0";
    eventually(WITHIN, "those to be long ago", async || {
        watcher.number(whole).await?;
        (watcher.number(lately).await? == 0.0).then_some(())
    })
    .await;
    order(system, customer, 2_000_000_000, 40).await;
    watcher.fires("RejectedShareJumps", WITHIN).await;
    all_ended(system).await;
}

async fn messages_nobody_understands(system: &System, watcher: &Watcher, road: &Road, customer: Uuid) {
    road.send("cmd.billing.reserve_funds.v1", &[json!({ "nothing": "that is known" })]).await;
    watcher.fires("DeadLetters", WITHIN).await;
    let reserve =
        |amount| ReserveFunds { order_id: customer, user_id: customer, amount: Amount::new(amount).unwrap() };
    road.ask(&reserve(1)).await;
    road.ask(&reserve(2)).await;
    watcher.fires("Contradiction", WITHIN).await;
    let letters = system.operator("billing").get("/internal/api/v1/dead-letters").await;
    let group = &letters.body["items"][0]["group"];
    let discard = json!({ "group": group, "reason": "nobody sent it in earnest" });
    let answer = system.operator("billing").post("/internal/api/v1/dead-letters/discard", &discard).await;
    assert!(answer.status < 300, "{letters:?} {answer:?}");
    watcher.falls_silent("DeadLetters", WITHIN).await;
}

/// Notification dies, a saga's tail waits for it; then it is told, falsely, that its letter was refused.
async fn a_participant_is_away(system: &mut System, watcher: &Watcher, road: &Road, customer: Uuid) {
    system.kill("notification").await;
    watcher.fires("ServiceDown", WITHIN).await;
    watcher.fires("ServiceMissing", WITHIN).await;
    let placed = order(system, customer, 1, 1).await;
    watcher.fires("OldestSagaTooOld", WITHIN).await;
    eventually(WITHIN, "the lag to be told", async || {
        order(system, customer, 1, 1).await;
        watcher.is_firing("ConsumerLagGrows").await.then_some(())
    })
    .await;
    let refused = json!({ "outcome": "refused", "code": "forged", "body": null });
    road.send("reply.order.v1", &[reply_item(placed[0], "notify_joy", &refused)]).await;
    watcher.fires("SagaStuck", WITHIN).await;
    let skip = json!({ "step": "notify_joy", "reason": "the customer was told by telephone" });
    let path = format!("/internal/api/v1/sagas/{}/skip", placed[0]);
    let answer = system.operator("orchestrator").post(&path, &skip).await;
    assert!(answer.status < 300, "{answer:?}");
    watcher.falls_silent("SagaStuck", WITHIN).await;
    assert_eq!(status(system, placed[0]).await, 0, "the skipped letter was all that it waited for");
    system.restart("notification", &[]).await;
    all_ended(system).await;
    for alert in ["ServiceDown", "ServiceMissing", "OldestSagaTooOld", "ConsumerLagGrows"] {
        watcher.falls_silent(alert, WITHIN).await;
    }
}

fn reply_item(saga: Uuid, step: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": Uuid::now_v7(), "type": "reply.order.v1", "source": "forger",
        "subject": saga, "time": chrono::Utc::now().to_rfc3339(), "step": step, "direction": "do",
        "attempt": 1, "commandid": Uuid::now_v7(), "data": data,
    })
}

/// Billing stands still: orders wait for it, are decided late, and more of them than may be open are refused.
async fn a_participant_is_slow(system: &mut System, watcher: &Watcher, customer: Uuid) {
    system.stop("orchestrator").await;
    system.restart("orchestrator", &[("OPEN_SAGAS_MAX", "10")]).await;
    system.signal("billing", Signal::SIGSTOP);
    eventually(WITHIN, "orders to be asked to come later", async || {
        order(system, customer, 1, 100).await;
        watcher.is_firing("Overloaded").await.then_some(())
    })
    .await;
    watcher.fires("OldestSagaTooOld", WITHIN).await;
    watcher.fires("NothingDecided", WITHIN).await;
    system.signal("billing", Signal::SIGCONT);
    watcher.fires("SlowDecisions", WITHIN).await;
    all_ended(system).await;
    watcher.falls_silent("NothingDecided", WITHIN).await;
    system.stop("orchestrator").await;
    system.restart("orchestrator", &[]).await;
}

async fn the_road_is_away(system: &mut System, watcher: &Watcher) {
    system.nats.stop().await.unwrap();
    watcher.fires("NatsDisconnected", WITHIN).await;
    let somebody = json!({ "email": format!("{}@example.com", Uuid::now_v7()), "password": "correct horse" });
    let answer = system.public_client("front", None).post("/api/v1/register", &somebody).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    watcher.fires("OutboxNotEmptying", WITHIN).await;
    system.nats.restart().await.unwrap();
    for alert in ["NatsDisconnected", "OutboxNotEmptying"] {
        watcher.falls_silent(alert, WITHIN).await;
    }
}

async fn the_truth_is_away(system: &mut System, watcher: &Watcher, customer: Uuid) {
    system.postgres.stop().await.unwrap();
    watcher.fires("DatabaseDown", WITHIN).await;
    eventually(WITHIN, "errors to be told", async || {
        system.client("billing", customer).try_get("/api/v1/account").await;
        watcher.is_firing("ErrorRate").await.then_some(())
    })
    .await;
    system.postgres.restart().await.unwrap();
    watcher.falls_silent("DatabaseDown", WITHIN).await;
}

async fn the_books_are_tampered_with(system: &System, watcher: &Watcher, customer: Uuid) {
    let operator = system.operator("audit");
    let by = |amount: i64| {
        format!("UPDATE accounts SET balance = balance + {amount} WHERE user_id = '{customer}'")
    };
    let billing = system.look("billing").await;
    billing.execute_unprepared(&by(7)).await.unwrap();
    assert_eq!(operator.get(MONEY).await.status, 200);
    watcher.fires("AuditDifference", WITHIN).await;
    billing.execute_unprepared(&by(-7)).await.unwrap();
    assert_eq!(operator.get(MONEY).await.status, 200);
    watcher.falls_silent("AuditDifference", WITHIN).await;
}

async fn nobody_audits(system: &mut System, watcher: &Watcher) {
    system.stop("audit").await;
    watcher.fires("AuditMissing", WITHIN).await;
    system.restart("audit", &[("AUDIT_EVERY_SECONDS", "1")]).await;
    watcher.falls_silent("AuditMissing", WITHIN).await;
}

/// A slow way from billing to its database.
async fn the_truth_is_far_away(system: &mut System, watcher: &Watcher, customer: Uuid) {
    let way = through_a_proxy(system, "billing").await;
    way.set(Flow::Delayed(Duration::from_millis(700)));
    eventually(WITHIN, "slow requests to be told", async || {
        system.client("billing", customer).try_get("/api/v1/account").await;
        watcher.is_firing("SlowRequests").await.then_some(())
    })
    .await;
    system.stop("billing").await;
    system.restart("billing", &[]).await;
    drop(way);
}

/// A transaction at somebody's keyboard; it ends as the runbook says.
async fn somebody_locks_a_table(system: &System, watcher: &Watcher, customer: Uuid) {
    let keyboard = system.look("billing").await;
    let transaction = keyboard.begin().await.unwrap();
    transaction.execute_unprepared("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let clients: Vec<_> = (0..16).map(|_| system.client("billing", customer)).collect();
    eventually(WITHIN, "an exhausted pool to be told", async || {
        futures::future::join_all(clients.iter().map(|client| client.try_get("/api/v1/account"))).await;
        watcher.is_firing("PoolExhausted").await.then_some(())
    })
    .await;
    let by_hand = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND state = 'idle in transaction'";
    assert_eq!(system.number("billing", by_hand).await, 1);
    watcher.falls_silent("PoolExhausted", WITHIN).await;
    assert_eq!(system.client("billing", customer).get("/api/v1/account").await.status, 200);
}

/// As a disk that is put back from a copy.
async fn the_road_comes_back_with_an_older_store(system: &mut System, watcher: &Watcher, customer: Uuid) {
    let store = system.nats.home().join("jetstream");
    let copy = system.nats.home().join("older-copy");
    all_ended(system).await;
    system.nats.stop().await.unwrap();
    copied(&store, &copy).await;
    system.nats.restart().await.unwrap();
    let marked = "SELECT count(*) FROM outbox WHERE sequence IS NOT NULL";
    let before = system.number("orchestrator", marked).await;
    order(system, customer, 1, 5).await;
    eventually(WITHIN, "events of those to be in the stream", async || {
        (system.number("orchestrator", marked).await > before).then_some(())
    })
    .await;
    system.nats.stop().await.unwrap();
    tokio::fs::remove_dir_all(&store).await.unwrap();
    copied(&copy, &store).await;
    system.nats.restart().await.unwrap();
    watcher.fires("EventsLost", WITHIN).await;
    all_ended(system).await;
    watcher.falls_silent("EventsLost", WITHIN).await;
}

/// Whoever starts it again each time hides from `ServiceDown` that it dies.
async fn a_process_dies_again_and_again(system: &mut System, watcher: &Watcher) {
    eventually(WITHIN, "a process that dies again and again to be told", async || {
        system.kill("notification").await;
        system.restart("notification", &[]).await;
        watcher.is_firing("ProcessRestarts").await.then_some(())
    })
    .await;
    watcher.falls_silent("ProcessRestarts", WITHIN).await;
}

async fn nobody_takes_the_spans(system: &mut System, watcher: &Watcher) {
    let nobody = format!("http://127.0.0.1:{}", testkit::free_port());
    system.stop("orchestrator").await;
    system.restart("orchestrator", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &nobody)]).await;
    eventually(WITHIN, "lost spans to be told", async || {
        // Past the gateway, which records nothing and says so to whom it asks.
        system.operator("orchestrator").get("/internal/api/v1/sagas").await;
        watcher.is_firing("SpansLost").await.then_some(())
    })
    .await;
    system.stop("orchestrator").await;
    system.restart("orchestrator", &[]).await;
    watcher.falls_silent("SpansLost", WITHIN).await;
}
