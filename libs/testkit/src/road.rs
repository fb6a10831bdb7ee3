//! Speaks to participants as a saga does: sends commands in batches of CloudEvents and awaits their
//! replies; publishes events as other services do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::jetstream;
use contracts::{Command, Direction, Event, Outcome};
use futures::StreamExt;
use messaging::{BATCH_CONTENT_TYPE, Bus, MAX_ITEMS, topology};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use crate::eventually;

/// Where the replies to a test's commands go.
const REPLY_TO: &str = "reply.test.v1";
/// How long anything here is waited for.
const WITHIN: Duration = Duration::from_secs(20);

/// What a participant answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Said {
    /// How it ended.
    pub outcome: Outcome,
    /// The refusal's code.
    #[serde(default)]
    pub code: Option<String>,
    /// What was done, or what explains the refusal.
    #[serde(default)]
    pub body: Value,
}

impl Said {
    /// Whether it is a refusal with this code.
    pub fn is_refused(&self, code: &str) -> bool {
        self.outcome == Outcome::Refused && self.code.as_deref() == Some(code)
    }

    /// What was done, as the command's type.
    ///
    /// # Panics
    /// It was not done, or answered with something else.
    pub fn done<C: Command>(&self) -> C::Done {
        assert_eq!(self.outcome, Outcome::Done, "{self:?}");
        serde_json::from_value(self.body.clone()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<Said>>>>;

/// A test's connection to NATS.
pub struct Road {
    bus: Bus,
    jetstream: jetstream::Context,
    /// By attempt, which comes back with the reply: each item sent here has a number of its own.
    waiting: Waiting,
    attempts: AtomicU32,
}

impl Road {
    /// Connects, and makes the orchestrator's streams.
    ///
    /// # Panics
    /// NATS is not there within 20 s.
    pub async fn connect(url: &str) -> Self {
        let bus = Bus::connect(url, "test").await.unwrap_or_else(|error| panic!("{error}"));
        eventually(WITHIN, "a connection to NATS", async || bus.is_connected().then_some(())).await;
        // The orchestrator's streams: without them a participant could answer nobody.
        for stream in [topology::replies(), topology::events()] {
            bus.ensure_stream("test", &stream).await.unwrap_or_else(|error| panic!("{error}"));
        }
        let client = async_nats::connect(url).await.unwrap_or_else(|error| panic!("{error}"));
        let replies = client.subscribe(REPLY_TO).await.unwrap_or_else(|error| panic!("{error}"));
        client.flush().await.unwrap_or_else(|error| panic!("{error}"));
        let waiting = Waiting::default();
        tokio::spawn(hear(replies, Arc::clone(&waiting)));
        Self { bus, jetstream: jetstream::new(client), waiting, attempts: AtomicU32::new(1) }
    }

    /// Makes a participant's stream of commands where it is missing, as the orchestrator does.
    ///
    /// # Panics
    /// NATS is away or refuses.
    pub async fn make_stream_of(&self, participant: &str) {
        let stream = topology::commands_of(participant);
        self.bus.ensure_stream("test", &stream).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Asks for one command and awaits its reply.
    ///
    /// # Panics
    /// There is no reply in 20 s.
    pub async fn ask<C: Command>(&self, command: &C) -> Said {
        let mut said = self.ask_all(std::slice::from_ref(command)).await;
        said.pop().expect("one command has one reply")
    }

    /// Asks for commands in messages of at most [`MAX_ITEMS`], all at once, and awaits every reply; the replies
    /// are in the order of the commands.
    ///
    /// # Panics
    /// A reply is missing after 20 s.
    pub async fn ask_all<C: Command>(&self, commands: &[C]) -> Vec<Said> {
        let mut replies = Vec::with_capacity(commands.len());
        for chunk in commands.chunks(MAX_ITEMS) {
            let mut items = Vec::with_capacity(chunk.len());
            for command in chunk {
                let (item, reply) = self.awaited(command_item(command));
                items.push(item);
                replies.push(reply);
            }
            self.send(C::TYPE, &items).await;
        }
        let mut said = Vec::with_capacity(replies.len());
        for (reply, command) in replies.into_iter().zip(commands) {
            let reply = timeout(WITHIN, reply).await;
            let reply = reply.unwrap_or_else(|_| panic!("no reply within {WITHIN:?} to {command:?}"));
            said.push(reply.expect("the connection lives as long as the road"));
        }
        said
    }

    /// Prepares an item whose reply is awaited.
    fn awaited(&self, mut item: Value) -> (Value, oneshot::Receiver<Said>) {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        item["attempt"] = attempt.into();
        item["replyto"] = REPLY_TO.into();
        let (sender, reply) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt, sender);
        (item, reply)
    }

    /// Publishes events, in messages of at most [`MAX_ITEMS`].
    ///
    /// # Panics
    /// They are not taken in 20 s.
    pub async fn tell<E: Event>(&self, events: &[E]) {
        for chunk in events.chunks(MAX_ITEMS) {
            let items: Vec<Value> = chunk.iter().map(event_item).collect();
            self.send(E::TYPE, &items).await;
        }
    }

    /// Sends these items, good or bad, as one message, as soon as a stream takes it.
    ///
    /// # Panics
    /// It is not taken in 20 s.
    pub async fn send(&self, subject: &str, items: &[Value]) {
        if let Some((participant, _)) = subject.strip_prefix("cmd.").and_then(|rest| rest.split_once('.')) {
            self.make_stream_of(participant).await;
        }
        let payload = serde_json::to_vec(items).expect("JSON values have a JSON form");
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("content-type", BATCH_CONTENT_TYPE);
        let what = format!("a stream that takes {subject}");
        eventually(WITHIN, &what, async || {
            let (subject, payload) = (subject.to_owned(), payload.clone().into());
            let published = self.jetstream.publish_with_headers(subject, headers.clone(), payload).await;
            published.ok()?.await.ok()
        })
        .await;
    }
}

/// Deletes a stream, as a broker that lost its store.
///
/// # Panics
/// There is no such stream.
pub async fn delete_stream(nats_url: &str, name: &str) {
    let client = async_nats::connect(nats_url).await.unwrap_or_else(|error| panic!("{error}"));
    let deleted = jetstream::new(client).delete_stream(name).await;
    deleted.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// A command as an item that nobody awaits: to be changed by the test, and sent.
pub fn command_item<C: Command>(command: &C) -> Value {
    let mut item = item(C::TYPE, Uuid::now_v7(), command);
    item["step"] = "test".into();
    item["direction"] = Direction::Do.as_str().into();
    item["attempt"] = 0.into();
    item
}

/// An event as an item: to be changed by the test, and sent.
pub fn event_item<E: Event>(event: &E) -> Value {
    item(E::TYPE, event.about(), event)
}

fn item(item_type: &str, about: Uuid, data: &impl Serialize) -> Value {
    json!({
        "specversion": "1.0",
        "id": Uuid::now_v7(),
        "type": item_type,
        "source": "test",
        "subject": about,
        "time": chrono::Utc::now(),
        "data": serde_json::to_value(data).expect("contracts have a JSON form"),
    })
}

#[derive(Deserialize)]
struct ReplyItem {
    attempt: Option<u32>,
    data: Said,
}

async fn hear(mut replies: async_nats::Subscriber, waiting: Waiting) {
    while let Some(message) = replies.next().await {
        let items: Vec<ReplyItem> = serde_json::from_slice(&message.payload)
            .unwrap_or_else(|error| panic!("a reply that cannot be read: {error}: {message:?}"));
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for item in items {
            if let Some(sender) = item.attempt.and_then(|attempt| waiting.remove(&attempt)) {
                // A test that no longer waits has failed already.
                let _ = sender.send(item.data);
            }
        }
    }
}
