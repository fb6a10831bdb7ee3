//! A small HTTP client that keeps status, headers and JSON together.

use std::net::SocketAddr;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Speaks to one listener as one caller.
#[derive(Debug, Clone)]
pub struct Client {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where there is none.
    pub body: Value,
}

impl Answer {
    /// Status and stable code of a problem; the code is empty where there is none.
    pub fn problem(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

impl Client {
    /// Speaks to `address`, with a token if one is given.
    ///
    /// # Panics
    /// Never in practice: a plain HTTP client can be made.
    pub fn new(address: SocketAddr, token: Option<String>) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().expect("a plain HTTP client can be made");
        Self { client, base: format!("http://{address}"), token }
    }

    /// A request to be completed by the test: headers, raw bodies.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// No answer, or a body that is neither empty nor JSON.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        read(request).await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Sends a request to somebody who may be away or die meanwhile: no answer is `None`.
    ///
    /// # Panics
    /// A body that is neither empty nor JSON.
    pub async fn try_send(&self, request: RequestBuilder) -> Option<Answer> {
        read(request).await.ok()
    }

    /// GET from somebody who may be away: no answer is `None`.
    ///
    /// # Panics
    /// See [`Client::try_send`].
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        self.try_send(self.request(Method::GET, path)).await
    }

    /// GET.
    ///
    /// # Panics
    /// See [`Client::send`].
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    ///
    /// # Panics
    /// See [`Client::send`].
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PUT with a JSON body.
    ///
    /// # Panics
    /// See [`Client::send`].
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }
}

async fn read(request: RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await?;
    let body = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
    let body = body.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)));
    Ok(Answer { status, headers, body })
}
