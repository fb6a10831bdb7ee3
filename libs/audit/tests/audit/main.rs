//! The audit over real databases: books that are right are clean, and each thing that is changed in
//! them is found.

mod at_work;
mod deliveries;
mod expecting;
mod money;
mod orders;
mod shop;
mod stock;
