//! The whole system as separate processes on private servers, under everything that can happen to
//! them. Afterwards an independent check over the databases must find that nothing was lost or doubled.
//!
//! What is marked `long` runs in `make proof`.

mod alarms;
mod audit;
mod balancer;
mod bench;
mod chaos;
mod connections;
mod crashes;
mod crowd;
mod deliveries;
mod faults;
mod gateway;
mod newman;
mod observed;
mod orders;
mod pasted;
mod paused;
mod processes;
mod quorum;
mod receiver;
mod replicas;
mod rights;
mod runbooks;
mod secrets;
mod sessions;
mod simulation;
mod streams;
mod traces;
mod upgrade;
mod walk;
