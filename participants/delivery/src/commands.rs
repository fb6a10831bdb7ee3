//! What changes delivery's rows, a file each: the keys it needs and its rule, pure and total.

pub mod cancel_delivery;
pub mod learn_address;
pub mod mark_received;
pub mod mark_sent;
pub mod release_courier;
pub mod reserve_courier;
pub mod schedule_delivery;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod sequences;
