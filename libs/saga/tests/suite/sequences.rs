//! Random inputs to sagas of random shape, in random order: what must hold whatever happens.

mod shape;
mod watch;

use chrono::TimeDelta;
use contracts::{Direction, Outcome as Answered, ReplyData};
use proptest::prelude::*;
use saga::{Action, Input, PausedBy};
use serde_json::value::to_raw_value;

use crate::story::Story;
use shape::Shape;
use watch::Watch;

/// What is given next; steps are chosen when it is given, so that most inputs make sense.
#[derive(Debug, Clone, Copy)]
enum Chance {
    Begin,
    /// An answer to one of the commands waited for.
    Answer(usize, Answer, u32),
    /// An answer to any command at all.
    Stray(usize, Direction, Answer),
    Wake,
    /// Time passes, in milliseconds.
    Pass(i64),
    Cancel,
    Retry,
    /// A step by its number, or none; with a result that fits, or none.
    Skip(Option<usize>, bool),
    Abandon,
    Pause(bool),
    Resume(bool),
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Done,
    Refused,
    Fault,
    Garbled,
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        8 => Just(Answer::Done),
        2 => Just(Answer::Refused),
        2 => Just(Answer::Fault),
        1 => Just(Answer::Garbled),
    ]
}

fn chances() -> impl Strategy<Value = Chance> {
    let direction = prop_oneof![Just(Direction::Do), Just(Direction::Undo)];
    prop_oneof![
        1 => Just(Chance::Begin),
        24 => (0..4usize, answers(), 0..20u32).prop_map(|(which, answer, attempt)| Chance::Answer(which, answer, attempt)),
        6 => (0..12usize, direction, answers()).prop_map(|(step, to, answer)| Chance::Stray(step, to, answer)),
        6 => Just(Chance::Wake),
        4 => (0..90_000i64).prop_map(Chance::Pass),
        1 => Just(Chance::Cancel),
        2 => Just(Chance::Retry),
        2 => (proptest::option::of(0..12usize), any::<bool>()).prop_map(|(step, fits)| Chance::Skip(step, fits)),
        1 => Just(Chance::Abandon),
        2 => any::<bool>().prop_map(Chance::Pause),
        2 => any::<bool>().prop_map(Chance::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_saga_keeps_its_promises(
        shape in any::<Shape>(),
        chances in proptest::collection::vec(chances(), 1..80),
    ) {
        let mut story = Story::new(shape::definition(), shape);
        let mut watch = Watch::default();
        story.give(&Input::Begin);
        watch.see(&story);
        for chance in chances {
            if let Some(input) = input_of(&mut story, chance) {
                story.give(&input);
                watch.see(&story);
            }
        }
        bring_to_its_end(&mut story, &mut watch);
        watch.check_the_end(&story);
    }
}

fn paused_by(own: bool) -> PausedBy {
    if own { PausedBy::Saga } else { PausedBy::Workflow }
}

/// From wherever chance left it, healthy participants bring every saga to its end.
fn bring_to_its_end(story: &mut Story<Shape>, watch: &mut Watch) {
    if let Some(pause) = story.saga.paused.clone() {
        story.operator(Action::Resume(pause.by));
        watch.see(story);
    }
    for _ in 0..20 {
        if let Some(input) = input_of(story, Chance::Answer(0, Answer::Done, 1)) {
            story.give(&input);
            watch.see(story);
        }
    }
}

fn input_of(story: &mut Story<Shape>, chance: Chance) -> Option<Input> {
    let is_about_a_command = matches!(chance, Chance::Answer(..) | Chance::Stray(..) | Chance::Skip(..));
    if is_about_a_command && story.saga.has_begun() && story.saga.attempt == 0 {
        return None; // Paused: what it waits for was never sent, so nobody answers it.
    }
    let by = |action| Input::Operator { action, by: String::new(), reason: String::new() };
    Some(match chance {
        Chance::Begin => Input::Begin,
        Chance::Cancel => Input::Cancel,
        Chance::Retry => by(Action::Retry),
        Chance::Abandon => by(Action::Abandon),
        Chance::Pause(own) => by(Action::Pause(paused_by(own))),
        Chance::Resume(own) => by(Action::Resume(paused_by(own))),
        Chance::Skip(step, fits) => {
            let step = step.map(|index| shape::name(index).to_owned());
            by(Action::Skip { step, result: if fits { done().body } else { None } })
        }
        Chance::Pass(by_ms) => {
            story.now += TimeDelta::milliseconds(by_ms);
            return None;
        }
        Chance::Wake => {
            story.now = story.now.max(story.saga.wake_at?);
            Input::Wake
        }
        Chance::Answer(which, answer, attempt) => {
            let waiting: Vec<_> = story.saga.waiting(&story.definition).collect();
            let command = waiting.get(which % waiting.len().max(1))?;
            let (step, direction) = (command.step.to_owned(), command.direction);
            Input::Reply { step, direction, attempt, reply: reply(answer) }
        }
        Chance::Stray(step, direction, answer) => {
            let step = shape::name(step).to_owned();
            Input::Reply { step, direction, attempt: 1, reply: reply(answer) }
        }
    })
}

fn done() -> ReplyData {
    ReplyData { outcome: Answered::Done, code: None, body: to_raw_value(&shape::Worked { number: 7 }).ok() }
}

fn reply(answer: Answer) -> ReplyData {
    match answer {
        Answer::Done => done(),
        Answer::Refused => crate::order::refused("no"),
        Answer::Fault => ReplyData::fault("disk"),
        Answer::Garbled => crate::order::garbled(),
    }
}
