//! The house's HTTP behaviour, over real sockets: limits, problems, tokens, the internal listener, and
//! the order in which a process ends. Most need no NATS: one that is away is waited for.

mod body;
mod drain;
mod gateway;
mod internal;
mod problems;
mod revocations;
mod running;
mod starting;
mod tokens;
