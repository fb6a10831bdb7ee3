//! Stock on real servers: every command through its life, sales, replicas on one hot position, and HTTP.

mod commands;
mod http;
mod replicas;
mod sales;
mod shelf;
