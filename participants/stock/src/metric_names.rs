//! Stock's own metrics.

messaging::metric_names! {
    /// Confirmed orders of which nothing could be sold: `no_items` and `released` are usual; `unknown`, `refused` and
    /// `contradiction` are defects somewhere.
    Counter NOTHING_SOLD = "rondo_stock_nothing_sold_total", Count, ["reason"];
}
