//! Two releases at once on one database and one NATS: the older knows the first version of a workflow, the
//! newer one both, and starts the second.

use std::time::Duration;

use async_nats::jetstream::consumer::Info;
use contracts::Timestamp;
use contracts::notification::{LetterKind, Notify, OrderLetter};
use contracts::order::{OrderCancelled, OrderConfirmed};
use futures::TryStreamExt;
use messaging::{Publisher, topology};
use saga::{Cause, Decision, Definition, Outcome, Saga, Status};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use service::House;
use testkit::{TestBed, eventually};
use uuid::Uuid;

use super::{
    Admission, Bounds, ManagerError, NewSaga, Parts, Pauses, Workflow, WorkflowManager, process_name,
};
use crate::order::OrderRow;

const WITHIN: Duration = Duration::from_secs(30);

/// What a saga of the tests knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Letters {
    id: Uuid,
}

impl Letters {
    fn letter(&self, name: &[u8]) -> Notify {
        let letter = OrderLetter { order_id: self.id, total: None, reason: None };
        let data = serde_json::value::to_raw_value(&letter).unwrap();
        let letter_id = Uuid::new_v5(&self.id, name);
        Notify { letter_id, user_id: self.id, kind: LetterKind::OrderConfirmed, data }
    }

    fn first(&self) -> Notify {
        self.letter(b"first")
    }

    fn second(&self) -> Notify {
        self.letter(b"second")
    }

    fn confirmed(&self) -> OrderConfirmed {
        OrderConfirmed { order_id: self.id, user_id: self.id, total: 0, lines: Vec::new() }
    }

    fn rejected(&self, _: &Cause) -> contracts::EventData {
        OrderCancelled { order_id: self.id }.into()
    }
}

fn first() -> Definition<Letters> {
    let saga = Saga::named("letters", 1).pivot(Letters::confirmed);
    saga.tail("write", Letters::first).otherwise(Letters::rejected).build()
}

fn second() -> Definition<Letters> {
    let saga = Saga::named("letters", 2).pivot(Letters::confirmed);
    saga.tail("write", Letters::first)
        .tail("write_again", Letters::second)
        .otherwise(Letters::rejected)
        .build()
}

macro_rules! release {
    ($name:ident, $starts:literal, [$($definition:expr),+]) => {
        struct $name;
        impl Workflow for $name {
            const NAME: &'static str = "letters";
            const REPLY_SUBJECT: &'static str = "reply.letters.v1";
            const START_VERSION: u32 = $starts;
            type Data = Letters;
            type Row = OrderRow;
            fn definitions() -> Vec<Definition<Letters>> {
                vec![$($definition),+]
            }
            fn key(letters: &Letters) -> Uuid {
                letters.id
            }
            fn started(_: &Letters) -> Option<OrderRow> {
                None
            }
            fn decided(_: &Letters, _: &Decision, _: Timestamp) -> Option<OrderRow> {
                None
            }
            fn finished(_: &Letters, _: &Outcome, _: Timestamp) -> Option<OrderRow> {
                None
            }
        }
    };
}

release!(Older, 1, [first()]);
release!(Newer, 2, [first(), second()]);

async fn manager<W: Workflow>(house: &House) -> Result<WorkflowManager<W>, ManagerError> {
    let runtime = house.runtime();
    let db = house.database(crate::SERVICE, service::database::Pool::Reader, 4).await.unwrap();
    let bus = house.bus(crate::SERVICE).await.unwrap();
    bus.ensure_stream(crate::SERVICE, &topology::events()).await.unwrap();
    let bounds = Bounds { open_sagas_max: 1_000, ..Bounds::default() };
    let parts = Parts {
        process: process_name(),
        bus: &bus,
        publisher: Publisher::start_making(
            vec![topology::commands_of("notification")],
            crate::SERVICE,
            bus.clone(),
            db.clone(),
            &runtime,
        ),
        writer: db.clone(),
        reader: db.clone(),
        admission: Admission::start(bounds, db.clone(), &runtime),
        pauses: Pauses::start(db, &runtime).await.unwrap(),
        limits: house.loop_limits(),
        runtime: &runtime,
    };
    WorkflowManager::start(parts).await
}

async fn begin<W: Workflow<Data = Letters>>(manager: &WorkflowManager<W>) -> Uuid {
    let id = Uuid::now_v7();
    let new = NewSaga {
        saga_id: id,
        data: Letters { id },
        traceparent: String::new(),
        idempotency: None,
        wanted: None,
    };
    manager.begin(new).await.unwrap();
    id
}

/// How many replies wait to come again, whoever asked for them.
async fn come_again(nats_url: &str) -> usize {
    let client = async_nats::connect(nats_url).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream(topology::REPLIES).await.unwrap();
    let consumers: Vec<Info> = stream.consumers().try_collect().await.unwrap();
    consumers.iter().map(|consumer| consumer.num_redelivered).sum()
}

async fn all_completed<W: Workflow>(manager: &WorkflowManager<W>, sagas: &[Uuid]) {
    for saga in sagas {
        eventually(WITHIN, "a saga to be completed", async || {
            (manager.status(*saga).await.unwrap() == Some(Status::Completed)).then_some(())
        })
        .await;
    }
}

async fn bed() -> TestBed {
    let mut bed =
        TestBed::start::<migrations::orchestrator::Migrator>(&[crate::work(), notification::work()]).await;
    // Of workflows that are none of the system's.
    bed.without_rights();
    let database = testkit::guarded_database::<migrations::notification::Migrator>("notification").await;
    bed.config.databases.set("notification", database.service);
    bed
}

#[tokio::test]
async fn two_releases_move_the_sagas_of_the_version_that_both_know() {
    let bed = bed().await;
    let (older_house, newer_house) = (
        House::build(bed.config.clone(), crate::SERVICE).await.unwrap(),
        House::build(bed.config.clone(), crate::SERVICE).await.unwrap(),
    );
    let older = manager::<Older>(&older_house).await.unwrap();
    let newer = manager::<Newer>(&newer_house).await.unwrap();
    let of_older = futures::future::join_all((0..20).map(|_| begin(&older))).await;
    let of_newer = futures::future::join_all((0..20).map(|_| begin(&newer))).await;
    let _notification = bed.run(notification::start).await;
    all_completed(&newer, &of_older).await;
    all_completed(&newer, &of_newer).await;
    let version =
        async |saga: Uuid| newer.row_of(saga).await.unwrap().map(|row| row.definition_version()).unwrap();
    assert_eq!((version(of_older[0]).await, version(of_newer[0]).await), (1, 2));
}

#[tokio::test]
async fn a_release_leaves_what_it_does_not_know_and_does_not_start_where_it_would_be_needed() {
    let bed = bed().await;
    let (older_house, newer_house) = (
        House::build(bed.config.clone(), crate::SERVICE).await.unwrap(),
        House::build(bed.config.clone(), crate::SERVICE).await.unwrap(),
    );
    let _older = manager::<Older>(&older_house).await.unwrap();
    let newer = manager::<Newer>(&newer_house).await.unwrap();
    // As the service does at its start: who stops waits for no stream, and the commands are to wait there.
    let bus = newer_house.bus(crate::SERVICE).await.unwrap();
    bus.ensure_stream(crate::SERVICE, &topology::commands_of("notification")).await.unwrap();
    let sagas = futures::future::join_all((0..5).map(|_| begin(&newer))).await;
    let refused = manager::<Older>(&older_house).await.map(|_| ()).unwrap_err();
    let expected = "open sagas of workflow letters use version 2, which this process does not know";
    assert_eq!(refused.to_string(), expected);

    drop(newer);
    newer_house.shutdown.cancel();
    newer_house.tasks.close();
    newer_house.tasks.wait().await;
    let _notification = bed.run(notification::start).await;
    let url = bed.config.nats.url().expose_secret().to_owned();
    eventually(WITHIN, "the replies to be left", async || (come_again(&url).await > 0).then_some(())).await;

    let house = House::build(bed.config.clone(), crate::SERVICE).await.unwrap();
    all_completed(&manager::<Newer>(&house).await.unwrap(), &sagas).await;
}
