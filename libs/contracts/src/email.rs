//! E-mail addresses: one spelling each, so that a user is the same in every service.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest address, in bytes (RFC 5321).
const BYTES_MAX: usize = 254;
/// The longest part before the `@`, in bytes.
const LOCAL_BYTES_MAX: usize = 64;

/// An address, trimmed and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// The text is not an [`Email`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmailError;

impl fmt::Display for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be an e-mail address")
    }
}

impl std::error::Error for EmailError {}

impl Email {
    /// Trims, lowers and checks. Whether the address exists is another question.
    ///
    /// # Errors
    /// It cannot be an address.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let email = text.trim().to_lowercase();
        let Some((local, domain)) = email.split_once('@') else { return Err(EmailError) };
        let fits = email.len() <= BYTES_MAX && (1..=LOCAL_BYTES_MAX).contains(&local.len());
        if fits && local.chars().all(is_local) && is_domain(domain) {
            Ok(Self(email))
        } else {
            Err(EmailError)
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local(character: char) -> bool {
    character.is_alphanumeric() || (character.is_ascii_graphic() && !"\"(),:;<>@[\\]".contains(character))
}

fn is_domain(domain: &str) -> bool {
    let letters =
        |label: &str| label.chars().all(|character| character.is_alphanumeric() || character == '-');
    let label =
        |label: &str| !label.is_empty() && letters(label) && !label.starts_with('-') && !label.ends_with('-');
    domain.split('.').all(label)
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Email {
    type Error = EmailError;
    fn try_from(text: String) -> Result<Self, EmailError> {
        Self::parse(&text)
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        email.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        assert_eq!(Email::parse("  Ann@Example.COM ").unwrap().as_str(), "ann@example.com");
        assert_eq!(Email::parse("ИВАН+1@пример.рф").unwrap().as_str(), "иван+1@пример.рф");
        assert!(Email::parse("o'neil.x_y@sub-domain.localhost").is_ok());
    }

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for bad in
            ["", "ann", "@example.com", "ann@", "a@b@c", "a b@c.d", "a@-b.c", "a@b..c", "a\0@b.c", "a,b@c.d"]
        {
            assert_eq!(Email::parse(bad), Err(EmailError), "{bad}");
        }
        assert!(Email::parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}.com", "b".repeat(260))).is_err());
    }
}
