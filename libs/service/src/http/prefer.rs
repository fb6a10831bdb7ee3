//! How long the client would wait for an answer that takes time (RFC 7240).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

const WAIT_DEFAULT_SECONDS: u64 = 5;
const WAIT_MAX_SECONDS: u64 = 30;

/// `Prefer: wait=N` (default 5 s, at most 30) or `Prefer: respond-async`. A preference that has no
/// meaning is ignored, as the RFC says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreferWait(Duration);

impl PreferWait {
    /// At most so long; zero means: answer at once.
    pub const fn wait(self) -> Duration {
        self.0
    }

    fn of(headers: &HeaderMap) -> Self {
        let (mut wait, mut respond_async) = (None, false);
        for header in headers.get_all("prefer") {
            for preference in header.to_str().unwrap_or_default().split(',') {
                let mut parts = preference.split(';').next().unwrap_or_default().splitn(2, '=');
                let name = parts.next().unwrap_or_default().trim();
                let value = parts.next().unwrap_or_default().trim().trim_matches('"');
                if name.eq_ignore_ascii_case("respond-async") {
                    respond_async = true;
                } else if name.eq_ignore_ascii_case("wait") && wait.is_none() {
                    wait = value.parse::<u64>().ok();
                }
            }
        }
        let default = if respond_async { 0 } else { WAIT_DEFAULT_SECONDS };
        Self(Duration::from_secs(wait.unwrap_or(default).min(WAIT_MAX_SECONDS)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PreferWait {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(values: &[&'static str]) -> u64 {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", value.parse().unwrap());
        }
        PreferWait::of(&headers).wait().as_secs()
    }

    #[test]
    fn preferences() {
        assert_eq!(seconds(&[]), 5);
        assert_eq!(seconds(&["wait=10"]), 10);
        assert_eq!(seconds(&["wait=0"]), 0);
        assert_eq!(seconds(&["wait=3600"]), 30);
        assert_eq!(seconds(&["respond-async"]), 0);
        assert_eq!(seconds(&["respond-async, wait=\"7\""]), 7);
        assert_eq!(seconds(&["return=minimal", "Wait = 2; foo=bar"]), 2);
        assert_eq!(seconds(&["wait=soon"]), 5);
    }
}
