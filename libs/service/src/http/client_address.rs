//! Where a request comes from: the peer of its connection, or, behind proxies that the configuration
//! names, what they say in `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use super::Problem;

/// Added by every proxy: from whom it got the request.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The other end of a connection, and whom to believe.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) trusted: Arc<[IpNet]>,
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>();
        let peer = peer.ok_or_else(|| Problem::internal("a handler runs outside of the house"))?;
        Ok(Self(peer.client(&parts.headers)))
    }
}

impl Peer {
    /// Each proxy appends, so the list is read from its end, for as long as the one who says it is
    /// believed. What cannot be read ends it: what stands before may be anybody's invention.
    fn client(&self, headers: &HeaderMap) -> IpAddr {
        let lines: Vec<&str> =
            headers.get_all(FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        let mut said = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let mut client = self.address.to_canonical();
        while self.trusts(client) {
            match said.next().and_then(address) {
                Some(before) => client = before,
                None => break,
            }
        }
        client
    }

    /// Whether it is a proxy that the configuration names.
    pub(crate) fn is_trusted(&self) -> bool {
        self.trusts(self.address.to_canonical())
    }

    /// What a proxy says of a request that it got from here: what was said before, if the one who says it
    /// is believed, and the peer itself.
    pub(crate) fn forwarded_for(&self, headers: &HeaderMap) -> HeaderValue {
        let address = self.address.to_canonical().to_string();
        let said = headers.get_all(FORWARDED_FOR).iter().filter(|_| self.is_trusted());
        let said = said.filter_map(|line| line.to_str().ok()).map(str::to_owned);
        let list = said.chain([address]).collect::<Vec<_>>().join(", ");
        // Header values and an address, joined by a comma, are a header value.
        HeaderValue::try_from(list).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// Some proxies write the port, too.
fn address(word: &str) -> Option<IpAddr> {
    let word = word.trim();
    let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    let address = bare.parse().or_else(|_| word.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, trusted: &[&str], said: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in said {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let trusted = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Peer { address: peer.parse().unwrap(), trusted }.client(&headers).to_string()
    }

    const PROXIES: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

    #[test]
    fn who_is_no_trusted_proxy_is_the_client_whatever_it_says() {
        assert_eq!(client("192.0.2.1", &[], &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("192.0.2.1", &PROXIES, &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_it_is_the_last_who_is_none() {
        assert_eq!(client("10.0.0.1", &PROXIES, &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &PROXIES, &["198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &PROXIES, &["198.51.100.7", "10.0.0.3,10.0.0.2"]), "198.51.100.7");
        // The client made the first ones up.
        assert_eq!(client("10.0.0.1", &PROXIES, &["1.1.1.1, 198.51.100.7", "10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("::ffff:10.0.0.1", &PROXIES, &["::ffff:198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("fd00::1", &PROXIES, &["[2001:db8::1]:443, fd00::2"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &PROXIES, &["198.51.100.7:5555"]), "198.51.100.7");
    }

    #[test]
    fn what_cannot_be_read_is_not_gone_past() {
        assert_eq!(client("10.0.0.1", &PROXIES, &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &PROXIES, &["198.51.100.7, unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &PROXIES, &["198.51.100.7, , 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &PROXIES, &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }
}
