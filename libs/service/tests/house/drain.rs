//! How a process ends.

use std::time::Duration;

use service::{Listeners, StartError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::running::{Running, config};

const ASKS: &[u8] = b"GET /api/v1/nothing HTTP/1.1\r\nhost: rondo\r\n\r\n";

#[tokio::test]
async fn a_request_in_flight_is_finished_and_then_loops_end() {
    let house = Running::start().await;
    let shutdown = house.house.shutdown.clone();
    let loop_ended = house.house.tasks.spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.cancelled().await }
    });
    let request = tokio::spawn(house.get("/api/v1/slow").send());
    house.things.entered.notified().await;
    house.house.draining.cancel();

    // No new connection is accepted once the listener is gone.
    let address = house.public;
    let refused = async { while tokio::net::TcpStream::connect(address).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(5), refused).await.expect("it still accepts connections");
    assert!(!shutdown.is_cancelled(), "loops serve requests that are in flight");

    house.things.go_on.notify_one();
    let response = request.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["connection"], "close");
    house.ended().await;
    loop_ended.await.unwrap();
}

/// Between an answer and the next request a kept connection is idle, and its client may be about to use it.
#[tokio::test]
async fn a_kept_connection_serves_once_more_after_the_signal_and_its_client_is_told_to_leave_it() {
    let house = Running::start().await;
    let mut kept = tokio::net::TcpStream::connect(house.public).await.unwrap();
    let mut answer = vec![0; 16 * 1024];
    kept.write_all(ASKS).await.unwrap();
    let length = kept.read(&mut answer).await.unwrap();
    let answered = String::from_utf8_lossy(&answer[..length]);
    assert!(answered.starts_with("HTTP/1.1 404") && !answered.contains("connection: close"), "{answered}");

    house.house.leaving.cancel();
    let (status, said) = house.readiness().await;
    assert_eq!((status, &said["status"]), (503, &"draining".into()));

    kept.write_all(ASKS).await.unwrap();
    let mut last = String::new();
    kept.read_to_string(&mut last).await.unwrap();
    assert!(last.starts_with("HTTP/1.1 404") && last.contains("connection: close"), "{last}");
    // By a new one, of somebody who does not know it yet.
    let answer = house.get("/api/v1/nothing").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["connection"]), (404, &"close".parse().unwrap()));
    assert!(!house.house.draining.is_cancelled(), "who waits for a decision goes on waiting");
    house.ended().await;
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_at_the_grace() {
    let mut config = config();
    config.http.shutdown_grace_seconds = 1;
    let house = Running::start_with(config).await;
    let request = tokio::spawn(house.get("/api/v1/slow").send());
    house.things.entered.notified().await;
    house.house.draining.cancel();
    tokio::time::timeout(Duration::from_secs(5), house.ended()).await.expect("the grace is bounded");
    assert!(request.await.unwrap().is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.http.internal_addr = taken.local_addr().unwrap();
    match Listeners::bind(&config.http) {
        Err(StartError::Listen { address, .. }) => assert_eq!(address, taken.local_addr().unwrap()),
        other => panic!("{other:?}"),
    }
}
