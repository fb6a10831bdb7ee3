//! One client's connection: HTTP/1.1, kept alive, with as little around it as possible, for the load
//! shares the machine with what is measured.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::http::response::Parts;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use uuid::Uuid;

/// Longer than any order should take: who gets 202 has found something wrong.
const PATIENT: HeaderValue = HeaderValue::from_static("wait=30");
const ASYNC: HeaderValue = HeaderValue::from_static("respond-async");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Where the public listener is.
#[derive(Debug, Clone)]
pub(super) struct Authority {
    address: String,
    host: HeaderValue,
}

impl Authority {
    /// Of an address without a path: `http://host:port`.
    pub(super) fn parse(base_url: &str) -> anyhow::Result<Self> {
        let url = reqwest::Url::parse(base_url).with_context(|| format!("{base_url} is no URL"))?;
        let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme())
        else {
            bail!("{base_url}: the bench speaks plain http://host:port only");
        };
        let address = format!("{host}:{port}");
        Ok(Self { host: HeaderValue::from_str(&address)?, address })
    }
}

/// A connection that is open.
pub(super) struct Connection {
    authority: Authority,
    sender: SendRequest<Full<Bytes>>,
}

/// What came back for an order.
pub(super) enum Answer {
    /// 201.
    Confirmed(Uuid),
    /// 402 with `insufficient_funds`.
    TooExpensive(Uuid),
    /// 503 that says when to come again: nothing was ordered.
    ComeLater,
    /// Anything else, as `<status> <code>`; with the order, if there is one.
    Other(String, Option<Uuid>),
}

#[derive(Deserialize)]
struct ProblemBody {
    #[serde(default)]
    code: String,
    order_id: Option<Uuid>,
}

impl Connection {
    pub(super) async fn open(authority: &Authority) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&authority.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its end shows in the sender.
        tokio::spawn(connection);
        Ok(Self { authority: authority.clone(), sender })
    }

    /// Whether nothing can be sent on it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Places an order and waits for its decision.
    pub(super) async fn order(&mut self, authorization: &HeaderValue, body: Bytes) -> anyhow::Result<Answer> {
        let (parts, body) = self.post(authorization, PATIENT, body).await?;
        if parts.status == StatusCode::CREATED
            && let Some(order_id) = parts.headers.get(LOCATION).and_then(last_segment)
        {
            return Ok(Answer::Confirmed(order_id));
        }
        if parts.status == StatusCode::SERVICE_UNAVAILABLE && parts.headers.contains_key(RETRY_AFTER) {
            return Ok(Answer::ComeLater);
        }
        Ok(other(parts.status, &body))
    }

    /// Places an order and does not wait.
    ///
    /// # Errors
    /// It was not accepted.
    pub(super) async fn leave(&mut self, authorization: &HeaderValue, body: Bytes) -> anyhow::Result<Uuid> {
        let (parts, body) = self.post(authorization, ASYNC, body).await?;
        match parts.headers.get(LOCATION).and_then(last_segment) {
            Some(order_id) if parts.status == StatusCode::ACCEPTED => Ok(order_id),
            _ => bail!("an order was not accepted: {} {}", parts.status, String::from_utf8_lossy(&body)),
        }
    }

    async fn post(
        &mut self,
        authorization: &HeaderValue,
        prefer: HeaderValue,
        body: Bytes,
    ) -> anyhow::Result<(Parts, Bytes)> {
        let mut request = Request::post("/api/v1/order").body(Full::new(body))?;
        let headers = request.headers_mut();
        headers.insert(HOST, self.authority.host.clone());
        headers.insert(AUTHORIZATION, authorization.clone());
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert("prefer", prefer);
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        // Read in any case: the connection is used again.
        Ok((parts, body.collect().await?.to_bytes()))
    }
}

fn last_segment(location: &HeaderValue) -> Option<Uuid> {
    location.to_str().ok()?.rsplit('/').next()?.parse().ok()
}

fn other(status: StatusCode, body: &[u8]) -> Answer {
    let problem = serde_json::from_slice(body).unwrap_or(ProblemBody { code: String::new(), order_id: None });
    match (status, problem.code.as_str(), problem.order_id) {
        (StatusCode::PAYMENT_REQUIRED, "insufficient_funds", Some(order_id)) => {
            Answer::TooExpensive(order_id)
        }
        (status, code, order_id) => {
            Answer::Other(format!("{} {code}", status.as_u16()).trim_end().to_owned(), order_id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_by_status_and_code() {
        let body = format!(r#"{{"code":"insufficient_funds","order_id":"{}"}}"#, Uuid::nil());
        assert!(matches!(other(StatusCode::PAYMENT_REQUIRED, body.as_bytes()), Answer::TooExpensive(_)));
        let overloaded = other(StatusCode::SERVICE_UNAVAILABLE, br#"{"code":"overloaded"}"#);
        assert!(matches!(overloaded, Answer::Other(what, None) if what == "503 overloaded"));
        assert!(
            matches!(other(StatusCode::BAD_GATEWAY, b"<html>"), Answer::Other(what, None) if what == "502")
        );
    }

    #[test]
    fn only_plain_http_is_spoken() {
        assert_eq!(Authority::parse("http://localhost").unwrap().address, "localhost:80");
        assert!(Authority::parse("https://localhost").is_err());
        assert!(Authority::parse("localhost").is_err());
    }
}
