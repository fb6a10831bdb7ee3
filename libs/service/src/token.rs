//! Tokens: what they say, who signs them, and how every service checks them without asking auth.
//!
//! One algorithm is pinned (EdDSA over Ed25519); a key is found by its `kid`. Two kinds of token are
//! signed by the same key and cannot be taken for each other: a user's (`sub` is a user id, there is
//! a session) and a service's (`sub` is `service:<name>`). A user's token is refused before its end
//! when its session was ended or the user's roles changed: auth tells every process.

mod cache;
mod claims;
mod keys;
mod public_keys;
mod revocations;
mod roles;
mod signing;
mod verifier;

pub use claims::{Claims, ISSUER, Identity};
pub use public_keys::{KeyError, verification_keys};
pub use revocations::Revocations;
pub use roles::{Role, Roles};
pub use signing::SigningKey;
pub use verifier::{TokenError, TokenVerifier};
