//! What a metric is called, what it counts and in which unit: each crate has one list of its own
//! (`metric_names.rs`), and `rondo` gathers them all. Dashboards and alerts are tested against that list.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};

/// A metric as Prometheus sees it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What can be done with it.
    pub kind: MetricKind,
    /// What its values are in.
    pub unit: Unit,
    /// What it is, for people; the comment of its constant.
    pub help: &'static str,
    /// What tells its series apart. Each has a bounded number of values.
    pub labels: &'static [&'static str],
}

/// What can be done with a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows; starts at zero with its process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by their size.
    Histogram,
}

impl MetricKind {
    /// Prometheus' word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Tells the recorder what these metrics mean. A counter without labels is exported from here on, so that its first
/// increase is seen as one.
pub fn describe(all: &[Metric]) {
    for metric in all {
        let help = metric.help.trim();
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, metric.unit, help),
            MetricKind::Gauge => describe_gauge!(metric.name, metric.unit, help),
            MetricKind::Histogram => describe_histogram!(metric.name, metric.unit, help),
        }
        if metric.kind == MetricKind::Counter && metric.labels.is_empty() {
            counter!(metric.name).increment(0);
        }
    }
}

/// Declares the metrics of a crate: a constant for each name, and `ALL` with everything about them. The comment is the
/// help that Prometheus shows.
///
/// ```
/// messaging::metric_names! {
///     /// Letters that were written.
///     Counter LETTERS = "rondo_letters_total", Count, ["kind"];
/// }
/// assert_eq!((LETTERS, ALL[0].help.trim()), ("rondo_letters_total", "Letters that were written."));
/// ```
#[macro_export]
macro_rules! metric_names {
    ($(
        $(#[doc = $help:literal])+
        $kind:ident $constant:ident = $name:literal, $unit:ident, [$($label:literal),*];
    )+) => {
        $(
            $(#[doc = $help])+
            pub const $constant: &str = $name;
        )+
        /// Every metric of this crate.
        pub const ALL: &[$crate::Metric] = &[$(
            $crate::Metric {
                name: $constant,
                kind: $crate::MetricKind::$kind,
                unit: ::metrics::Unit::$unit,
                help: concat!($($help),+),
                labels: &[$($label),*],
            },
        )+];
    };
}
