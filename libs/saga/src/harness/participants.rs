//! Participants as they have to be: a repeated command gets its first answer again, and what is
//! undone is never done afterwards.

use std::collections::HashMap;

use contracts::{Direction, Outcome as Answered, ReplyData};
use uuid::Uuid;

use crate::Send;

#[derive(Default)]
pub(super) struct Participants {
    answers: HashMap<Uuid, ReplyData>,
    /// The steps whose effect stands.
    pub(super) standing: Vec<&'static str>,
    /// The steps that were undone, in that order.
    pub(super) undone: Vec<&'static str>,
}

impl Participants {
    /// Executes a command, unless it was executed before.
    pub(super) fn execute(&mut self, command: &Send, answer: impl FnOnce() -> ReplyData) -> ReplyData {
        if let Some(answer) = self.answers.get(&command.command_id) {
            return answer.clone();
        }
        let was_undone = self.undone.contains(&command.step);
        let answer = match command.direction {
            Direction::Do if was_undone => refusal(crate::Cause::CANCELLED),
            Direction::Do | Direction::Undo => answer(),
        };
        match (command.direction, answer.outcome) {
            (Direction::Do, Answered::Done) => self.standing.push(command.step),
            (Direction::Undo, Answered::Done) => {
                self.standing.retain(|step| *step != command.step);
                self.undone.push(command.step);
            }
            _ => {}
        }
        self.answers.insert(command.command_id, answer.clone());
        answer
    }
}

pub(super) fn refusal(code: &str) -> ReplyData {
    ReplyData { outcome: Answered::Refused, code: Some(code.to_owned()), body: None }
}
