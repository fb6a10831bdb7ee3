//! The house's HTTP behaviour, over real sockets: limits, problems, tokens, the internal listener, and
//! the order in which a process ends. No NATS is needed: one that is away is waited for.

mod body;
mod drain;
mod internal;
mod problems;
mod running;
mod tokens;
