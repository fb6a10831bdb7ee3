//! Makes a failing script small: leaves out orders and strikes for as long as the same rule breaks (delta
//! debugging, Zeller and Hildebrandt 2002).

use std::collections::BTreeSet;

use super::faults::{Strike, Strikes};
use super::parts::{Cast, Stage};
use super::world::{Script, Violation, World};

/// Runs that are tried at most.
const RUNS_MAX: usize = 600;

/// A smaller script that breaks the same rule, and how.
pub(super) fn shrink(
    script: Script,
    violation: Box<Violation>,
    cast: fn(&Stage) -> Cast,
) -> (Script, Box<Violation>) {
    let mut shrinking = Shrinking { script, violation, cast, runs_left: RUNS_MAX };
    let strikes: Vec<Strike> = shrinking.violation.struck.iter().map(|struck| struck.strike).collect();
    if !shrinking.holds(Script { strikes: listed(&strikes), ..shrinking.script.clone() }) {
        return (shrinking.script, shrinking.violation);
    }
    loop {
        let before = shrinking.size();
        shrinking.orders();
        shrinking.strikes();
        if shrinking.size() == before || shrinking.runs_left == 0 {
            return (shrinking.script, shrinking.violation);
        }
    }
}

fn listed(strikes: &[Strike]) -> Strikes {
    Strikes::Listed(strikes.iter().copied().collect())
}

struct Shrinking {
    script: Script,
    violation: Box<Violation>,
    cast: fn(&Stage) -> Cast,
    runs_left: usize,
}

impl Shrinking {
    fn size(&self) -> (usize, usize) {
        let strikes = match &self.script.strikes {
            Strikes::Drawn => usize::MAX,
            Strikes::Listed(list) => list.len(),
        };
        (self.script.orders.len(), strikes)
    }

    /// Takes the script over if the same rule breaks in it. What did not strike is left out of it.
    fn holds(&mut self, script: Script) -> bool {
        if self.runs_left == 0 {
            return false;
        }
        self.runs_left -= 1;
        match World::run(script.clone(), self.cast) {
            Err(violation) if violation.broken.rule == self.violation.broken.rule => {
                let struck: BTreeSet<Strike> = violation.struck.iter().map(|struck| struck.strike).collect();
                self.script = Script { strikes: Strikes::Listed(struck), ..script };
                self.violation = violation;
                true
            }
            _ => false,
        }
    }

    fn orders(&mut self) {
        let all = self.script.orders.clone();
        self.fewer(all, |script, orders| Script { orders: orders.to_vec(), ..script });
    }

    fn strikes(&mut self) {
        let Strikes::Listed(all) = self.script.strikes.clone() else { return };
        let all = all.into_iter().collect();
        self.fewer(all, |script, strikes| Script { strikes: listed(strikes), ..script });
    }

    /// Leaves out half, then quarters, and so on to single ones, each for as long as the rule still breaks.
    fn fewer<T: Clone>(&mut self, mut kept: Vec<T>, with: fn(Script, &[T]) -> Script) {
        let mut size = kept.len().div_ceil(2);
        while size > 0 && !kept.is_empty() {
            let mut from = 0;
            while from < kept.len() {
                let to = (from + size).min(kept.len());
                let fewer: Vec<T> = [&kept[..from], &kept[to..]].concat();
                if self.holds(with(self.script.clone(), &fewer)) {
                    kept = fewer;
                } else {
                    from = to;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }
}
