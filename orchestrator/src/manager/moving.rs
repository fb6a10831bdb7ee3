//! One input, one saga, and the pauses that hold: what becomes of the saga. Pure.

use contracts::Timestamp;
use saga::{Action, Definition, Effect, IgnoredWhy, Input, Instance, Record, advance, ignored};

use super::pauses::Held;

/// A saga that was moved.
pub(super) struct Moved<D> {
    pub(super) instance: Instance<D>,
    /// The input, and before it the pause if one had to come first.
    pub(super) records: [Option<Record>; 2],
    pub(super) effects: Vec<Effect>,
}

/// Moves a saga. Where nothing of what it would send may be sent, it is paused first; where only some of
/// it (in a tail), the rest goes, and what was held back is asked for when it is asked again.
///
/// # Errors
/// The input changes nothing.
pub(super) fn move_saga<D: Clone>(
    definition: &Definition<D>,
    instance: Instance<D>,
    input: &Input,
    held: &Held,
    now: Timestamp,
) -> Result<Moved<D>, IgnoredWhy> {
    if held.is_empty() {
        return once(definition, instance, input, now);
    }
    let mut freely = once(definition, instance.clone(), input, now)?;
    let workflow = definition.name();
    let Some(pause) = held.holding_all(workflow, &freely.effects) else {
        if freely.effects.iter().any(|effect| held.holds_back(workflow, effect)) {
            freely.effects.retain(|effect| !held.holds_back(workflow, effect));
            freely.records = [None, Record::of(&freely.instance, input, &freely.effects, now)];
        }
        return Ok(freely);
    };
    let pausing = pause.as_input();
    // What paused it is over, and the next pause begins: it never went on in between.
    if matches!(input, Input::Operator { action: Action::Resume(_), .. }) {
        return once(definition, instance, &pausing, now);
    }
    let paused = once(definition, instance, &pausing, now)?;
    match once(definition, paused.instance.clone(), input, now) {
        Ok(moved) => {
            let [_, pause] = paused.records;
            let [_, record] = moved.records;
            Ok(Moved { records: [pause, record], ..moved })
        }
        // Its time stands still from now on.
        Err(_) if matches!(input, Input::Wake) => Ok(paused),
        Err(why) => Err(why),
    }
}

fn once<D>(
    definition: &Definition<D>,
    instance: Instance<D>,
    input: &Input,
    now: Timestamp,
) -> Result<Moved<D>, IgnoredWhy> {
    let (instance, effects) = advance(definition, instance, input, now);
    match ignored(&effects) {
        Some(why) => Err(why),
        None => {
            let record = Record::of(&instance, input, &effects, now);
            Ok(Moved { instance, records: [None, record], effects })
        }
    }
}
