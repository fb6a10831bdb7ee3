//! The user service with auth beside it, on real Postgres and NATS: registration that survives what
//! comes between, and profiles.

use std::net::SocketAddr;
use std::time::Duration;

use contracts::user::{ProfileChanged, UserRegistered};
use contracts::{Event, user::Locale};
use futures::future::join_all;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde_json::{Value, json};
use service::token::Role;
use testkit::{Answer, Process, TestBed, eventually};
use uuid::Uuid;

const REGISTER: &str = "/api/v1/register";
const PROFILE: &str = "/api/v1/user/profile";
const SOON: Duration = Duration::from_secs(10);

/// Two services of two processes, as in a cluster.
struct Beds {
    auth: TestBed,
    user: TestBed,
}

impl Beds {
    async fn start() -> Self {
        let mut auth = TestBed::start::<migrations::auth::Migrator>(&[auth::work()]).await;
        let mut user = TestBed::start::<migrations::user::Migrator>(&[user::work()]).await;
        auth.config.security.argon2_memory_kib = 64;
        auth.config.http.internal_addr = SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
        user.config.http.auth_internal_url = Some(format!("http://{}", auth.config.http.internal_addr));
        Self { auth, user }
    }

    async fn auth(&self) -> Process {
        self.auth.run(auth::start).await
    }

    async fn user(&self) -> Process {
        self.user.run(user::start).await
    }

    /// The payloads of the events of a type that are in the outbox.
    async fn told<E: Event>(&self) -> Vec<E> {
        let sql = "SELECT item -> 'data' AS data FROM outbox, json_array_elements(events::json) AS item \
            WHERE item ->> 'type' = $1 ORDER BY row_id";
        let statement =
            Statement::from_sql_and_values(sea_orm::DatabaseBackend::Postgres, sql, [E::TYPE.into()]);
        let rows = Value::find_by_statement(statement).all(&self.user.db).await.unwrap();
        rows.into_iter().map(|row| serde_json::from_value(row["data"].clone()).unwrap()).collect()
    }
}

fn ann(password: &str) -> Value {
    json!({ "email": " Ann@Example.com", "password": password, "name": "Анна" })
}

async fn register(user: &Process, body: &Value) -> Answer {
    user.anybody().post(REGISTER, body).await
}

async fn login(auth: &Process, password: &str) -> u16 {
    let body = json!({ "email": "ann@example.com", "password": password });
    auth.anybody().post("/api/v1/login", &body).await.status
}

#[tokio::test]
async fn who_registers_can_log_in_and_it_is_told_once() {
    let beds = Beds::start().await;
    let (auth, user) = (beds.auth().await, beds.user().await);
    let answer = register(&user, &ann("correct horse")).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    assert_eq!((&answer.body["email"], &answer.body["name"]), (&json!("ann@example.com"), &json!("Анна")));
    assert_eq!(login(&auth, "correct horse").await, 200);

    let user_id: Uuid = serde_json::from_value(answer.body["user_id"].clone()).unwrap();
    let (email, name) = ("ann@example.com".to_owned(), Some("Анна".to_owned()));
    assert_eq!(
        beds.told::<UserRegistered>().await,
        [UserRegistered { user_id, email, name, locale: Locale::Ru }]
    );
    let client = async_nats::connect(beds.user.nats.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("EVENTS").await.unwrap();
    let arrived = eventually(SOON, "the event on its stream", async || {
        stream.get_last_raw_message_by_subject(UserRegistered::TYPE).await.ok()
    });
    assert!(String::from_utf8_lossy(&arrived.await.payload).contains("ann@example.com"));
    user.stop().await;
    auth.stop().await;
}

#[tokio::test]
async fn an_email_registers_once() {
    let beds = Beds::start().await;
    let (auth, user) = (beds.auth().await, beds.user().await);
    assert_eq!(register(&user, &ann("correct horse")).await.status, 201);
    assert_eq!(register(&user, &ann("battery staple")).await.problem(), (409, "email_taken"));
    assert_eq!(login(&auth, "correct horse").await, 200);
    assert_eq!(login(&auth, "battery staple").await, 401);
    assert_eq!(beds.told::<UserRegistered>().await.len(), 1);
}

#[tokio::test]
async fn while_auth_is_away_it_is_503_and_a_repeat_goes_on() {
    let beds = Beds::start().await;
    let user = beds.user().await;
    let refused = register(&user, &ann("correct horse")).await;
    assert_eq!(refused.problem(), (503, "registration_unavailable"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(beds.told::<UserRegistered>().await.len(), 0);

    let auth = beds.auth().await;
    assert_eq!(register(&user, &ann("another password")).await.status, 201);
    assert_eq!(login(&auth, "another password").await, 200);
}

#[tokio::test]
async fn a_crash_after_auth_stored_the_password_locks_nobody_out() {
    let beds = Beds::start().await;
    let (auth, user) = (beds.auth().await, beds.user().await);
    assert_eq!(register(&user, &ann("first password")).await.status, 201);
    // What a crash before the last transaction leaves: credentials at auth, a pending row, no event.
    beds.user.db.execute_unprepared("UPDATE users SET status = 'pending'").await.unwrap();
    beds.user.db.execute_unprepared("DELETE FROM outbox").await.unwrap();

    let again = register(&user, &ann("second password")).await;
    assert_eq!(again.status, 201);
    assert_eq!(login(&auth, "second password").await, 200);
    assert_eq!(login(&auth, "first password").await, 401);
    assert_eq!(beds.told::<UserRegistered>().await.len(), 1);
}

#[tokio::test]
async fn a_crash_before_auth_was_asked_locks_nobody_out() {
    let beds = Beds::start().await;
    let (auth, user) = (beds.auth().await, beds.user().await);
    let user_id = Uuid::now_v7();
    let pending = format!(
        "INSERT INTO users (user_id, email, status, attempt, name, locale, created_at, updated_at) \
         VALUES ('{user_id}', 'ann@example.com', 'pending', 1, 'Before', 'ru', now(), now())"
    );
    beds.user.db.execute_unprepared(&pending).await.unwrap();
    let answer = register(&user, &ann("correct horse")).await;
    assert_eq!((answer.status, &answer.body["user_id"]), (201, &json!(user_id)), "the same user goes on");
    assert_eq!(answer.body["name"], "Анна", "what was said last counts");
    assert_eq!(login(&auth, "correct horse").await, 200);
    assert_eq!(beds.told::<UserRegistered>().await.len(), 1);
}

#[tokio::test]
async fn a_crash_before_the_event_is_told_loses_it_not() {
    let mut beds = Beds::start().await;
    let (auth, user) = (beds.auth().await, beds.user().await);
    beds.user.nats.kill().await.unwrap();
    assert_eq!(register(&user, &ann("correct horse")).await.status, 201);
    user.stop().await;
    // Told by nobody; older than what may still be on its way.
    let old = "UPDATE outbox SET row_id = '01900000-0000-7000-8000-000000000001' WHERE sequence IS NULL";
    assert_eq!(beds.user.db.execute_unprepared(old).await.unwrap().rows_affected(), 1);

    beds.user.nats.restart().await.unwrap();
    let user = beds.user().await;
    let client = async_nats::connect(beds.user.nats.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream("EVENTS").await.unwrap();
    let arrived = async || stream.get_last_raw_message_by_subject(UserRegistered::TYPE).await.ok();
    let arrived = eventually(SOON, "the event on its stream", arrived).await;
    assert!(String::from_utf8_lossy(&arrived.payload).contains("ann@example.com"));
    assert_eq!(register(&user, &ann("battery staple")).await.problem(), (409, "email_taken"));
    assert_eq!(login(&auth, "correct horse").await, 200);
}

#[tokio::test]
async fn of_registrations_at_once_one_wins_and_it_is_its_password_that_counts() {
    let beds = Beds::start().await;
    let (auth, user) = (beds.auth().await, beds.user().await);
    let passwords: Vec<String> = (0..8).map(|number| format!("password {number}")).collect();
    let bodies: Vec<Value> = passwords.iter().map(|password| ann(password)).collect();
    let answers = join_all(bodies.iter().map(|body| register(&user, body))).await;
    let won: Vec<usize> = (0..8).filter(|&number| answers[number].status == 201).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for (number, password) in passwords.iter().enumerate() {
        if number == won[0] {
            assert_eq!(login(&auth, password).await, 200);
        } else {
            assert_eq!(answers[number].problem(), (409, "email_taken"));
            assert_eq!(login(&auth, password).await, 401);
        }
    }
    assert_eq!(beds.told::<UserRegistered>().await.len(), 1);
}

#[tokio::test]
async fn what_breaks_the_rules_is_refused_and_changes_nothing() {
    let beds = Beds::start().await;
    let (_auth, user) = (beds.auth().await, beds.user().await);
    for (field, bad) in [
        ("email", json!({ "email": "ann", "password": "correct horse" })),
        ("email", json!({ "password": "correct horse" })),
        ("password", json!({ "email": "ann@example.com", "password": "1234567" })),
        ("password", json!({ "email": "ann@example.com", "password": "p".repeat(129) })),
        ("name", json!({ "email": "ann@example.com", "password": "correct horse", "name": "" })),
        ("role", json!({ "email": "ann@example.com", "password": "correct horse", "role": "operator" })),
    ] {
        let answer = register(&user, &bad).await;
        assert_eq!(answer.problem(), (422, "validation_failed"), "{bad}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{bad}");
    }
    let statement = Statement::from_string(sea_orm::DatabaseBackend::Postgres, "SELECT 1 AS one FROM users");
    assert_eq!(Value::find_by_statement(statement).all(&beds.user.db).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_profile_is_read_and_changed_by_its_owner() {
    let beds = Beds::start().await;
    let (_auth, user) = (beds.auth().await, beds.user().await);
    let registered = register(&user, &ann("correct horse")).await;
    let user_id: Uuid = serde_json::from_value(registered.body["user_id"].clone()).unwrap();
    let owner = user.user(user_id, &[Role::User]);
    let fresh = json!({ "user_id": user_id, "email": "ann@example.com", "name": "Анна",
        "phone": null, "address": null, "locale": "ru" });
    assert_eq!(owner.get(PROFILE).await.body, fresh);

    let changes = json!({ "phone": "+7 (900) 000-00-00", "address": "Rue 1", "locale": "en" });
    let changed = owner.post(PROFILE, &changes).await;
    assert_eq!(changed.status, 200);
    assert_eq!((&changed.body["address"], &changed.body["name"]), (&json!("Rue 1"), &json!("Анна")));
    let cleared = owner.post(PROFILE, &json!({ "phone": "", "name": "Ann" })).await;
    assert_eq!((&cleared.body["phone"], &cleared.body["name"]), (&Value::Null, &json!("Ann")));
    assert_eq!(owner.get(PROFILE).await.body, cleared.body);

    // A name and a phone number concern nobody else.
    let told = ProfileChanged { user_id, locale: Locale::En, address: Some("Rue 1".to_owned()) };
    assert_eq!(beds.told::<ProfileChanged>().await, [told]);
}

#[tokio::test]
async fn a_bad_profile_is_refused_and_changes_nothing() {
    let beds = Beds::start().await;
    let (_auth, user) = (beds.auth().await, beds.user().await);
    let registered = register(&user, &ann("correct horse")).await;
    let user_id: Uuid = serde_json::from_value(registered.body["user_id"].clone()).unwrap();
    let owner = user.user(user_id, &[Role::User]);
    let before = owner.get(PROFILE).await.body;
    for bad in [
        json!({ "phone": "call me" }),
        json!({ "address": "x".repeat(501) }),
        json!({ "address": " \n " }),
        json!({ "locale": "fr" }),
        json!({ "email": "other@example.com" }),
        json!({ "name": "a\u{0}b", "address": "Rue 2" }),
    ] {
        assert_eq!(owner.post(PROFILE, &bad).await.problem(), (422, "validation_failed"), "{bad}");
    }
    assert_eq!(owner.get(PROFILE).await.body, before);
}

#[tokio::test]
async fn a_profile_is_nobody_elses_but_operators_may_read_it() {
    let beds = Beds::start().await;
    let (_auth, user) = (beds.auth().await, beds.user().await);
    let registered = register(&user, &ann("correct horse")).await;
    let user_id = registered.body["user_id"].as_str().unwrap();
    let path = format!("/internal/api/v1/user/{user_id}/profile");
    assert_eq!(user.anybody().get(PROFILE).await.problem(), (401, "unauthenticated"));
    assert_eq!(user.user(Uuid::now_v7(), &[Role::User]).get(PROFILE).await.problem(), (404, "not_found"));
    assert_eq!(user.operator().get(&path).await.body["email"], "ann@example.com");
    let unknown = format!("/internal/api/v1/user/{}/profile", Uuid::now_v7());
    assert_eq!(user.operator().get(&unknown).await.problem(), (404, "not_found"));
    assert_eq!(user.operator().get("/internal/api/v1/user/x/profile").await.problem(), (404, "not_found"));
    assert_eq!(user.user(Uuid::now_v7(), &[Role::Operator]).get(&path).await.problem(), (404, "not_found"));
}
