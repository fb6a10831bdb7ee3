//! Who may do what on the road: from what a service declares of its work to the subjects that its NATS user may
//! publish to and hear, and from these to the `authorization` of the server's configuration. Pure.
//!
//! JetStream is asked by subjects, so these are rights on streams and consumers, too: who may not publish to
//! `$JS.API.STREAM.DELETE.CMD_STOCK` cannot delete that stream. Nobody but the operator may delete, purge or change
//! one.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::topology::{ConsumerSpec, EVENTS, SESSIONS, Source, StreamSpec, reply_subject, reply_subject_of};
use crate::wake::wake_subject;

/// What every service's inbox begins with; its own name follows.
const INBOX: &str = "_INBOX_";

/// The prefix of the subjects at which a user is answered: nobody else may hear them.
pub fn inbox_prefix(user: &str) -> String {
    format!("{INBOX}{user}")
}

/// What a service does on the road.
#[derive(Debug, Clone)]
pub struct Work {
    user: &'static str,
    sources: Vec<Source>,
    /// Streams that it makes besides those of its sources.
    makes: Vec<String>,
    publishes: BTreeSet<String>,
    /// Others' consumers whose state it looks at.
    watches: Vec<ConsumerSpec>,
    keeps_outbox: bool,
    /// On core NATS.
    wakes: BTreeSet<String>,
}

/// What a user may publish to, and subscribe to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Subjects, with `*` and `>`.
    pub publish: BTreeSet<String>,
    /// Subjects, with `*` and `>`.
    pub subscribe: BTreeSet<String>,
}

impl Work {
    /// Of a process that does nothing but hear which sessions are revoked, as all do.
    pub fn of(user: &'static str) -> Self {
        let (publishes, wakes) = (BTreeSet::new(), BTreeSet::new());
        Self {
            user,
            sources: Vec::new(),
            makes: Vec::new(),
            publishes,
            watches: Vec::new(),
            keeps_outbox: false,
            wakes,
        }
    }

    /// It reads these.
    #[must_use]
    pub fn reads(mut self, sources: impl IntoIterator<Item = Source>) -> Self {
        self.sources.extend(sources);
        self
    }

    /// It answers commands, whichever workflow sends them.
    #[must_use]
    pub fn answers(mut self) -> Self {
        self.publishes.insert(reply_subject("*"));
        self.publishes.insert(reply_subject_of("*", "*"));
        self
    }

    /// It asks these participants, makes their streams, and looks how far each is behind. Who may send them everything
    /// gains nothing by what it could have such a stream do besides.
    #[must_use]
    pub fn asks(mut self, participants: impl IntoIterator<Item = &'static str>) -> Self {
        for participant in participants {
            let source = Source::commands(participant);
            self.publishes.extend(source.subjects().iter().cloned());
            self.makes.push(source.stream.name);
            self.watches.push(source.consumer);
        }
        self
    }

    /// It tells of events of these types, and keeps them in an outbox until the stream has them.
    #[must_use]
    pub fn tells(mut self, types: &[&str]) -> Self {
        self.keeps_outbox = true;
        self.publishes.extend(types.iter().map(|&subject| subject.to_owned()));
        self
    }

    /// It makes this stream, and tells everybody by events of these types.
    #[must_use]
    pub fn broadcasts(mut self, stream: &str, types: &[&str]) -> Self {
        self.makes.push(stream.to_owned());
        self.publishes.extend(types.iter().map(|&subject| subject.to_owned()));
        self
    }

    /// It makes this stream besides those that it reads.
    #[must_use]
    pub fn makes(mut self, stream: &StreamSpec) -> Self {
        self.makes.push(stream.name.clone());
        self
    }

    /// Its replicas wake each other's waiters of these workflows.
    #[must_use]
    pub fn wakes(mut self, workflows: impl IntoIterator<Item = &'static str>) -> Self {
        self.wakes.extend(workflows.into_iter().map(wake_subject));
        self
    }

    /// The name of its user.
    pub fn user(&self) -> &'static str {
        self.user
    }

    /// The least that this work can be done with.
    pub fn permissions(&self) -> Permissions {
        let mut may = Permissions::default();
        // To be answered, and to know the storage that is used.
        may.subscribe.insert(format!("{}.>", inbox_prefix(self.user)));
        may.ask("INFO");
        // Which sessions are revoked: a reader of its own, whose name nobody can guess.
        may.ask(&format!("STREAM.INFO.{SESSIONS}"));
        may.ask(&format!("CONSUMER.CREATE.{SESSIONS}"));
        may.ask(&format!("CONSUMER.MSG.NEXT.{SESSIONS}.*"));
        // The client asks after a reconnection whether its reader is still there.
        may.ask(&format!("CONSUMER.INFO.{SESSIONS}.*"));
        self.makes.iter().for_each(|stream| may.make(stream));
        for source in &self.sources {
            if source.is_maker {
                may.make(&source.stream.name);
            }
            may.read(&source.consumer);
            // A dead letter is sent again on the subject by which it came; one of a process, on the one that all read.
            if source.consumer.of_process.is_none() {
                may.publish.extend(source.subjects().iter().cloned());
            }
        }
        for ConsumerSpec { stream, durable, .. } in &self.watches {
            may.ask(&format!("STREAM.INFO.{stream}"));
            may.ask(&format!("CONSUMER.INFO.{stream}.{durable}"));
        }
        if self.keeps_outbox {
            // Whether the stream has them still.
            may.ask(&format!("STREAM.INFO.{EVENTS}"));
            may.ask(&format!("STREAM.MSG.GET.{EVENTS}"));
        }
        may.publish.extend(self.publishes.iter().chain(&self.wakes).cloned());
        may.subscribe.extend(self.wakes.iter().cloned());
        may
    }
}

impl Permissions {
    fn ask(&mut self, question: &str) {
        self.publish.insert(format!("$JS.API.{question}"));
    }

    fn make(&mut self, stream: &str) {
        self.ask(&format!("STREAM.INFO.{stream}"));
        self.ask(&format!("STREAM.CREATE.{stream}"));
    }

    fn read(&mut self, consumer: &ConsumerSpec) {
        let ConsumerSpec { stream, durable, of_process, .. } = consumer;
        // A right names a whole token or none of it. Whose stream it is may read all of its consumers.
        let durable = if of_process.is_some() { "*" } else { durable };
        if of_process.is_some() {
            // Which processes there are, for those that are gone.
            self.ask(&format!("CONSUMER.LIST.{stream}"));
        }
        self.ask(&format!("STREAM.INFO.{stream}"));
        self.ask(&format!("CONSUMER.INFO.{stream}.{durable}"));
        // Of one subject it stands in the question; of several the server is told in what nobody checks.
        let of = consumer.only_subject().map(|subject| format!(".{subject}")).unwrap_or_default();
        self.ask(&format!("CONSUMER.CREATE.{stream}.{durable}{of}"));
        self.ask(&format!("CONSUMER.MSG.NEXT.{stream}.{durable}"));
        self.publish.insert(format!("$JS.ACK.{stream}.{durable}.>"));
    }
}

/// How a configuration of NATS names a user.
#[derive(Debug, Clone)]
pub enum UserKey {
    /// By the public half of the nkey.
    Public(String),
    /// By a variable of the server's environment that holds it: a text that can be kept, for it knows no keys.
    Variable(String),
}

/// A line of the server's `users`.
#[derive(Debug, Clone)]
pub struct User {
    /// Its name, for readers: the server knows the key.
    pub name: &'static str,
    /// Its key.
    pub key: UserKey,
    /// What it may do; none: everything.
    pub permissions: Option<Permissions>,
}

/// The block `authorization` of a NATS server's configuration.
pub fn authorization(users: &[User]) -> String {
    let mut text = "authorization {\n  users = [\n".to_owned();
    for User { name, key, permissions } in users {
        let key = match key {
            UserKey::Public(key) => key.clone(),
            UserKey::Variable(name) => format!("${name}"),
        };
        // Writing to a text does not fail.
        let _ = match permissions {
            None => writeln!(text, "    # {name}: everything\n    {{ nkey: {key} }}"),
            Some(Permissions { publish, subscribe }) => writeln!(
                text,
                "    # {name}\n    {{ nkey: {key}, permissions: {{\n      publish: {{ allow: [{}] }}\n      \
                 subscribe: {{ allow: [{}] }}\n    }} }}",
                listed(publish),
                listed(subscribe),
            ),
        };
    }
    text + "  ]\n}\n"
}

fn listed(subjects: &BTreeSet<String>) -> String {
    let lines = subjects.iter().map(|subject| format!("\n        {subject:?}"));
    lines.collect::<String>() + "\n      "
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    fn set(subjects: &[&str]) -> BTreeSet<String> {
        subjects.iter().map(|&subject| subject.to_owned()).collect()
    }

    /// What all may.
    const EVERYBODY: [&str; 5] = [
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.SESSIONS",
        "$JS.API.CONSUMER.CREATE.SESSIONS",
        "$JS.API.CONSUMER.INFO.SESSIONS.*",
        "$JS.API.CONSUMER.MSG.NEXT.SESSIONS.*",
    ];

    fn besides(work: &Work) -> BTreeSet<String> {
        let all = work.permissions().publish;
        assert!(set(&EVERYBODY).is_subset(&all), "{all:?}");
        &all - &set(&EVERYBODY)
    }

    #[test]
    fn who_does_nothing_hears_what_is_revoked_and_is_answered() {
        let work = Work::of("audit");
        assert!(besides(&work).is_empty());
        assert_eq!(work.permissions().subscribe, set(&["_INBOX_audit.>"]));
    }

    #[test]
    fn a_participant_reads_its_own_commands_answers_and_makes_no_stream() {
        let work = Work::of("billing").reads([Source::commands("billing")]).answers();
        let expected = [
            "$JS.API.STREAM.INFO.CMD_BILLING",
            "$JS.API.CONSUMER.INFO.CMD_BILLING.billing",
            "$JS.API.CONSUMER.CREATE.CMD_BILLING.billing",
            "$JS.API.CONSUMER.MSG.NEXT.CMD_BILLING.billing",
            "$JS.ACK.CMD_BILLING.billing.>",
            "cmd.billing.>",
            "reply.*.v1",
            "reply.*.v1.*",
        ];
        assert_eq!(besides(&work), set(&expected));
        assert_eq!(work.permissions().subscribe, set(&["_INBOX_billing.>"]));
    }

    #[test]
    fn a_process_reads_its_own_replies_and_what_is_left_of_others() {
        let expected = [
            "$JS.API.STREAM.INFO.REPLIES",
            "$JS.API.STREAM.CREATE.REPLIES",
            "$JS.API.CONSUMER.LIST.REPLIES",
            "$JS.API.CONSUMER.INFO.REPLIES.*",
            "$JS.API.CONSUMER.CREATE.REPLIES.*.reply.order.v1.*",
            "$JS.API.CONSUMER.MSG.NEXT.REPLIES.*",
            "$JS.ACK.REPLIES.*.>",
        ];
        let work = Work::of("orchestrator").reads([Source::replies_to("order", "*")]);
        assert_eq!(besides(&work), set(&expected));
    }

    #[test]
    fn a_listener_makes_no_stream_and_hears_what_it_has_named() {
        let one = Work::of("stock").reads([Source::events("stock", &["order.order_confirmed.v1"])]);
        let expected = [
            "$JS.API.STREAM.INFO.EVENTS",
            "$JS.API.CONSUMER.INFO.EVENTS.stock",
            "$JS.API.CONSUMER.CREATE.EVENTS.stock.order.order_confirmed.v1",
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS.stock",
            "$JS.ACK.EVENTS.stock.>",
            "order.order_confirmed.v1",
        ];
        assert_eq!(besides(&one), set(&expected));
        let two = Work::of("stock").reads([Source::events("stock", &["a.b.v1", "c.d.v1"])]);
        assert!(besides(&two).contains("$JS.API.CONSUMER.CREATE.EVENTS.stock"));
    }

    #[test]
    fn who_keeps_an_outbox_looks_whether_the_stream_has_it() {
        let work = Work::of("user").tells(&["user.user_registered.v1"]);
        let expected =
            ["$JS.API.STREAM.INFO.EVENTS", "$JS.API.STREAM.MSG.GET.EVENTS", "user.user_registered.v1"];
        assert_eq!(besides(&work), set(&expected));
    }

    #[test]
    fn who_asks_sends_commands_makes_their_stream_and_sees_how_far_behind_the_asked_is_but_reads_nothing_of_it()
     {
        let work = Work::of("orchestrator").asks(["stock"]).wakes(["order"]).makes(&topology::events());
        let expected = [
            "$JS.API.STREAM.INFO.CMD_STOCK",
            "$JS.API.STREAM.CREATE.CMD_STOCK",
            "$JS.API.CONSUMER.INFO.CMD_STOCK.stock",
            "$JS.API.STREAM.INFO.EVENTS",
            "$JS.API.STREAM.CREATE.EVENTS",
            "cmd.stock.>",
            "wake.order",
        ];
        assert_eq!(besides(&work), set(&expected));
        assert_eq!(work.permissions().subscribe, set(&["_INBOX_orchestrator.>", "wake.order"]));
    }

    #[test]
    fn nobody_may_delete_purge_or_change_a_stream() {
        let work = Work::of("orchestrator")
            .reads([Source::commands("orchestrator"), Source::replies("order")])
            .reads([Source::replies_to("order", "*")])
            .asks(["stock"])
            .answers()
            .tells(&["order.order_confirmed.v1"])
            .broadcasts(SESSIONS, &["auth.session_revoked.v1"])
            .makes(&topology::events())
            .wakes(["order"]);
        for subject in work.permissions().publish {
            let asks = subject.strip_prefix("$JS.API.").unwrap_or_default();
            if asks == "CONSUMER.LIST.REPLIES" {
                continue;
            }
            for forbidden in ["DELETE", "PURGE", "UPDATE", "RESTORE", "SNAPSHOT", "LIST", "NAMES", ">"] {
                assert!(!asks.split('.').any(|word| word == forbidden), "{subject}");
            }
        }
    }

    #[test]
    fn the_configuration_names_users_by_key_or_variable() {
        let permissions = Permissions { publish: set(&["a.>", "$JS.API.INFO"]), subscribe: set(&["b"]) };
        let users = [
            User { name: "a", key: UserKey::Public("UA".to_owned()), permissions: Some(permissions) },
            User { name: "operator", key: UserKey::Variable("NATS_USER".to_owned()), permissions: None },
        ];
        let expected = "authorization {\n  users = [\n    # a\n    { nkey: UA, permissions: {\n      \
                        publish: { allow: [\n        \"$JS.API.INFO\"\n        \"a.>\"\n      ] }\n      \
                        subscribe: { allow: [\n        \"b\"\n      ] }\n    } }\n    \
                        # operator: everything\n    { nkey: $NATS_USER }\n  ]\n}\n";
        assert_eq!(authorization(&users), expected);
    }
}
