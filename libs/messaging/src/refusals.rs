//! What the server does not let a user do: said once, in words that lead to the cause, and never with a secret. That the
//! user is not let in at all is said again now and then, while it lasts.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_nats::{ClientError, Event, ServerError};
use trace::seldom::Seldom;

use crate::rights::inbox_prefix;

/// Different refusals of one connection that are said; a user without rights has no more to tell.
const SAID_MAX: usize = 100;

/// What the server has refused a user so far.
#[derive(Debug)]
pub(crate) struct Refusals {
    user: String,
    /// Without credentials.
    server: String,
    /// Its public half.
    nkey: Option<String>,
    by_tls: bool,
    known: Mutex<Known>,
    kept_out: Seldom,
}

#[derive(Debug, Default)]
struct Known {
    /// Why the user is not let in.
    outside: Option<String>,
    said: BTreeSet<String>,
}

impl Refusals {
    pub(crate) fn new(user: &str, server: &str, nkey: Option<String>, by_tls: bool) -> Self {
        let (user, server) = (user.to_owned(), server.to_owned());
        Self { user, server, nkey, by_tls, known: Mutex::default(), kept_out: Seldom::default() }
    }

    /// Why the user is not let in, as the server last said.
    pub(crate) fn now(&self) -> Option<String> {
        self.known().outside.clone()
    }

    /// What the client tells of its connection.
    pub(crate) fn hear(&self, event: &Event) {
        match event {
            Event::Connected => *self.known() = Known::default(),
            Event::ServerError(ServerError::AuthorizationViolation) => self.keep_out(self.unknown()),
            // The client tells of a failed try by a word alone.
            Event::ClientError(ClientError::Other(word)) => match word.as_str() {
                "authorization violation" => self.keep_out(self.unknown()),
                // A handshake that fails is not told from a server that is away.
                "TLS error" | "IO error" if self.by_tls => self.suspect(),
                _ => {}
            },
            Event::ServerError(ServerError::Other(words)) => self.forbid(words),
            _ => {}
        }
    }

    fn unknown(&self) -> String {
        let Self { user, server, .. } = self;
        match &self.nkey {
            Some(key) => format!(
                "NATS at {server} refuses {user}: it does not know the nkey {key}. Is the seed that of {user}, and \
                 is that key among the server's users?"
            ),
            None => format!(
                "NATS at {server} refuses {user}: it wants to know who connects, and {user} has no nkey; give its \
                 seed as {}_NATS_NKEY_SEED",
                user.to_uppercase()
            ),
        }
    }

    fn somebody_else(&self) -> String {
        let Self { user, server, .. } = self;
        let key = self.nkey.as_deref().unwrap_or("that it was given");
        format!(
            "NATS at {server} takes {user} for somebody else: the nkey {key} is another user's, or lacks the rights of \
             {user}. Is the seed that of {user}?"
        )
    }

    fn suspect(&self) {
        let Self { user, server, .. } = self;
        if self.known().said.insert(String::new()) {
            tracing::warn!(
                user,
                "no TLS connection to NATS at {server} yet: if it is not away, is its certificate made out for that \
                 host and by whom NATS_CA_FILE names, and does it want to see a certificate of ours?"
            );
        }
    }

    fn keep_out(&self, why: String) {
        // The client tries every second.
        let unsaid = self.kept_out.again(Instant::now());
        let mut known = self.known();
        if unsaid.is_some() || known.outside.as_ref() != Some(&why) {
            tracing::error!(user = self.user, unsaid = unsaid.unwrap_or(0), "{why}");
            known.outside = Some(why);
        }
    }

    fn forbid(&self, words: &str) {
        // Nobody but the user itself may hear its inbox, and without that it hears no answer.
        if words.contains("Subscription") && words.contains(&inbox_prefix(&self.user)) {
            return self.keep_out(self.somebody_else());
        }
        let mut known = self.known();
        if known.said.len() < SAID_MAX && known.said.insert(words.to_owned()) {
            tracing::error!(user = self.user, words, "NATS does not let it do that");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation() -> Event {
        Event::ServerError(ServerError::AuthorizationViolation)
    }

    #[test]
    fn who_is_not_known_is_named_with_the_key_until_it_is_let_in() {
        let refusals = Refusals::new("billing", "nats://here", Some("UKEY".to_owned()), false);
        assert_eq!(refusals.now(), None);
        refusals.hear(&violation());
        let why = refusals.now().unwrap();
        assert!(why.contains("refuses billing") && why.contains("the nkey UKEY"), "{why}");
        refusals.hear(&Event::Connected);
        assert_eq!(refusals.now(), None);
    }

    #[test]
    fn who_has_no_key_is_told_where_to_give_it() {
        let refusals = Refusals::new("billing", "nats://here", None, false);
        refusals.hear(&Event::ClientError(ClientError::Other("authorization violation".to_owned())));
        assert!(refusals.now().unwrap().contains("BILLING_NATS_NKEY_SEED"));
    }

    #[test]
    fn who_comes_with_anothers_key_is_told_so() {
        let refusals = Refusals::new("billing", "nats://here", Some("UKEY".to_owned()), false);
        let words = "Permissions Violation for Subscription to \"_INBOX_billing.X.*\"";
        refusals.hear(&Event::ServerError(ServerError::Other(words.to_owned())));
        let why = refusals.now().unwrap();
        assert!(why.contains("takes billing for somebody else: the nkey UKEY"), "{why}");
    }

    #[test]
    fn what_it_may_not_do_does_not_keep_it_out() {
        let refusals = Refusals::new("billing", "nats://here", None, false);
        refusals.hear(&Event::ServerError(ServerError::Other("Permissions Violation".to_owned())));
        assert_eq!(refusals.now(), None);
    }
}
