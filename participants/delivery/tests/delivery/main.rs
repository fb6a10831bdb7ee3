//! Delivery on real servers: every command through its life, replicas on one slot, events, and HTTP.

mod city;
mod commands;
mod events;
mod http;
mod replicas;
