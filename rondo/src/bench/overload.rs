//! `rondo bench --overload`: twice as many orders as the system can carry, and whether it carries about as many
//! as it can, refuses the rest at once, asks nobody again, and is itself again soon. What each bound is for
//! stands in docs/reliability.md.

use std::time::Duration;

use super::figure::Bound::{AtLeast, AtMost};
use super::figure::Figure;
use super::load::{Sample, Tally};
use super::percentiles::Percentiles;
use super::run::Bench;
use super::scene::{Pace, Scene};
use super::work::Work;

/// How long the capacity is measured at most.
const CAPACITY_SECONDS_MAX: u64 = 15;
/// How long the system is watched afterwards.
const AFTER_SECONDS: u64 = 16;
/// How often twice the capacity is tried: where nearly nobody was refused it was no overload, for the capacity had been
/// measured too low, by a machine that had something else to do. What was carried then is measured better.
const TRIES_MAX: u32 = 3;
/// In so many seconds in a row it has to be as before, to be itself again.
const CALM_SECONDS: usize = 3;

/// Of the capacity, in percent.
const GOODPUT_MIN: f64 = 60.0;
/// Of the capacity before it, in percent: an overload must not leave a wreck. A shared machine's speed changes by more.
const CAPACITY_AFTER_MIN: f64 = 25.0;
/// Of the orders that arrived, in percent: who carries so many of twice the capacity has a larger one.
const CARRIED_MIN: f64 = 80.0;
/// As long as a client waits who says nothing else, and as an answer is awaited before a step is asked again.
const ACCEPTED_P99_MS_MAX: f64 = 5_000.0;
/// Of the orders that arrive meanwhile, in percent; it should be about half of them. Where hardly any was refused,
/// the capacity was measured too low, and what came was no overload.
const REFUSED_MIN: f64 = 10.0;
const NO_OVERLOAD: &str = "there was no overload, so nothing was proven: the capacity was measured too low, \
                           perhaps because the machine had something else to do";
const REFUSED_P99_MS_MAX: f64 = 1_000.0;
const AGAIN_NORMAL_SECONDS_MAX: f64 = 10.0;
/// Of 1,000 sagas with about five commands each.
const ASKED_AGAIN_PER_1000_MAX: f64 = 10.0;
/// Somewhat more than the 10,000 connections of a listener with about 40 KiB each.
const MEMORY_GROWTH_MIB_MAX: f64 = 512.0;

/// A timetable: half of the capacity, twice the capacity, half of it again.
struct Phases {
    before: Duration,
    overload: Duration,
    after: Duration,
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    let arguments = bench.arguments;
    let mut closed = arguments.closed(arguments.clients_max());
    closed.seconds = closed.seconds.min(CAPACITY_SECONDS_MAX);
    // On a slow machine already so many clients are too many.
    closed.may_refuse = true;
    bench.serve(arguments.setup()).await?;
    let before = bench.run(&closed).await?;
    let (mut capacity, memory_mib) = (before.sagas_per_second, services_mib(before));
    let phases = Phases {
        before: Duration::from_secs((arguments.seconds() / 4).clamp(5, 10)),
        overload: Duration::from_secs(arguments.seconds()),
        after: Duration::from_secs(AFTER_SECONDS),
    };
    let mut tried = 0;
    loop {
        tried += 1;
        let scene = phases.scene(&closed, capacity);
        let seen = bench.see(&scene).await?;
        let from = seen.window.from + phases.before;
        let goodput = bench.finished_per_second(from, phases.overload).await?;
        let growth_mib = services_mib(bench.keep(&scene, &seen)) - memory_mib;
        let carried_percent = goodput * 100.0 / (2.0 * capacity).max(1.0);
        let was_overload =
            phases.refused_percent(&seen.tally) >= REFUSED_MIN || carried_percent < CARRIED_MIN;
        if was_overload || tried == TRIES_MAX {
            // A machine whose speed has fallen carries less, overload or not.
            let after = bench.run(&closed).await?.sagas_per_second;
            let mut figures = phases.figures(&seen.tally, &seen.work);
            figures.insert(0, goodput_of(goodput, capacity.min(after)));
            figures.push(capacity_after(after, capacity));
            figures.push(memory_growth(growth_mib));
            return Ok(figures);
        }
        capacity = capacity.max(goodput);
    }
}

fn goodput_of(goodput: f64, capacity: f64) -> Figure {
    let percent = goodput * 100.0 / capacity.max(1.0);
    Figure::new("twice the capacity: goodput", "% of the capacity", AtLeast(GOODPUT_MIN), percent)
}

fn capacity_after(after: f64, before: f64) -> Figure {
    let percent = after * 100.0 / before.max(1.0);
    Figure::new("capacity afterwards", "% of the one before", AtLeast(CAPACITY_AFTER_MIN), percent)
}

fn memory_growth(mib: f64) -> Figure {
    let bound = AtMost(MEMORY_GROWTH_MIB_MAX);
    Figure::new("memory of the services above what the capacity took", "MiB", bound, mib)
}

fn services_mib(run: &super::report::Run) -> f64 {
    run.memory_mib_max.get("services").copied().unwrap_or_default()
}

impl Phases {
    fn scene(&self, closed: &Scene, capacity: f64) -> Scene {
        let (half, twice) = (capacity / 2.0, capacity * 2.0);
        let seconds = (self.before + self.overload + self.after).as_secs();
        Scene {
            name: format!("{half:.0}, {twice:.0}, {half:.0} orders/s"),
            pace: Pace::Rates(vec![(half, self.before), (twice, self.overload), (half, self.after)]),
            warm_up: 2,
            seconds,
            may_refuse: true,
            ..closed.clone()
        }
    }

    fn figures(&self, tally: &Tally, work: &Work) -> Vec<Figure> {
        let (decided, refused) = (&tally.decided, &tally.overloaded);
        let overloaded = |sample: &&Sample| self.is_overload(sample);
        let accepted = Percentiles::of(decided.iter().filter(overloaded));
        let turned_away = Percentiles::of(refused.iter().filter(overloaded));
        let again_normal = self.again_normal_after(decided, refused);
        let asked_again = work.asked_again * 1000.0 / work.sagas.max(1.0);
        vec![
            Figure::new("orders refused meanwhile", "%", AtLeast(REFUSED_MIN), self.refused_percent(tally))
                .or_else(NO_OVERLOAD),
            Figure::new(
                "accepted orders decided after, p99",
                "ms",
                AtMost(ACCEPTED_P99_MS_MAX),
                accepted.p99,
            ),
            Figure::new(
                "refused orders told so after, p99",
                "ms",
                AtMost(REFUSED_P99_MS_MAX),
                turned_away.p99,
            ),
            Figure::new("normal again after", "s", AtMost(AGAIN_NORMAL_SECONDS_MAX), again_normal),
            Figure::new(
                "commands sent again",
                "per 1,000 sagas",
                AtMost(ASKED_AGAIN_PER_1000_MAX),
                asked_again,
            ),
        ]
    }

    fn is_overload(&self, sample: &Sample) -> bool {
        (self.before..self.before + self.overload).contains(&sample.at())
    }

    /// Of the orders that were told anything about while there were too many.
    fn refused_percent(&self, tally: &Tally) -> f64 {
        let count = |samples: &[Sample]| samples.iter().filter(|sample| self.is_overload(sample)).count();
        let (refused, decided) = (count(&tally.overloaded), count(&tally.decided));
        refused as f64 * 100.0 / (refused + decided).max(1) as f64
    }

    /// Seconds from the end of the overload until nobody is refused any more and orders are decided about as fast
    /// as before it; more than there were, if that did not come.
    fn again_normal_after(&self, decided: &[Sample], refused: &[Sample]) -> f64 {
        let overload_ends = self.before + self.overload;
        let before = Percentiles::of(decided.iter().filter(|sample| sample.at() < self.before));
        // A shared machine hiccups: twice the median and some milliseconds are still about the same.
        let normal_ms = before.p50.mul_add(2.0, 5.0);
        let is_calm = |second: u64| {
            let begins = overload_ends + Duration::from_secs(second);
            let within = |sample: &&Sample| (begins..begins + Duration::from_secs(1)).contains(&sample.at());
            let as_before = Percentiles::of(decided.iter().filter(within)).p50 <= normal_ms;
            let is_decided = decided.iter().any(|sample| within(&sample));
            is_decided && as_before && !refused.iter().any(|sample| within(&sample))
        };
        let calm: Vec<bool> = (0..self.after.as_secs()).map(is_calm).collect();
        let found = calm.windows(CALM_SECONDS).position(|seconds| seconds.iter().all(|calm| *calm));
        found.unwrap_or(calm.len()) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    const PHASES: Phases = Phases {
        before: Duration::from_secs(2),
        overload: Duration::from_secs(3),
        after: Duration::from_secs(8),
    };

    /// Ten a second; so slow in milliseconds.
    fn second(at: u32, took_ms: u32) -> impl Iterator<Item = Sample> {
        (0..10).map(move |tenth| Sample { at_ms: at * 1000 + tenth * 100, took_us: took_ms * 1000 })
    }

    /// What is complained of when so many seconds of orders were decided, and so many refused.
    fn complaints(decided: Range<u32>, refused: Range<u32>) -> Vec<String> {
        let of = |seconds: Range<u32>| seconds.flat_map(|at| second(at, 10)).collect();
        let tally = Tally { decided: of(decided), overloaded: of(refused), ..Tally::default() };
        let figures = PHASES.figures(&tally, &Work::default());
        figures.iter().filter_map(Figure::complaint).collect()
    }

    #[test]
    fn where_nobody_was_refused_at_twice_the_load_nothing_was_proven() {
        let [complaint] = &complaints(0..13, 0..0)[..] else { panic!("of one thing") };
        assert!(complaint.contains("orders refused meanwhile, %: 0"), "{complaint}");
        assert!(complaint.contains("nothing was proven"), "{complaint}");
        assert!(complaints(0..13, 3..5).is_empty());
        // Who is refused before or after it was not refused because of it.
        assert_eq!(complaints(0..13, 0..2).len(), 1);
    }

    #[test]
    fn it_is_normal_again_when_it_is_fast_and_nobody_is_refused_any_more() {
        let took_ms = [10, 10, 900, 900, 900, 800, 20, 500, 20, 20, 20, 20, 20];
        let decided: Vec<Sample> = (0..).zip(took_ms).flat_map(|(at, took)| second(at, took)).collect();
        assert_eq!(PHASES.again_normal_after(&decided, &[]), 3.0);
        let refused: Vec<Sample> = second(9, 1).collect();
        assert_eq!(PHASES.again_normal_after(&decided, &refused), 5.0);
        let refused: Vec<Sample> = second(10, 1).collect();
        assert_eq!(PHASES.again_normal_after(&decided, &refused), 8.0, "not within what was watched");
        let before_alone: Vec<Sample> = (0..2).flat_map(|at| second(at, 10)).collect();
        assert_eq!(
            PHASES.again_normal_after(&before_alone, &[]),
            8.0,
            "where nothing is decided nothing is normal"
        );
    }
}
