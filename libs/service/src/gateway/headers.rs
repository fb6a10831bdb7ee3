//! What a service is told of a request: what the client may say, and what only the gateway knows.

use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, PROXY_AUTHORIZATION, UPGRADE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::{Peer, TraceContext};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who somebody is, is told by a token alone; these are for proxies that have looked at one.
const IDENTITY: [&str; 3] = ["x-user-", "x-roles", "x-internal-"];
/// Where a request comes from: to be believed of trusted proxies only.
const ORIGIN: [&str; 3] = ["x-forwarded-", "x-real-ip", "forwarded"];

/// Makes the client's headers those of the forwarded request. The proxy takes off what belongs to one
/// connection only (RFC 9110, 7.6.1).
pub(super) fn rewrite(headers: &mut HeaderMap, peer: &Peer, trace: &TraceContext) {
    remove_nominated(headers);
    remove(headers, &IDENTITY);
    if !peer.is_trusted() {
        remove(headers, &ORIGIN);
    }
    // The body is read already; its length is what was read. Nothing behind the gateway is upgraded to.
    for name in [CONTENT_LENGTH, EXPECT, PROXY_AUTHORIZATION, UPGRADE] {
        headers.remove(name);
    }
    headers.insert(FORWARDED_FOR, peer.forwarded_for(headers));
    if let Ok(value) = HeaderValue::try_from(trace.to_string()) {
        headers.insert(TRACEPARENT, value);
    }
}

/// A client may say which of its headers are for this connection only, and means the gateway's own if
/// they are not there yet: it must not be asked after they are.
fn remove_nominated(headers: &mut HeaderMap) {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let nominated = lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok());
    let nominated: Vec<HeaderName> = nominated.collect();
    for name in nominated {
        headers.remove(name);
    }
    headers.remove(CONNECTION);
}

fn remove(headers: &mut HeaderMap, prefixes: &[&str]) {
    let unwanted = |name: &&HeaderName| prefixes.iter().any(|prefix| name.as_str().starts_with(prefix));
    let unwanted: Vec<HeaderName> = headers.keys().filter(unwanted).cloned().collect();
    for name in unwanted {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(peer: &str, trusted: &[&str], said: &[(&'static str, &'static str)]) -> HeaderMap {
        let trusted = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let peer = Peer { address: peer.parse().unwrap(), trusted };
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(*name, value.parse().unwrap());
        }
        rewrite(&mut headers, &peer, &TraceContext::begin());
        headers.remove(TRACEPARENT).unwrap();
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<(&str, &str)> {
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
    }

    #[test]
    fn what_a_client_may_say_goes_on() {
        let said = [
            ("authorization", "Bearer a.b.c"),
            ("idempotency-key", "once"),
            ("prefer", "wait=3"),
            ("accept", "text/event-stream"),
            ("last-event-id", "7"),
        ];
        let mut headers = forwarded("192.0.2.1", &[], &said);
        assert_eq!(headers.remove(FORWARDED_FOR).unwrap(), "192.0.2.1");
        assert_eq!(lines(&headers), said);
    }

    #[test]
    fn nobody_invents_who_or_where_it_is() {
        let headers = forwarded(
            "192.0.2.1",
            &["10.0.0.0/8"],
            &[
                ("x-user-id", "1"),
                ("x-user-roles", "operator"),
                ("x-roles", "operator"),
                ("x-internal-anything", "1"),
                ("forwarded", "for=198.51.100.7"),
                ("x-forwarded-for", "198.51.100.7"),
                ("x-forwarded-host", "elsewhere"),
                ("x-real-ip", "198.51.100.7"),
            ],
        );
        assert_eq!(lines(&headers), [("x-forwarded-for", "192.0.2.1")]);
    }

    #[test]
    fn a_trusted_proxy_is_believed_where_a_request_comes_from_but_not_who_it_is_of() {
        let said = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-roles", "operator"),
        ];
        let headers = forwarded("10.0.0.1", &["10.0.0.0/8"], &said);
        assert_eq!(headers[FORWARDED_FOR], "198.51.100.7, 10.0.0.2, 10.0.0.1");
        assert_eq!(headers.get_all(FORWARDED_FOR).iter().count(), 1);
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert!(!headers.contains_key("x-roles"));
    }

    #[test]
    fn a_client_cannot_have_the_gateways_own_headers_taken_off() {
        let said = [
            ("connection", "close, X-Forwarded-For, traceparent, X-Mine"),
            ("x-mine", "1"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
        ];
        assert_eq!(lines(&forwarded("192.0.2.1", &[], &said)), [("x-forwarded-for", "192.0.2.1")]);
    }
}
