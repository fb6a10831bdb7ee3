//! How many logins may fail: per address and account, so that nobody can lock another out; and per address
//! so many different accounts. An account that does not exist counts like one that does.

use std::net::IpAddr;

use chrono::TimeDelta;
use contracts::{Email, Timestamp};
use sha2::{Digest, Sha256};

/// Failures of an account from an address within the window.
pub(crate) const FAILURES_MAX: i32 = 10;
/// Different accounts that failed from an address within the window.
pub(crate) const ACCOUNTS_MAX: i32 = 100;
/// How long a failure counts.
pub(crate) const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// Who tries to log in as whom.
pub(crate) struct Attempt {
    /// An address, or a network that is likely one client's.
    pub(crate) address: String,
    /// Tells accounts apart and does not tell their names.
    pub(crate) account: Vec<u8>,
}

impl Attempt {
    pub(crate) fn new(address: IpAddr, account: &str) -> Self {
        let name = match Email::parse(account) {
            Ok(email) => email.as_str().to_owned(),
            Err(_) => account.trim().to_lowercase(),
        };
        Self { address: origin(address), account: Sha256::digest(name).to_vec() }
    }
}

/// Of IPv6 everybody has a network of 2^64 addresses.
fn origin(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

/// What has failed already.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// The [`FAILURES_MAX`]th latest failure of the account from the address.
    pub(crate) of_account: Option<Timestamp>,
    /// The latest failure of the [`ACCOUNTS_MAX`]th account from the address, the latest account first.
    pub(crate) of_address: Option<Timestamp>,
}

impl Failures {
    /// How long the next attempt has to wait, in whole seconds; nothing if it need not.
    pub(crate) fn wait_seconds(&self, now: Timestamp) -> Option<u32> {
        let free_at = self.of_account.max(self.of_address)? + WINDOW;
        let left_ms = (free_at - now).num_milliseconds();
        u32::try_from((left_ms + 999) / 1_000).ok().filter(|seconds| *seconds > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(address: &str, account: &str) -> (String, Vec<u8>) {
        let attempt = Attempt::new(address.parse().unwrap(), account);
        (attempt.address, attempt.account)
    }

    #[test]
    fn spellings_of_an_account_are_one_and_addresses_of_a_network_too() {
        assert_eq!(attempt("192.0.2.1", " Ann@Example.com"), attempt("::ffff:192.0.2.1", "ann@example.com"));
        assert_eq!(attempt("192.0.2.1", "No E-mail "), attempt("192.0.2.1", "no e-mail"));
        assert_ne!(attempt("192.0.2.1", "ann@example.com"), attempt("192.0.2.2", "ann@example.com"));
        assert_ne!(attempt("192.0.2.1", "ann@example.com"), attempt("192.0.2.1", "bob@example.com"));
        assert_eq!(attempt("2001:db8:1:2::3", "ann"), attempt("2001:db8:1:2:ffff::4", "ann"));
        assert_ne!(attempt("2001:db8:1:2::3", "ann"), attempt("2001:db8:1:3::3", "ann"));
    }

    #[test]
    fn the_next_attempt_waits_until_a_failure_is_out_of_the_window() {
        let now = chrono::Utc::now();
        let ago = |seconds| Some(now - TimeDelta::seconds(seconds));
        let wait = |of_account, of_address| Failures { of_account, of_address }.wait_seconds(now);
        assert_eq!(wait(None, None), None);
        assert_eq!(wait(ago(900), None), None);
        assert_eq!(wait(ago(899), None), Some(1));
        assert_eq!(wait(ago(0), None), Some(900));
        assert_eq!(wait(ago(899), ago(100)), Some(800));
        assert_eq!(wait(None, ago(100)), Some(800));
    }
}
