//! Refresh tokens: 256 random bits in hexadecimal. The first half is the same in all tokens of a session
//! and shows which session a token belongs to, also one that was used before; the second half is new each
//! time. So a used token is recognised without keeping every one that there was, and nobody who never had
//! a token of a session can pretend to.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const HALF_BYTES: usize = 16;
/// Characters of each half.
const HALF: usize = 2 * HALF_BYTES;

/// A refresh token; the database has only its hashes.
pub(crate) struct RefreshToken {
    text: SecretString,
}

impl RefreshToken {
    /// The first token of a new session.
    pub(crate) fn first() -> Self {
        Self::of_family(&random_half())
    }

    /// The next one of the same session.
    pub(crate) fn next(&self) -> Self {
        Self::of_family(self.family())
    }

    fn of_family(family: &str) -> Self {
        Self { text: format!("{family}{}", random_half()).into() }
    }

    /// A token that was brought; nothing if it looks like none.
    pub(crate) fn parse(text: &SecretString) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let plain = text.expose_secret();
        let is_one = plain.len() == 2 * HALF && plain.bytes().all(is_digit);
        is_one.then(|| Self { text: text.clone() })
    }

    /// What the client keeps.
    pub(crate) fn text(&self) -> &SecretString {
        &self.text
    }

    fn family(&self) -> &str {
        // Every token has both halves, of ASCII.
        self.text.expose_secret().get(..HALF).unwrap_or_default()
    }

    /// Finds the session.
    pub(crate) fn family_hash(&self) -> Vec<u8> {
        Sha256::digest(self.family()).to_vec()
    }

    /// Tells the current token from used ones.
    pub(crate) fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.text.expose_secret()).to_vec()
    }
}

fn random_half() -> String {
    rand::random::<[u8; HALF_BYTES]>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_a_session_share_their_family_and_nothing_else() {
        let (first, other) = (RefreshToken::first(), RefreshToken::first());
        let next = first.next();
        assert_eq!(next.family_hash(), first.family_hash());
        assert_ne!(next.hash(), first.hash());
        assert_ne!(other.family_hash(), first.family_hash());
        assert_ne!(first.text().expose_secret()[HALF..], next.text().expose_secret()[HALF..]);
    }

    #[test]
    fn what_was_given_out_is_read_again_and_other_texts_are_no_tokens() {
        let token = RefreshToken::first();
        let brought = RefreshToken::parse(token.text()).unwrap();
        assert_eq!((brought.family_hash(), brought.hash()), (token.family_hash(), token.hash()));
        let upper = token.text().expose_secret().to_uppercase();
        for bad in ["", "abc", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65), &"ä".repeat(32), &upper] {
            // A token without a letter is its own upper case: one in ten thousand million million.
            assert!(RefreshToken::parse(&bad.into()).is_none(), "{bad}");
        }
    }
}
