//! How long most, nearly all and the slowest took.

use serde::Serialize;

use super::load::Sample;

/// In milliseconds; figures that occurred.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Percentiles {
    /// Of what these took.
    pub(super) fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Self {
        let mut took_us: Vec<u32> = samples.map(|sample| sample.took_us).collect();
        took_us.sort_unstable();
        Self::of_sorted(&took_us)
    }

    /// The smallest that is not below so many of them.
    fn of_sorted(sorted_us: &[u32]) -> Self {
        let at = |share: f64| {
            let place = (share * sorted_us.len() as f64).ceil() as usize;
            sorted_us.get(place.saturating_sub(1)).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_occurred() {
        let samples: Vec<Sample> = (1..=200).rev().map(|n| Sample { at_ms: 0, took_us: n * 1000 }).collect();
        let percentiles = Percentiles::of(samples.iter());
        assert_eq!((percentiles.p50, percentiles.p95), (100.0, 190.0));
        assert_eq!((percentiles.p99, percentiles.max), (198.0, 200.0));
        assert_eq!(Percentiles::of_sorted(&[7_000]).p99, 7.0);
        assert_eq!(Percentiles::of_sorted(&[]).max, 0.0);
    }
}
