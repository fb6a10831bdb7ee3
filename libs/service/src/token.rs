//! Tokens: what they say, who signs them, and how every service checks them without asking auth.
//!
//! One algorithm is pinned (EdDSA over Ed25519); a key is found by its `kid`. Two kinds of token are
//! signed by the same key and cannot be taken for each other: a user's (`sub` is a user id, there is
//! a session) and a service's (`sub` is `service:<name>`).

mod cache;
mod claims;
mod keys;
mod roles;
mod signing;
mod verifier;

pub use claims::{Claims, ISSUER, Identity};
pub use roles::{Role, Roles};
pub use signing::{SigningKey, SigningKeyError};
pub use verifier::{TokenError, TokenVerifier};
