//! What changes stock, a file each: the keys it needs and its rule, pure and total.

pub mod put_position;
pub mod release_stock;
pub mod reserve_by_operator;
pub mod reserve_stock;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod sequences;
