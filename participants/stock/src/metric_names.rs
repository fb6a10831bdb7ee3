//! The names of stock's own metrics.

/// Confirmed orders of which nothing could be sold, by `reason`: `no_items` and `released` are usual;
/// `unknown`, `refused` and `contradiction` are defects somewhere: alert on any.
pub const NOTHING_SOLD: &str = "rondo_stock_nothing_sold_total";
