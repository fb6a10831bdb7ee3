//! What auth revoked is refused by a process that heard it, also one that had the token in its cache; and
//! a process is ready only when it has heard all.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use contracts::auth::{RevocationsComplete, Revoked, SessionRevoked};
use messaging::broadcast::Broadcast;
use service::token::{Claims, Role, Roles};
use testkit::eventually;
use uuid::Uuid;

use crate::running::{Running, SIGNING_KEY, SOON, broadcast, code, config, signed};

const THING: &str = "/api/v1/thing/01930000-0000-7000-8000-000000000000";

/// A user with a token, and what may be done with it.
struct Visitor {
    user_id: Uuid,
    session_id: Uuid,
    token: String,
}

impl Visitor {
    fn new(user_id: Uuid, roles: Roles) -> Self {
        let session_id = Uuid::now_v7();
        let claims = Claims::of_user(user_id, session_id, roles, Utc::now().timestamp(), 300);
        Self { user_id, session_id, token: signed(SIGNING_KEY, &claims) }
    }

    fn operator() -> Self {
        Self::new(Uuid::now_v7(), Roles::default().with(Role::User).with(Role::Operator))
    }

    async fn status(&self, house: &Running) -> u16 {
        house.get(THING).bearer_auth(&self.token).send().await.unwrap().status().as_u16()
    }

    async fn is_refused(&self, house: &Running) {
        let refused = async || (self.status(house).await == 401).then_some(());
        eventually(SOON, "the token to be refused", refused).await;
        let response = house.get(THING).bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
        assert_eq!(code(response).await, (401, "unauthenticated".into()));
        // An operator no more, on the other listener too.
        let inside = house.internal("/internal/api/v1/thing").bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(inside.status(), 401);
    }

    fn session(&self) -> Revoked {
        Revoked::Session { session_id: self.session_id }
    }
}

async fn tell(broadcast: &Broadcast, revoked: Revoked) {
    let (revoked_at, until) = (Utc::now(), Utc::now() + TimeDelta::seconds(360));
    let event = SessionRevoked { revoked, revoked_at, until };
    let told = async || {
        broadcast.state().await.ok()?;
        broadcast.tell(std::slice::from_ref(&event)).await.ok()
    };
    eventually(SOON, "the stream to take it", told).await;
}

async fn complete(broadcast: &Broadcast) {
    broadcast.tell(&[RevocationsComplete { at: Utc::now() }]).await.unwrap();
}

async fn house(nats_url: &str) -> Running {
    let mut config = config();
    config.nats.url = nats_url.into();
    Running::start_with(config).await
}

#[tokio::test]
async fn a_revoked_session_is_refused_within_a_second_by_processes_that_knew_its_token() {
    let nats = testkit::nats().await;
    let broadcast = broadcast(&nats.url()).await;
    complete(&broadcast).await;
    let houses = [house(&nats.url()).await, house(&nats.url()).await];
    let (visitor, other) = (Visitor::operator(), Visitor::operator());
    for house in &houses {
        house.is_ready().await;
        assert_eq!((visitor.status(house).await, other.status(house).await), (200, 200));
    }
    let told = Instant::now();
    tell(&broadcast, visitor.session()).await;
    for house in &houses {
        visitor.is_refused(house).await;
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
        assert_eq!(other.status(house).await, 200);
    }
}

#[tokio::test]
async fn tokens_with_roles_of_before_are_refused_and_those_with_roles_of_now_are_not() {
    let nats = testkit::nats().await;
    let broadcast = broadcast(&nats.url()).await;
    let house = house(&nats.url()).await;
    let (visitor, user) = (Visitor::operator(), Roles::default().with(Role::User));
    assert_eq!(visitor.status(&house).await, 200);
    tell(&broadcast, Revoked::Roles { user_id: visitor.user_id, roles: user.names() }).await;
    visitor.is_refused(&house).await;
    // Let in, and told that this needs an operator.
    assert_eq!(Visitor::new(visitor.user_id, user).status(&house).await, 403);
}

#[tokio::test]
async fn a_process_is_ready_when_it_knows_every_revocation_and_not_before() {
    let nats = testkit::nats().await;
    let house = house(&nats.url()).await;
    let waits = async || {
        let (status, body) = house.readiness().await;
        assert_eq!((status, &body["status"]), (503, &"not ready".into()));
        assert_eq!(body["checks"]["revocations"], "revoked sessions were not read yet");
        (body["checks"]["nats"] == "ok").then_some(())
    };
    eventually(SOON, "NATS to be there", waits).await;
    let broadcast = broadcast(&nats.url()).await;
    let visitor = Visitor::operator();
    tell(&broadcast, visitor.session()).await;
    // Heard, but auth may have more to tell.
    visitor.is_refused(&house).await;
    waits().await;
    complete(&broadcast).await;
    house.is_ready().await;
    // One that comes later reads it all before it is ready.
    let later = self::house(&nats.url()).await;
    later.is_ready().await;
    assert_eq!(visitor.status(&later).await, 401);
}

#[tokio::test]
async fn while_nats_is_away_what_is_known_is_kept_and_afterwards_what_is_new_is_heard() {
    let mut nats = testkit::nats().await;
    let broadcast = broadcast(&nats.url()).await;
    complete(&broadcast).await;
    let house = house(&nats.url()).await;
    let (before, after) = (Visitor::operator(), Visitor::operator());
    house.is_ready().await;
    tell(&broadcast, before.session()).await;
    before.is_refused(&house).await;
    nats.kill().await.unwrap();
    assert_eq!((before.status(&house).await, after.status(&house).await), (401, 200));
    house.is_ready().await;
    nats.restart().await.unwrap();
    tell(&broadcast, after.session()).await;
    after.is_refused(&house).await;
    before.is_refused(&house).await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_takes_no_revocation_back_and_its_successor_is_heard() {
    let nats = testkit::nats().await;
    let broadcast = broadcast(&nats.url()).await;
    let house = house(&nats.url()).await;
    let (before, after) = (Visitor::operator(), Visitor::operator());
    tell(&broadcast, before.session()).await;
    before.is_refused(&house).await;
    testkit::delete_stream(&nats.url(), "SESSIONS").await;
    assert_eq!((before.status(&house).await, after.status(&house).await), (401, 200));
    tell(&broadcast, after.session()).await;
    after.is_refused(&house).await;
    before.is_refused(&house).await;
}
