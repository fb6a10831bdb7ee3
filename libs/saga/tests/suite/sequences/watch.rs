//! Watches a saga from outside: its history, and its row before and after.

use std::collections::HashMap;

use contracts::{Direction, Outcome as Answered};
use saga::{Action, Decision, Input, Instance, Note, Outcome, Phase, Record};

use super::shape::{NOTHING_TO_UNDO, Shape};
use crate::story::Story;

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Watch {
    records_seen: usize,
    before: Option<Instance<Shape>>,
    /// The steps asked for, in the order of their first asking.
    asked: Vec<String>,
    /// The undos asked for, in the order of their first asking.
    undone: Vec<String>,
    refused: Option<String>,
    decided: Option<Decision>,
    finished: Option<Outcome>,
    sends: HashMap<(String, Direction), u32>,
    wakes: u32,
    /// Whether its time stands still.
    pauses: bool,
}

impl Watch {
    /// After every input; story itself has compared the row and the replay.
    pub(crate) fn see(&mut self, story: &Story<Shape>) {
        let saga = &story.saga;
        if let Some(before) = self.before.replace(saga.clone())
            && before.is_final()
        {
            assert_eq!(*saga, before, "an ended saga changed");
        }
        assert_eq!(saga.wake_at.is_none(), saga.is_final());
        assert_eq!(saga.stuck_since.is_none(), saga.stuck.is_empty());
        assert!(saga.decided() || saga.wake_at <= Some(saga.deadline_at), "the deadline passes unnoticed");
        assert_eq!(saga.seq as usize, story.history.len(), "numbered without gaps");
        for record in &story.history[self.records_seen..] {
            self.learn(record);
        }
        self.records_seen = story.history.len();
    }

    fn learn(&mut self, record: &Record) {
        match &record.input {
            Input::Reply { step, direction: Direction::Do, reply, .. }
                if reply.outcome == Answered::Refused && self.decided.is_none() =>
            {
                self.refused = Some(step.clone());
            }
            Input::Wake | Input::Operator { action: Action::Retry | Action::Resume(_), .. } => {
                self.wakes += 1;
            }
            // Nothing is sent before it is resumed; see `pauses`.
            Input::Operator { action: Action::Pause(_), .. } => self.pauses = true,
            _ => {}
        }
        if let Input::Operator { action: Action::Resume(_), .. } = &record.input {
            self.pauses = false;
        }
        let sends = record.effects.iter().any(|note| matches!(note, Note::Sent(..)));
        assert!(!(self.pauses && sends), "sent while its time stands still");
        for note in &record.effects {
            assert!(self.finished.is_none(), "{note:?} after the end");
            match note {
                Note::Sent(step, direction, attempt) => self.sent(step, *direction, *attempt),
                Note::Decided(decision) => {
                    assert_eq!(self.decided.replace(decision.clone()), None, "decided twice");
                }
                Note::Finished(outcome) => self.finished = Some(outcome.clone()),
                Note::Published(_) | Note::Stuck(..) | Note::Healed => {}
            }
        }
    }

    fn sent(&mut self, step: &str, direction: Direction, attempt: u32) {
        let times = self.sends.entry((step.to_owned(), direction)).or_default();
        *times += 1;
        assert_eq!(*times, attempt, "attempts are counted");
        assert!(*times <= 1 + self.wakes, "sent without a reason");
        let is_compensatable = step.len() == 1;
        let turned_back = matches!(self.decided, Some(Decision::TurnedBack(_)));
        match direction {
            Direction::Undo => assert!(turned_back && is_compensatable, "{step} undone without turning back"),
            Direction::Do if is_compensatable => assert_eq!(self.decided, None, "forward after the decision"),
            Direction::Do if step.starts_with("joy") => assert_eq!(self.decided, Some(Decision::Confirmed)),
            Direction::Do => assert!(turned_back),
        }
        let order = if direction == Direction::Do { &mut self.asked } else { &mut self.undone };
        if attempt == 1 {
            order.push(step.to_owned());
        }
    }

    /// At the end: everything that may be done was undone, the latest first, or nothing was.
    pub(crate) fn check_the_end(&self, story: &Story<Shape>) {
        let Phase::Final(outcome) = &story.saga.phase else { panic!("it did not end: {:?}", story.saga) };
        assert_eq!(self.finished.as_ref(), Some(outcome));
        let shape = &story.saga.data;
        match outcome {
            Outcome::Completed => {
                assert_eq!(self.undone, [""; 0]);
                assert_eq!(shape.learned.len(), shape.needed[..4].iter().filter(|needed| **needed).count());
                assert!(shape.may_pass);
                self.check_tail("joy", &shape.needed[4..7]);
            }
            Outcome::TurnedBack(cause) => {
                assert_eq!(cause.step, self.refused);
                let is_left =
                    |step: &&String| *step != NOTHING_TO_UNDO && Some(*step) != self.refused.as_ref();
                let to_undo = self.asked.iter().filter(|step| step.len() == 1).filter(is_left);
                assert_eq!(self.undone, to_undo.rev().cloned().collect::<Vec<_>>());
                self.check_tail("sorrow", &shape.needed[7..9]);
            }
            Outcome::Abandoned => {}
        }
    }

    fn check_tail(&self, prefix: &str, needed: &[bool]) {
        let asked = self.asked.iter().filter(|step| step.starts_with(prefix)).count();
        assert_eq!(asked, needed.iter().filter(|needed| **needed).count());
    }
}
