//! A figure beside what it should be.

use serde::Serialize;

/// What was reached, and what should be.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    what: String,
    unit: &'static str,
    #[serde(flatten)]
    bound: Bound,
    #[serde(skip_serializing_if = "Option::is_none")]
    aim: Option<f64>,
    reached: f64,
    holds: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    if_missed: Option<&'static str>,
}

/// Where a figure should be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Figure {
    pub(super) fn new(what: impl Into<String>, unit: &'static str, bound: Bound, reached: f64) -> Self {
        let holds = match bound {
            Bound::AtLeast(least) => reached >= least,
            Bound::AtMost(most) => reached <= most,
        };
        Self { what: what.into(), unit, bound, aim: None, reached, holds, if_missed: None }
    }

    /// What would be better still.
    pub(super) fn aiming_at(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// What it means when it is missed, where that does not speak for itself.
    pub(super) fn or_else(self, meaning: &'static str) -> Self {
        Self { if_missed: Some(meaning).filter(|_| !self.holds), ..self }
    }

    /// What, target, aim, reached, verdict.
    pub(super) fn cells(&self) -> [String; 5] {
        let (word, target) = match self.bound {
            Bound::AtLeast(least) => ("at least", least),
            Bound::AtMost(most) => ("at most", most),
        };
        let verdict = if self.holds { "yes" } else { "NO" };
        [
            format!("{}, {}", self.what, self.unit),
            format!("{word} {}", shown(target)),
            self.aim.map_or_else(String::new, shown),
            shown(self.reached),
            verdict.to_owned(),
        ]
    }

    /// What to say of a bound that is broken.
    pub(super) fn complaint(&self) -> Option<String> {
        let [what, target, _, reached, _] = self.cells();
        let meaning = self.if_missed.map(|meaning| format!("; {meaning}")).unwrap_or_default();
        (!self.holds).then(|| format!("{what}: {reached} instead of {target}{meaning}"))
    }
}

/// Three digits that mean something.
fn shown(value: f64) -> String {
    let digits = if value.abs() >= 100.0 || value == 0.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_bound_is_complained_of() {
        let slow = Figure::new("256 clients", "sagas/s", Bound::AtLeast(5_000.0), 2_345.6).aiming_at(8_000.0);
        assert_eq!(slow.cells(), ["256 clients, sagas/s", "at least 5000", "8000", "2346", "NO"]);
        assert_eq!(slow.complaint().unwrap(), "256 clients, sagas/s: 2346 instead of at least 5000");
        let cheap = Figure::new("CPU", "s", Bound::AtMost(0.32), 0.32);
        assert!(cheap.complaint().is_none());
        assert_eq!(cheap.cells()[3], "0.32");
    }

    #[test]
    fn what_a_miss_means_is_said_of_a_miss_alone() {
        let few = |reached| Figure::new("few", "%", Bound::AtLeast(10.0), reached).or_else("all is lost");
        assert_eq!(few(0.0).complaint().unwrap(), "few, %: 0 instead of at least 10.0; all is lost");
        assert!(few(10.0).complaint().is_none() && few(10.0).if_missed.is_none());
    }
}
