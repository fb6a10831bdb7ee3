//! Orders on a real PostgreSQL and a real NATS, with the real participants beside: what clients and
//! operators are told, and that every finished saga's history tells the same saga again.

mod acting;
mod bulk;
mod cancelling;
mod creating;
mod dead_letters;
mod delivering;
mod idempotency;
mod limits;
mod looking;
mod operators;
mod pausing;
mod replay;
mod shop;
mod timeline;
mod waiting;
