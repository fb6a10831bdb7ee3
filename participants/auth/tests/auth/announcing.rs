//! Every process is told what was revoked, also when NATS or the stream was away, and when whoever
//! revoked it could not tell.

use sea_orm::ConnectionTrait;
use service::House;
use testkit::{delete_stream, eventually};
use uuid::Uuid;

use crate::desk::{Ann, SOON, cheap_bed, is_ready, number, other_house};

const TOLD: &str = "SELECT count(*) FROM revocations WHERE sequence IS NOT NULL";

#[tokio::test]
async fn what_is_revoked_while_nats_is_away_is_told_when_it_is_back() {
    let mut bed = cheap_bed().await;
    let (auth, other) = (bed.run(auth::start).await, other_house(&bed).await);
    let ann = Ann::registers(&auth).await;
    let tokens = ann.logs_in(&auth).await;
    bed.nats.kill().await.unwrap();
    tokens.log_out(&auth).await;
    assert!(auth.house.tokens.verify(&tokens.access).await.is_err(), "known here without NATS");
    tokens.are_taken_by(&other).await;
    assert_eq!(number(&bed, TOLD).await, 0);
    bed.nats.restart().await.unwrap();
    tokens.are_refused_by(&other).await;
    let noted = async || (number(&bed, TOLD).await == 1).then_some(());
    eventually(SOON, "the revocation to be noted as told", noted).await;
}

#[tokio::test]
async fn a_stream_that_is_deleted_is_filled_again_before_a_new_process_is_ready() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    is_ready(&auth.house).await;
    let ann = Ann::registers(&auth).await;
    let (before, after) = (ann.logs_in(&auth).await, ann.logs_in(&auth).await);
    before.log_out(&auth).await;
    delete_stream(&bed.nats.url(), "SESSIONS").await;
    // It was there before; it may have looked at any moment of the filling.
    let new = other_house(&bed).await;
    assert!(new.tokens.verify(&before.access).await.is_err());
    after.are_taken_by(&new).await;
    after.log_out(&auth).await;
    after.are_refused_by(&new).await;
}

#[tokio::test]
async fn more_than_one_message_holds_is_told_before_a_new_process_is_ready() {
    let bed = cheap_bed().await;
    let session_ids: Vec<Uuid> = (0..200).map(|_| Uuid::now_v7()).collect();
    // A process that committed, and died before it could tell.
    let rows = session_ids.iter().map(|id| format!("('{id}', now(), now() + interval '5 min')"));
    let rows = rows.collect::<Vec<_>>().join(", ");
    let insert = format!("INSERT INTO revocations (about, revoked_at, until) VALUES {rows}");
    bed.db.execute_unprepared(&insert).await.unwrap();
    let over = "INSERT INTO revocations (about, revoked_at, until) \
        VALUES (gen_random_uuid(), now() - interval '1 hour', now() - interval '1 s')";
    bed.db.execute_unprepared(over).await.unwrap();

    let _auth = bed.run(auth::start).await;
    let new = other_house(&bed).await;
    for session_id in &session_ids {
        assert!(is_refused(&new, *session_id).await, "{session_id}");
    }
    let kept = async || (number(&bed, "SELECT count(*) FROM revocations").await == 200).then_some(());
    eventually(SOON, "what is over to leave", kept).await;
    assert_eq!(number(&bed, TOLD).await, 200);
}

async fn is_refused(house: &House, session_id: Uuid) -> bool {
    house.tokens.verify(&testkit::token_in(session_id)).await.is_err()
}

#[tokio::test]
async fn what_one_replica_could_not_tell_another_tells() {
    let bed = cheap_bed().await;
    let (_auth, other) = (bed.run(auth::start).await, other_house(&bed).await);
    let session_id = Uuid::now_v7();
    let insert = format!(
        "INSERT INTO revocations (about, revoked_at, until) \
         VALUES ('{session_id}', now(), now() + interval '5 min')"
    );
    bed.db.execute_unprepared(&insert).await.unwrap();
    let refused = async || is_refused(&other, session_id).await.then_some(());
    eventually(SOON, "the session to be refused", refused).await;
}
