//! What a service may not do, on real servers with the rights of every deployment; that it may do all its work every
//! other test shows. Whoever has taken billing over has its key and its password, and no more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::stream::{Config, Info, Republish, Source};
use async_nats::{Client, ConnectOptions, Event, ServerError};
use contracts::Command;
use contracts::stock::{Item, ReserveStock};
use migrations::rights::{AUDITOR, MIGRATOR};
use sea_orm::{ConnectOptions as DatabaseOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use secrecy::ExposeSecret;
use testkit::eventually;
use uuid::Uuid;

use super::orders::Shop;
use super::processes::{SEPARATE, System, database, works};

const WITHIN: Duration = Duration::from_secs(20);
/// What it is asked for has no answer: nobody was asked.
const NO_ANSWER: Duration = Duration::from_millis(300);

/// Somebody at NATS with the key of a service.
struct Intruder {
    client: Client,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Intruder {
    async fn with_key_of(system: &System, service: &str) -> Self {
        let refused = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&refused);
        let seed = system.seeds.of(service).unwrap().expose_secret().to_owned();
        let client = ConnectOptions::with_nkey(seed)
            .custom_inbox_prefix(format!("_INBOX_{service}"))
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(words)) = event {
                    hears.lock().unwrap().push(words);
                }
                std::future::ready(())
            })
            .connect(system.nats.url())
            .await
            .unwrap();
        Self { client, refused }
    }

    /// The server says that this was not allowed.
    async fn is_refused(&self, what: &str, subject: &str) {
        let words = format!("{what} \"{subject}\"");
        eventually(WITHIN, &format!("a refusal of {words}"), async || {
            let refused = self.refused.lock().unwrap();
            refused.iter().any(|said| said.to_lowercase().contains(&words.to_lowercase())).then_some(())
        })
        .await;
    }

    async fn cannot_publish(&self, subject: &str) {
        self.client.publish(subject.to_owned(), "[]".into()).await.unwrap();
        self.is_refused("publish to", subject).await;
    }

    async fn cannot_hear(&self, subject: &str) {
        let _heard = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.is_refused("subscription to", subject).await;
    }

    async fn cannot_ask_jetstream(&self, question: &str) {
        self.cannot_ask_jetstream_for(question, "{}".to_owned()).await;
    }

    /// Neither is it answered nor was anybody asked.
    async fn cannot_ask_jetstream_for(&self, question: &str, what: String) {
        let subject = format!("$JS.API.{question}");
        let asked = tokio::time::timeout(NO_ANSWER, self.client.request(subject.clone(), what.into())).await;
        assert!(!matches!(asked, Ok(Ok(_))), "{question} was answered");
        self.is_refused("publish to", &subject).await;
    }

    async fn publishes(&self, subject: &str) {
        let jetstream = jetstream::new(self.client.clone());
        jetstream.publish(subject.to_owned(), "[]".into()).await.unwrap().await.unwrap();
    }
}

/// The streams as they are, for who may do everything.
async fn stream(system: &System, name: &str) -> Info {
    let client = async_nats::connect(system.nats.url()).await.unwrap();
    jetstream::new(client).get_stream(name).await.unwrap().cached_info().clone()
}

#[tokio::test]
async fn billing_cannot_command_others_read_replies_or_touch_streams() {
    let mut system = System::start(&SEPARATE).await;
    system.refuses_something = true;
    let mut shop = Shop::open(&system, 1, 1).await;
    shop.place(&system, "orchestrator", 3).await;
    shop.settled(&system).await;
    let billing = Intruder::with_key_of(&system, "billing").await;
    let stock_before = stream(&system, "CMD_STOCK").await;
    let replies_before = stream(&system, "REPLIES").await;

    for subject in
        ["cmd.stock.reserve_stock.v1", "cmd.delivery.cancel_delivery.v1", "order.order_confirmed.v1"]
    {
        billing.cannot_publish(subject).await;
    }
    for subject in
        ["auth.session_revoked.v1", "delivery.order_sent.v1", "wake.order", "_INBOX_orchestrator.x.y"]
    {
        billing.cannot_publish(subject).await;
    }
    for subject in
        ["reply.>", "reply.order.v1", "cmd.stock.>", "_INBOX_orchestrator.>", "_INBOX.>", "$JS.>", ">"]
    {
        billing.cannot_hear(subject).await;
    }
    for question in [
        "CONSUMER.CREATE.REPLIES",
        "CONSUMER.CREATE.REPLIES.mine",
        "CONSUMER.CREATE.REPLIES.order-mine.reply.order.v1.mine",
        "CONSUMER.LIST.REPLIES",
        "CONSUMER.MSG.NEXT.REPLIES.order",
        "STREAM.MSG.GET.REPLIES",
        "DIRECT.GET.REPLIES",
        "CONSUMER.MSG.NEXT.CMD_STOCK.stock",
        "CONSUMER.CREATE.EVENTS.billing",
        "CONSUMER.CREATE.EVENTS.billing.delivery.order_sent.v1",
        "STREAM.DELETE.CMD_STOCK",
        "STREAM.DELETE.CMD_BILLING",
        "STREAM.PURGE.CMD_BILLING",
        "STREAM.PURGE.EVENTS",
        "STREAM.UPDATE.CMD_BILLING",
        "STREAM.MSG.DELETE.CMD_BILLING",
        "STREAM.CREATE.EVENTS",
        "STREAM.CREATE.CMD_BILLING",
        "STREAM.CREATE.MINE",
        "CONSUMER.DELETE.CMD_STOCK.stock",
        "CONSUMER.DELETE.CMD_BILLING.billing",
        "STREAM.LIST",
        "CONSUMER.LIST.SESSIONS",
        "CONSUMER.NAMES.SESSIONS",
    ] {
        billing.cannot_ask_jetstream(question).await;
    }
    billing.cannot_publish("$JS.ACK.CMD_STOCK.stock.1.1.1.1.1").await;

    let state = |info: Info| (info.created, info.state.messages, info.state.last_sequence);
    assert_eq!(state(stream(&system, "CMD_STOCK").await), state(stock_before));
    assert_eq!(state(stream(&system, "REPLIES").await), state(replies_before));
    // It was its right that was missing: who has it does the same.
    Intruder::with_key_of(&system, "orchestrator").await.publishes("cmd.stock.reserve_stock.v1").await;
    billing.publishes("reply.order.v1").await;
}

/// Every process needs a reader of its own there, so whoever has any key may make readers until the server takes no more.
#[tokio::test]
async fn when_sessions_is_full_of_readers_whoever_starts_says_so_and_the_operator_helps() {
    let mut system = System::start(&[("auth", &["auth"])]).await;
    let billing = Intruder::with_key_of(&system, "billing").await;
    let (subject, year) = ("$JS.API.CONSUMER.CREATE.SESSIONS", 365 * 24 * 3_600_000_000_000_u64);
    let question = serde_json::json!({ "stream_name": "SESSIONS", "config": {
        "ack_policy": "none", "mem_storage": true, "inactive_threshold": year } });
    let payload = bytes::Bytes::from(question.to_string());
    eventually(WITHIN, "the server to take no more", async || {
        let asked = (0..100).map(|_| billing.client.request(subject, payload.clone()));
        let answers = futures::future::join_all(asked).await;
        let full = |answer: async_nats::Message| {
            String::from_utf8_lossy(&answer.payload).contains("maximum consumers limit reached")
        };
        answers.into_iter().any(|answer| answer.is_ok_and(full)).then_some(())
    })
    .await;

    system.log = Some(system.nats.home().join("processes.log"));
    system.launch("user", &["user"], &[]);
    let client = system.internal_client("user", None);
    eventually(WITHIN, "what is wrong to be told", async || {
        let answer = client.try_get("/readyz").await?;
        let why = answer.body["checks"]["revocations"].as_str()?;
        let told = why.contains("SESSIONS cannot be read") && why.contains("maximum consumers limit reached");
        (answer.status == 503 && told).then_some(())
    })
    .await;
    let log = std::fs::read_to_string(system.log.as_ref().unwrap()).unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("the stream cannot be read"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("WARN") && line.contains("maximum consumers limit reached"), "{line}");

    // What the runbook says: auth makes it anew, and tells again what counts.
    let operator = async_nats::connect(system.nats.url()).await.unwrap();
    jetstream::new(operator).delete_stream("SESSIONS").await.unwrap();
    system.ready("user").await;
}

/// Rights are about the subject of a question, not about where its answer goes: whoever reads a consumer can have the
/// server put what that reads into any stream. It is known there by its subject.
#[tokio::test]
async fn a_command_that_billing_has_the_server_bring_to_stock_is_put_aside() {
    let mut system = System::start(&SEPARATE).await;
    let shop = Shop::open(&system, 1, 1).await;
    // Otherwise it reads the forged command itself.
    system.stop("billing").await;
    let billing = Intruder::with_key_of(&system, "billing").await;
    let order_id = Uuid::now_v7();
    let items = vec![Item { position_id: shop.positions[0], quantity: 1 }];
    let forged = ReserveStock { order_id, items, expected_total: None };
    let mut item = testkit::command_item(&forged);
    item["replyto"] = "reply.order.v1".into();
    let payload = serde_json::to_vec(&[item]).unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("content-type", messaging::BATCH_CONTENT_TYPE);
    let jetstream = jetstream::new(billing.client.clone());
    // Nor does a question of billing's that the server has not yet seen to be nobody's.
    eventually(WITHIN, "nobody to wait for billing's commands", async || {
        let reader: PullConsumer = jetstream.get_consumer_from_stream("billing", "CMD_BILLING").await.ok()?;
        (reader.cached_info().num_waiting == 0).then_some(())
    })
    .await;
    let published = jetstream.publish_with_headers("cmd.billing.forged.v1", headers, payload.into()).await;
    published.unwrap().await.unwrap();
    let next = "$JS.API.CONSUMER.MSG.NEXT.CMD_BILLING.billing";
    let to = ReserveStock::TYPE;
    billing.client.publish_with_reply(next, to, "1".into()).await.unwrap();

    let letters = "SELECT count(*) FROM dead_letters WHERE subject = 'cmd.billing.forged.v1' \
                   AND error LIKE '%is not ours%'";
    eventually(WITHIN, "the letter", async || (system.number("stock", letters).await == 1).then_some(()))
        .await;
    let done = format!("SELECT count(*) FROM reservations WHERE order_id = '{order_id}'");
    assert_eq!(system.number("stock", &done).await, 0);
}

/// What a stream is made with the server does not check: it may publish again what it takes, or take what others have. So a
/// participant makes none, not even where its own is missing.
#[tokio::test]
async fn billing_cannot_make_its_missing_stream() {
    let mut system = System::start(&[]).await;
    system.refuses_something = true;
    let billing = Intruder::with_key_of(&system, "billing").await;
    let plain = Config {
        name: "CMD_BILLING".to_owned(),
        subjects: vec!["cmd.billing.>".to_owned()],
        num_replicas: 1,
        ..Config::default()
    };
    let forges = Republish {
        source: "cmd.billing.forged.v1".to_owned(),
        destination: ReserveStock::TYPE.to_owned(),
        headers_only: false,
    };
    let reads = ["CMD_STOCK", "REPLIES"].map(|name| Source { name: name.to_owned(), ..Source::default() });
    let ways = [
        plain.clone(),
        Config { republish: Some(forges), ..plain.clone() },
        Config { sources: Some(reads.to_vec()), ..plain.clone() },
        Config { mirror: Some(reads[1].clone()), subjects: Vec::new(), ..plain },
    ];
    for way in &ways {
        let what = serde_json::to_string(way).unwrap();
        billing.cannot_ask_jetstream_for("STREAM.CREATE.CMD_BILLING", what).await;
    }
    let everybody = jetstream::new(async_nats::connect(system.nats.url()).await.unwrap());
    assert!(everybody.get_stream("CMD_BILLING").await.is_err(), "it is missing still");
    // It was its right that was missing: who may do everything does the same.
    for way in ways {
        everybody.create_stream(way).await.unwrap();
        everybody.delete_stream("CMD_BILLING").await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_nats_does_not_know_is_named_and_the_seed_is_not_told() {
    let mut system = System::start(&[]).await;
    system.refuses_something = true;
    system.log = Some(system.nats.home().join("processes.log"));
    let seed = messaging::nkey::new_seed();
    let public = messaging::nkey::public_key(&seed).unwrap();
    let seed = seed.expose_secret();
    system.launch("billing", &["billing"], &[("BILLING_NATS_NKEY_SEED", seed), ("LOG", "debug")]);
    let client = system.internal_client("billing", None);
    let told = format!("refuses billing: it does not know the nkey {public}");
    eventually(WITHIN, "what is wrong to be told", async || {
        let answer = client.try_get("/readyz").await?;
        let nats = answer.body["checks"]["nats"].as_str()?;
        (answer.status == 503 && nats.contains(&told)).then_some(())
    })
    .await;
    let log = std::fs::read_to_string(system.log.as_ref().unwrap()).unwrap();
    assert!(log.contains(&told), "{log}");
    assert!(!log.contains(seed), "the seed is in the log");
}

#[tokio::test]
async fn who_has_no_key_is_told_which_one_to_give_and_not_at_every_try() {
    let mut system = System::start(&[]).await;
    let (users, _) = testkit::users(&works());
    let (known, _) = users.split_once("no_auth_user").unwrap();
    let nats = testkit::nats_with(known.to_owned()).await;
    system.log = Some(nats.home().join("processes.log"));
    system.launch("billing", &["billing"], &[("BILLING_NATS_NKEY_SEED", ""), ("NATS_URL", &nats.url())]);
    let client = system.internal_client("billing", None);
    let told = "refuses billing: it wants to know who connects, and billing has no nkey; give its seed as \
                BILLING_NATS_NKEY_SEED";
    eventually(WITHIN, "what is missing to be told", async || {
        let answer = client.try_get("/readyz").await?;
        let nats = answer.body["checks"]["nats"].as_str()?;
        (answer.status == 503 && nats.contains(told)).then_some(())
    })
    .await;
    // Each try is a line of the server's log, too.
    let refused = || std::fs::read_to_string(nats.home().join("nats.log")).unwrap();
    eventually(WITHIN, "many tries", async || {
        (refused().matches("authentication error").count() >= 8).then_some(())
    })
    .await;
    let log = std::fs::read_to_string(system.log.as_ref().unwrap()).unwrap();
    for words in [told, "async_nats::connector"] {
        assert_eq!(log.matches(words).count(), 1, "{words}: {log}");
    }
}

#[tokio::test]
async fn what_is_no_key_ends_the_process_at_once_and_is_not_told() {
    let system = System::start(&[]).await;
    let mut serve = system.rondo(&["serve", "billing"]);
    serve.args(["--public-addr", "127.0.0.1:0", "--internal-addr", "127.0.0.1:0"]);
    let ended = serve.env("BILLING_NATS_NKEY_SEED", "SUsesame").output().await.unwrap();
    let words = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && words.contains("the NATS nkey of billing"), "{words}");
    assert!(!words.contains("sesame"), "{words}");
}

async fn as_role(system: &System, role: &str, service: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = DatabaseOptions::new(system.postgres.url_as(role, None, &database(service)));
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

/// The server says that this is not allowed.
async fn denies(db: &DatabaseConnection, sql: &str) {
    let Err(error) = db.execute_unprepared(sql).await else { panic!("{sql} is allowed") };
    let words = error.to_string();
    assert!(words.contains("permission denied") || words.contains("must be owner"), "{sql}: {words}");
}

#[tokio::test]
async fn billing_opens_no_other_database_and_changes_no_table() {
    let system = System::start(&[]).await;
    for other in ["auth", "user", "stock", "delivery", "notification", "orchestrator"] {
        let opened = as_role(&system, "rondo_billing", other).await.map(drop);
        let words = opened.unwrap_err().to_string();
        assert!(words.contains("permission denied for database"), "{other}: {words}");
    }
    let own = as_role(&system, "rondo_billing", "billing").await.unwrap();
    for sql in [
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE accounts ADD COLUMN mine int",
        "ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check",
        "DROP TABLE entries",
        "TRUNCATE entries",
        "CREATE INDEX ON entries (amount)",
        "INSERT INTO seaql_migrations VALUES ('m9999', 1)",
        "DELETE FROM seaql_migrations",
        "SET ROLE rondo_migrator",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
    ] {
        denies(&own, sql).await;
    }
    // Rows are its own, and it sees which migrations ran.
    for sql in
        ["UPDATE accounts SET held = held", "DELETE FROM dead_letters", "SELECT * FROM seaql_migrations"]
    {
        own.execute_unprepared(sql).await.unwrap();
    }
    let owner = as_role(&system, MIGRATOR, "billing").await.unwrap();
    // What a later release makes is the service's, too, without another word.
    owner.execute_unprepared("CREATE TABLE later (id int)").await.unwrap();
    own.execute_unprepared("INSERT INTO later VALUES (1)").await.unwrap();
    denies(&own, "DROP TABLE later").await;
}

#[tokio::test]
async fn the_audit_reads_and_changes_nothing() {
    let system = System::start(&[]).await;
    for service in ["auth", "user"] {
        assert!(as_role(&system, AUDITOR, service).await.is_err(), "{service}");
    }
    let books = as_role(&system, AUDITOR, "billing").await.unwrap();
    books.execute_unprepared("SELECT * FROM entries").await.unwrap();
    for sql in ["UPDATE accounts SET balance = 0", "DELETE FROM entries", "DROP TABLE entries"] {
        denies(&books, sql).await;
    }
}
