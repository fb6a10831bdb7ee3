//! One exhaustive run, what it found, and how that is told.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use crate::mistakes::Mistake;
use crate::model::{Action, Bounds, Moment, Orders, What};
use crate::running::{Input, inputs};

/// What a run found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The properties that do not hold, each with a way to where it does not.
    pub(crate) broken: BTreeMap<&'static str, Vec<String>>,
    /// What should have been possible and never was.
    pub(crate) never_seen: Vec<&'static str>,
}

/// Goes through everything within the bounds.
pub(crate) fn check(bounds: Bounds) -> Found {
    run(bounds, None, HasDiscoveries::All)
}

/// Goes as far as it takes to break all of these, or through everything.
pub(crate) fn check_until(bounds: Bounds, mistake: Mistake, broken: &[&'static str]) -> Found {
    run(bounds, Some(mistake), HasDiscoveries::AllOf(broken.iter().copied().collect()))
}

/// Prints how much it was.
fn run(bounds: Bounds, mistake: Option<Mistake>, until: HasDiscoveries) -> Found {
    let began = Instant::now();
    let model = Orders::new(bounds, mistake);
    let sizes = sizes(&model);
    // With one thread the ways to what is broken are short.
    let threads = if mistake.is_none() { 2 } else { 1 };
    let checker = model.checker().threads(threads).finish_when(until).spawn_bfs().join();
    let (states, transitions) = (checker.unique_state_count(), checker.state_count());
    let (depth, seconds) = (checker.max_depth(), began.elapsed().as_secs_f64());
    let what = mistake.map_or("no mistake".to_owned(), |mistake| format!("{mistake:?}"));
    say(&format!("model: {what}: {bounds:?}: {sizes}"));
    say(&format!("model: {what}: {states} states, {transitions} transitions, depth {depth}, {seconds:.1} s"));
    found(&checker)
}

fn found(checker: &impl Checker<Orders>) -> Found {
    let (mut broken, mut never_seen) = (BTreeMap::new(), Vec::new());
    let mut discoveries = checker.discoveries();
    for property in checker.model().properties() {
        match (discoveries.remove(property.name), &property.expectation) {
            (Some(path), Expectation::Always) => {
                let first = path.clone().into_states().swap_remove(0);
                let way = shortened(checker.model(), &property, &first, path.into_actions());
                let way = way.iter().map(|action| told(checker.model(), action)).collect();
                broken.insert(property.name, way);
            }
            (None, Expectation::Sometimes) => never_seen.push(property.name),
            _ => {}
        }
    }
    Found { broken, never_seen }
}

/// Leaves out what a way does not need to get to where the property does not hold.
fn shortened(
    model: &Orders,
    property: &Property<Orders>,
    first: &Moment,
    mut way: Vec<Action>,
) -> Vec<Action> {
    let mut left_out = way.len();
    while let Some(next) = left_out.checked_sub(1) {
        left_out = next;
        let mut shorter = way.clone();
        shorter.remove(next);
        if end(model, first, &shorter).is_some_and(|end| !(property.condition)(model, &end)) {
            (way, left_out) = (shorter, way.len() - 1);
        }
    }
    way
}

/// Where a way leads; nowhere, if something on it is not possible.
fn end(model: &Orders, first: &Moment, way: &[Action]) -> Option<Moment> {
    way.iter().try_fold(*first, |moment, action| {
        let mut possible = Vec::new();
        model.actions(&moment, &mut possible);
        possible.contains(action).then(|| model.after(&moment, *action))
    })
}

fn sizes(model: &Orders) -> String {
    let [first, second] = model.sagas.each_ref().map(|saga| saga.states.len());
    let [stock, billing] = model.participants.each_ref().map(|participant| participant.testimonies.len());
    format!("alone the sagas have {first} and {second} states, stock {stock}, billing {billing}")
}

/// Also where the output of tests that pass is not shown.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").expect("somebody reads the output");
}

fn told(model: &Orders, action: &Action) -> String {
    let Action { order, what, crashes } = *action;
    let what = match what {
        What::Saga(input) => match &inputs(&model.sagas[order].letters)[input] {
            Input::Reply(letter, asking) => {
                let code = letter.answer.code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
                let outcome = letter.answer.outcome;
                format!("saga hears {:?} of asking {asking}: {outcome:?}{code}", letter.command)
            }
            other => format!("saga: {other:?}"),
        },
        What::Participant(command, asking) => format!("{command:?} of asking {asking} is executed"),
    };
    format!("order {order}: {what}{}", if crashes { "; crash before publishing" } else { "" })
}
