//! Billing on a real PostgreSQL and a real NATS: every command through every trouble, two replicas on
//! the same rows, HTTP, and random sequences against a model.

mod bank;
mod calls;
mod expiry;
mod payment;
mod replicas;
mod rules;
mod sequences;
mod steps;
