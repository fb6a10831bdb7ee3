//! What is known of revoked tokens: sessions that are over and users whose roles changed, each for as
//! long as a token of theirs may live. Empty most of the time, and then it costs a request one load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use contracts::auth::{RevocationsComplete, Revoked, SessionRevoked};
use contracts::{Event, Timestamp};
use messaging::Item;
use messaging::broadcast::Heard;
use messaging::topology::SESSIONS;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Identity, Roles};
use crate::ReadyCheck;
use crate::metric_names::REVOCATIONS_KNOWN;

/// How often what no longer matters is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// The revocations that this process knows. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: RwLock<Known>,
    /// How many are known: looked at before the lock is.
    count: AtomicUsize,
    /// Auth has said that all of them are on the stream.
    complete: AtomicBool,
    /// The stream was read to its end once.
    read: AtomicBool,
    /// Why the stream cannot be read, until it is.
    unreadable: Mutex<Option<String>>,
}

#[derive(Debug, Default)]
struct Known {
    /// Until when, by session.
    sessions: HashMap<Uuid, Timestamp>,
    users: HashMap<Uuid, RolesNow>,
}

#[derive(Debug)]
struct RolesNow {
    roles: Roles,
    since: Timestamp,
    until: Timestamp,
}

impl Revocations {
    /// Refuses these tokens from now on. Learned again, or out of order, it changes nothing.
    pub fn learn(&self, event: &SessionRevoked) {
        if event.until <= chrono::Utc::now() {
            return;
        }
        let mut known = self.write();
        match &event.revoked {
            Revoked::Session { session_id } => {
                known.sessions.insert(*session_id, event.until);
            }
            Revoked::Roles { user_id, roles } => known.learn_roles(*user_id, roles, event),
        }
        self.count(&known);
    }

    /// Whether such a token is refused at `now`.
    pub(super) fn cover(&self, identity: &Identity, now: Timestamp) -> bool {
        let Identity::User { user_id, session_id, roles } = identity else { return false };
        if self.0.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let known = self.read();
        known.sessions.get(session_id).is_some_and(|until| *until > now)
            || known.users.get(user_id).is_some_and(|user| user.until > now && user.roles != *roles)
    }

    /// Takes what comes from the stream.
    pub(crate) fn hear(&self, heard: &Heard<'_>) {
        match heard {
            Heard::Item(item) => self.hear_item(item),
            Heard::Everything => {
                self.0.read.store(true, Ordering::Release);
                self.set_unreadable(None);
            }
            Heard::Unreadable(why) => self.set_unreadable(Some((*why).to_owned())),
        }
    }

    fn set_unreadable(&self, why: Option<String>) {
        *self.0.unreadable.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn hear_item(&self, item: &Item<'_>) {
        match &*item.item_type {
            SessionRevoked::TYPE => match serde_json::from_str(item.data.get()) {
                Ok(event) => self.learn(&event),
                Err(error) => tracing::warn!(%error, "a revocation cannot be read"),
            },
            RevocationsComplete::TYPE => self.0.complete.store(true, Ordering::Release),
            // A newer release may tell more.
            other => tracing::debug!(item_type = other, "not understood, and passed over"),
        }
    }

    /// Ready when every revocation was read once. Later, while NATS is away, what is known is kept, and
    /// what is revoked meanwhile ends with its token.
    pub fn ready(&self) -> ReadyCheck {
        let revocations = self.clone();
        ReadyCheck::new("revocations", move || {
            let result = if revocations.are_read() { Ok(()) } else { Err(revocations.why_not()) };
            async move { result }
        })
    }

    fn why_not(&self) -> String {
        let unreadable = self.0.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        match &*unreadable {
            Some(why) => {
                format!("revoked sessions were not read yet: the stream {SESSIONS} cannot be read: {why}")
            }
            None => "revoked sessions were not read yet".to_owned(),
        }
    }

    /// Whether every revocation was read once.
    pub fn are_read(&self) -> bool {
        self.0.complete.load(Ordering::Acquire) && self.0.read.load(Ordering::Acquire)
    }

    /// Forgets what no longer matters, until `shutdown`.
    pub(crate) async fn keep_small(self, shutdown: CancellationToken) {
        self.count(&self.read());
        while tokio::time::timeout(FORGET_EVERY, shutdown.cancelled()).await.is_err() {
            self.forget(chrono::Utc::now());
        }
    }

    fn forget(&self, now: Timestamp) {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut known = self.write();
        known.sessions.retain(|_, until| *until > now);
        known.users.retain(|_, user| user.until > now);
        self.count(&known);
    }

    fn count(&self, known: &Known) {
        let count = known.sessions.len() + known.users.len();
        self.0.count.store(count, Ordering::Release);
        metrics::gauge!(REVOCATIONS_KNOWN).set(count as f64);
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn learn_roles(&mut self, user_id: Uuid, roles: &[String], event: &SessionRevoked) {
        let later = self.users.get(&user_id).is_none_or(|user| user.since < event.revoked_at);
        if later {
            let roles = roles.iter().collect();
            self.users.insert(user_id, RolesNow { roles, since: event.revoked_at, until: event.until });
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};

    use super::*;
    use crate::token::Role;

    fn revoked(revoked: Revoked, since: Timestamp, seconds: i64) -> SessionRevoked {
        SessionRevoked { revoked, revoked_at: since, until: since + TimeDelta::seconds(seconds) }
    }

    fn somebody(roles: Roles) -> (Uuid, Uuid, Identity) {
        let (user_id, session_id) = (Uuid::now_v7(), Uuid::now_v7());
        (user_id, session_id, Identity::User { user_id, session_id, roles })
    }

    fn user() -> Roles {
        Roles::default().with(Role::User)
    }

    #[test]
    fn a_session_is_refused_until_its_tokens_are_over_and_others_are_not() {
        let (revocations, now) = (Revocations::default(), Utc::now());
        let (_, session_id, identity) = somebody(user());
        let (.., other) = somebody(user());
        assert!(!revocations.cover(&identity, now));
        revocations.learn(&revoked(Revoked::Session { session_id }, now, 60));
        assert!(revocations.cover(&identity, now));
        assert!(!revocations.cover(&identity, now + TimeDelta::seconds(60)));
        assert!(!revocations.cover(&other, now));
        assert!(!revocations.cover(&Identity::Service("auth".to_owned()), now));
    }

    #[test]
    fn tokens_with_other_roles_are_refused_and_those_with_the_new_ones_are_not() {
        let (revocations, now) = (Revocations::default(), Utc::now());
        let (user_id, session_id, identity) = somebody(user().with(Role::Operator));
        let roles = |names: &[&str]| Revoked::Roles {
            user_id,
            roles: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        revocations.learn(&revoked(roles(&["user"]), now, 60));
        assert!(revocations.cover(&identity, now));
        assert!(!revocations.cover(&Identity::User { user_id, session_id, roles: user() }, now));
        // What was decided before comes late.
        revocations.learn(&revoked(roles(&["user", "operator"]), now - TimeDelta::seconds(1), 60));
        assert!(revocations.cover(&identity, now));
        // Given back.
        revocations.learn(&revoked(roles(&["operator", "user"]), now + TimeDelta::seconds(1), 60));
        assert!(!revocations.cover(&identity, now));
    }

    #[test]
    fn what_is_over_is_neither_learned_nor_kept() {
        let (revocations, now) = (Revocations::default(), Utc::now());
        let session_id = Uuid::now_v7();
        revocations.learn(&revoked(Revoked::Session { session_id }, now - TimeDelta::seconds(61), 60));
        assert_eq!(revocations.0.count.load(Ordering::Relaxed), 0);
        revocations.learn(&revoked(Revoked::Session { session_id }, now, 60));
        revocations.learn(&revoked(Revoked::Session { session_id }, now, 60));
        assert_eq!(revocations.0.count.load(Ordering::Relaxed), 1);
        revocations.forget(now + TimeDelta::seconds(59));
        assert_eq!(revocations.0.count.load(Ordering::Relaxed), 1);
        revocations.forget(now + TimeDelta::seconds(60));
        assert_eq!(revocations.0.count.load(Ordering::Relaxed), 0);
        assert!(revocations.read().sessions.is_empty());
    }

    #[tokio::test]
    async fn it_is_ready_when_all_was_read_and_auth_has_said_that_this_is_all() {
        let revocations = Revocations::default();
        let ready = revocations.ready();
        assert!(ready.ask().await.is_err());
        // An empty stream may be one that was made a moment ago.
        revocations.hear(&Heard::Everything);
        assert!(ready.ask().await.is_err());
        let item = format!(
            r#"{{"specversion":"1.0","id":"{0}","type":"{1}","source":"auth","subject":"{0}",
            "time":"2026-01-01T00:00:00Z","data":{{"at":"2026-01-01T00:00:00Z"}}}}"#,
            Uuid::nil(),
            RevocationsComplete::TYPE
        );
        revocations.hear(&Heard::Item(&serde_json::from_str(&item).unwrap()));
        assert!(ready.ask().await.is_ok());
        // What was read once is kept.
        revocations.hear(&Heard::Unreadable("no more consumers"));
        assert!(ready.ask().await.is_ok());
    }

    #[tokio::test]
    async fn a_stream_that_cannot_be_read_is_named_with_the_reason_until_it_is_read() {
        let revocations = Revocations::default();
        let ready = revocations.ready();
        revocations.hear(&Heard::Unreadable("no more consumers"));
        let why = ready.ask().await.unwrap_err();
        assert!(why.contains("SESSIONS cannot be read: no more consumers"), "{why}");
        revocations.hear(&Heard::Everything);
        assert_eq!(ready.ask().await.unwrap_err(), "revoked sessions were not read yet");
    }
}
