//! The model: two sagas on one account and one position, moved by the real `advance`, answered by the real
//! rules of stock and billing, on a road that loses, doubles and reorders, with crashes at every commit.
//!
//! * `automaton` writes a pure rule out as a table; `running`, `stock` and `billing` are the three rules.
//! * `channel` is the road, `model` puts all of it together, `properties` says what must hold.
//! * `proofs` goes through everything, `mistakes` shows that each seeded mistake is found, `faithful` that
//!   the short forms of the model lose nothing of what runs in production.

mod automaton;
mod billing;
mod channel;
mod check;
mod faithful;
mod mistakes;
mod model;
mod order;
mod participants;
mod proofs;
mod properties;
mod running;
mod sagas;
mod stock;
