//! The loop on real PostgreSQL and NATS, with the smallest service there can be: counters that are
//! added to.

mod broadcast;
mod counter;
mod credentials;
mod failures;
mod flow;
mod optimism;
mod take_over;
mod tls;
mod topology;
