//! Words for every process: a reader hears all that a stream holds and all that comes, whatever happens
//! to the stream and to NATS.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use contracts::Timestamp;
use contracts::auth::{Revoked, SessionRevoked};
use messaging::broadcast::{Broadcast, Heard, Told, listen};
use messaging::{Bus, Item, Runtime, topology};
use sandbox::Nats;
use testkit::eventually;
use tokio_util::sync::DropGuard;
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(10);
const AGE_MAX: Duration = Duration::from_secs(360);
/// More consumers than a server lets a stream have by itself.
const FILLED_WITHIN: usize = 10_000;

/// A process that listens; it stops with its test.
struct Ear {
    heard: Arc<Mutex<Vec<Word>>>,
    _listening: DropGuard,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Session(Uuid),
    Everything,
    Unreadable(String),
}

async fn bus(nats: &Nats) -> Bus {
    let bus = Bus::connect(&nats.url(), "test").await.unwrap();
    eventually(WITHIN, "a connection", async || bus.is_connected().then_some(())).await;
    bus
}

async fn mouth(nats: &Nats) -> Broadcast {
    Broadcast::new("auth", bus(nats).await, topology::sessions(AGE_MAX))
}

fn word(item: &Item<'_>) -> Word {
    Word::Session(item.subject)
}

impl Ear {
    async fn open(nats: &Nats) -> Self {
        let (runtime, heard) = (Runtime::default(), Arc::new(Mutex::new(Vec::new())));
        let words = Arc::clone(&heard);
        let hear = move |what: Heard<'_>| {
            words.lock().unwrap().push(match what {
                Heard::Item(item) => word(item),
                Heard::Everything => Word::Everything,
                Heard::Unreadable(why) => Word::Unreadable(why.to_owned()),
            });
        };
        listen(bus(nats).await, topology::SESSIONS, hear, &runtime);
        Self { heard, _listening: runtime.shutdown.drop_guard() }
    }

    fn heard(&self) -> Vec<Word> {
        self.heard.lock().unwrap().clone()
    }

    async fn hears(&self, session_id: Uuid) {
        let heard = async || self.heard().contains(&Word::Session(session_id)).then_some(());
        eventually(WITHIN, "a word to be heard", heard).await;
    }

    async fn has_read_everything(&self, times: usize) {
        let count = || self.heard().iter().filter(|word| **word == Word::Everything).count();
        eventually(WITHIN, "everything to be read", async || (count() >= times).then_some(())).await;
    }
}

/// As many consumers as the server lets there be of the stream, for a year.
async fn fill(nats: &Nats) {
    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let stream = jetstream.get_stream(topology::SESSIONS).await.unwrap();
    let config = pull::Config {
        inactive_threshold: Duration::from_secs(365 * 24 * 3600),
        memory_storage: true,
        ..pull::Config::default()
    };
    for _ in 0..FILLED_WITHIN {
        if stream.create_consumer(config.clone()).await.is_err() {
            return;
        }
    }
    panic!("the server lets {FILLED_WITHIN} consumers be");
}

fn revoked(session_id: Uuid) -> SessionRevoked {
    let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
    SessionRevoked { revoked: Revoked::Session { session_id }, revoked_at: at(1), until: at(2) }
}

async fn tell(mouth: &Broadcast, sessions: &[Uuid]) -> u64 {
    let events: Vec<SessionRevoked> = sessions.iter().copied().map(revoked).collect();
    let told = async || {
        mouth.state().await.ok()?;
        mouth.tell(&events).await.ok()
    };
    eventually(WITHIN, "the stream to take it", told).await
}

fn ids<const N: usize>() -> [Uuid; N] {
    std::array::from_fn(|_| Uuid::now_v7())
}

#[tokio::test]
async fn a_reader_hears_what_was_told_before_it_came_and_what_is_told_after() {
    let nats = testkit::nats().await;
    let mouth = mouth(&nats).await;
    let [first, second, third, fourth] = ids();
    tell(&mouth, &[first, second]).await;
    tell(&mouth, &[third]).await;
    let (one, other) = (Ear::open(&nats).await, Ear::open(&nats).await);
    for ear in [&one, &other] {
        ear.has_read_everything(1).await;
        let before = [Word::Session(first), Word::Session(second), Word::Session(third), Word::Everything];
        assert_eq!(ear.heard(), before);
    }
    tell(&mouth, &[fourth]).await;
    one.hears(fourth).await;
    other.hears(fourth).await;
    assert_eq!(one.heard().len(), 5, "nothing comes twice while all is well: {:?}", one.heard());
}

#[tokio::test]
async fn an_empty_stream_is_read_at_once_and_a_missing_one_is_waited_for() {
    let nats = testkit::nats().await;
    let ear = Ear::open(&nats).await;
    let mouth = mouth(&nats).await;
    assert_eq!(ear.heard(), []);
    mouth.state().await.unwrap();
    ear.has_read_everything(1).await;
    assert_eq!(ear.heard(), [Word::Everything]);
}

#[tokio::test]
async fn a_stream_that_is_made_again_is_read_from_its_beginning() {
    let nats = testkit::nats().await;
    let mouth = mouth(&nats).await;
    let ear = Ear::open(&nats).await;
    let [lost, again] = ids();
    let sequence = tell(&mouth, &[lost]).await;
    let before = mouth.state().await.unwrap();
    let told = Told { stream_created_at: before.created_at, sequence };
    assert!(before.has(told));
    ear.hears(lost).await;

    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    jetstream.delete_stream(topology::SESSIONS).await.unwrap();
    assert!(mouth.state().await.is_err(), "the server may be deleting it still");
    let after = eventually(WITHIN, "the stream to be made again", async || mouth.state().await.ok()).await;
    assert!(!after.has(told), "{before:?} {after:?}");
    tell(&mouth, &[again]).await;
    ear.hears(again).await;
}

#[tokio::test]
async fn a_purged_stream_is_seen_to_have_lost_what_it_had() {
    let nats = testkit::nats().await;
    let mouth = mouth(&nats).await;
    let sequence = tell(&mouth, &ids::<1>()).await;
    let told = Told { stream_created_at: mouth.state().await.unwrap().created_at, sequence };
    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    jetstream.get_stream(topology::SESSIONS).await.unwrap().purge().await.unwrap();
    assert!(!mouth.state().await.unwrap().has(told));
}

#[tokio::test]
async fn when_nats_comes_back_everything_is_read_again_and_what_is_new_is_heard() {
    let mut nats = testkit::nats().await;
    let mouth = mouth(&nats).await;
    let ear = Ear::open(&nats).await;
    let [before, after] = ids();
    tell(&mouth, &[before]).await;
    ear.hears(before).await;
    nats.kill().await.unwrap();
    nats.restart().await.unwrap();
    ear.has_read_everything(2).await;
    tell(&mouth, &[after]).await;
    ear.hears(after).await;
    let sessions: BTreeSet<Uuid> = ear
        .heard()
        .into_iter()
        .filter_map(|word| match word {
            Word::Session(session_id) => Some(session_id),
            Word::Everything | Word::Unreadable(_) => None,
        })
        .collect();
    assert_eq!(sessions, [before, after].into());
}

#[tokio::test]
async fn a_stream_that_takes_no_more_readers_is_told_of_until_it_is_made_anew() {
    let nats = testkit::nats().await;
    let mouth = mouth(&nats).await;
    mouth.state().await.unwrap();
    let early = Ear::open(&nats).await;
    early.has_read_everything(1).await;
    fill(&nats).await;
    let late = Ear::open(&nats).await;
    let why = eventually(2 * WITHIN, "the reader to tell why it cannot read", async || {
        late.heard().into_iter().find_map(|word| match word {
            Word::Unreadable(why) => Some(why),
            _ => None,
        })
    })
    .await;
    assert!(why.contains("maximum consumers limit reached"), "{why}");
    let [session] = ids();
    tell(&mouth, &[session]).await;
    early.hears(session).await;
    assert!(!late.heard().contains(&Word::Everything), "{:?}", late.heard());

    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    jetstream.delete_stream(topology::SESSIONS).await.unwrap();
    let [again] = ids();
    tell(&mouth, &[again]).await;
    early.hears(again).await;
    late.hears(again).await;
}
