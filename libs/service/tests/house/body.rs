//! Limits of a request's body.

use std::convert::Infallible;

use axum::body::Bytes;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::Body;

use crate::running::{Running, code, user};

const KIB: usize = 1024;

fn thing(bytes: usize) -> String {
    let frame = r#"{"name":""}"#.len();
    format!(r#"{{"name":"{}"}}"#, "x".repeat(bytes - frame))
}

/// A body whose length is not declared.
fn chunked(text: &str) -> Body {
    let frame = |chunk: &[u8]| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(chunk)));
    let frames: Vec<_> = text.as_bytes().chunks(16 * KIB).map(frame).collect();
    Body::wrap(StreamBody::new(stream::iter(frames)))
}

#[tokio::test]
async fn a_body_of_64_kib_is_accepted() {
    let house = Running::start().await;
    for body in [Body::from(thing(64 * KIB)), chunked(&thing(64 * KIB))] {
        let response = house.post("/api/v1/thing").bearer_auth(user()).body(body).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn a_larger_body_is_read_off_so_that_the_client_sees_413() {
    let house = Running::start().await;
    for bytes in [64 * KIB + 1, 7 * KIB * KIB] {
        for body in [Body::from(thing(bytes)), chunked(&thing(bytes))] {
            let response = house.post("/api/v1/thing").bearer_auth(user()).body(body).send().await.unwrap();
            assert_eq!(code(response).await, (413, "body_too_large".into()), "{bytes} bytes");
        }
    }
}

#[tokio::test]
async fn what_is_not_json_is_refused_by_its_kind() {
    let house = Running::start().await;
    let send = async |kind: &'static str, body: &'static str| {
        let request = house.client.post(format!("http://{}/api/v1/thing", house.public)).bearer_auth(user());
        code(request.header("content-type", kind).body(body).send().await.unwrap()).await
    };
    assert_eq!(send("text/plain", "{}").await, (415, "unsupported_media_type".into()));
    assert_eq!(send("application/json", "{").await, (400, "malformed_request".into()));
    assert_eq!(send("application/json", "").await, (400, "malformed_request".into()));
    assert_eq!(send("application/json", "{}").await, (422, "validation_failed".into()));
    assert_eq!(
        send("application/json", r#"{"name":"a","colour":"red"}"#).await,
        (422, "validation_failed".into())
    );
}
