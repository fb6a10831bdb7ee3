//! A participant: its real rule over its rows, and beside it a witness who only looks at how the sums change.
//! The mistakes of participants are made here, around the rule.

use std::fmt::Debug;

use contracts::{Direction, Outcome, ReplyData};
use serde_json::value::RawValue;

use crate::automaton::{Table, explore};
use crate::mistakes::Mistake;
use crate::order::{Command, ORDERS};

/// A participant's rows, and its real rule over them.
pub(crate) trait Rows: Clone + PartialEq + Debug {
    /// Decides a command for an order by the participant's own rule.
    fn decide(&self, order: usize, command: Command) -> (Self, ReplyData);
    /// Whether there is a row about the order.
    fn knows(&self, order: usize) -> bool;
    /// Without anything about the order but the sums.
    fn without(self, order: usize) -> Self;
    /// What is promised to orders, in all.
    fn promised(&self) -> i64;
    /// What was taken for good, in all.
    fn taken(&self) -> i64;
    /// Whether nothing is below zero and every sum agrees with the rows that it is the sum of.
    fn agree(&self) -> bool;
}

/// An answer by its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) code: Option<String>,
    body: Option<String>,
}

impl From<ReplyData> for Answer {
    fn from(reply: ReplyData) -> Self {
        let body = reply.body.map(|body| body.get().to_owned());
        Self { outcome: reply.outcome, code: reply.code, body }
    }
}

impl From<&Answer> for ReplyData {
    fn from(answer: &Answer) -> Self {
        let body = answer.body.clone().map(|body| RawValue::from_string(body).expect("it was JSON before"));
        Self { outcome: answer.outcome, code: answer.code.clone(), body }
    }
}

/// What a participant did for an order, by how its sums changed, and what it said. Two stands for more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Deeds {
    promised: u8,
    given_back: u8,
    taken: u8,
    /// It answered a refusal, or that it is undone: whatever comes later, nothing may be done.
    said_no: bool,
    /// It answered that it is undone.
    said_undone: bool,
}

/// A participant in one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Participant<R> {
    pub(crate) rows: R,
    deeds: [Deeds; ORDERS],
}

impl<R: Rows> Participant<R> {
    pub(crate) fn new(rows: R) -> Self {
        Self { rows, deeds: [Deeds::default(); ORDERS] }
    }

    /// Executes a command; what it answers, if it does.
    pub(crate) fn execute(
        &self,
        order: usize,
        command: Command,
        mistake: Option<Mistake>,
    ) -> (Self, Option<Answer>) {
        let is_repeat = self.rows.knows(order);
        let is_forgotten = mistake == Some(Mistake::RepeatIsDoneAgain)
            && command.is_reservation()
            && self.deeds[order].promised < 2;
        let found = if is_forgotten { self.rows.clone().without(order) } else { self.rows.clone() };
        let (rows, reply) = found.decide(order, command);
        let is_kept = is_repeat
            || match mistake {
                Some(Mistake::NoTombstone) => command.is_reservation(),
                Some(Mistake::RefusalWithoutRow) => reply.outcome != Outcome::Refused,
                _ => true,
            };
        let rows = if is_kept { rows } else { rows.without(order) };
        let is_dropped = mistake == Some(Mistake::RepeatIsNotAnswered) && is_repeat && rows == self.rows;
        let mut after = Self { rows, ..self.clone() };
        after.witness(self, order, command, reply.outcome);
        (after, (!is_dropped).then(|| reply.into()))
    }

    fn witness(&mut self, before: &Self, order: usize, command: Command, outcome: Outcome) {
        let promised = self.rows.promised() - before.rows.promised();
        let taken = self.rows.taken() - before.rows.taken();
        let deeds = &mut self.deeds[order];
        count(&mut deeds.promised, promised > 0);
        count(&mut deeds.given_back, promised < 0 && taken == 0);
        count(&mut deeds.taken, taken > 0);
        deeds.said_undone |= command.direction() == Direction::Undo && outcome == Outcome::Done;
        deeds.said_no |= deeds.said_undone || (command.is_reservation() && outcome == Outcome::Refused);
    }
}

fn count(times: &mut u8, happened: bool) {
    *times = (*times + u8::from(happened)).min(2);
}

/// What the properties want to know of a participant in one of its states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Testimony {
    /// See [`Rows::agree`].
    pub(crate) agrees: bool,
    /// Something was promised, given back or taken more than once.
    pub(crate) is_doubled: bool,
    /// Of each order.
    pub(crate) of: [TestimonyOf; ORDERS],
}

/// The same of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TestimonyOf {
    /// Something is promised to it.
    pub(crate) stands: bool,
    /// Something was taken for it, for good.
    pub(crate) is_taken: bool,
    /// It was told no, or that it is undone.
    pub(crate) was_told_no: bool,
    /// It was told that it is undone.
    pub(crate) was_told_undone: bool,
    /// The same, and there was nothing to undo.
    pub(crate) was_undone_first: bool,
}

impl<R: Rows> From<&Participant<R>> for Testimony {
    fn from(participant: &Participant<R>) -> Self {
        let of = participant.deeds.map(|deeds| TestimonyOf {
            stands: deeds.promised > deeds.given_back + deeds.taken,
            is_taken: deeds.taken > 0,
            was_told_no: deeds.said_no,
            was_told_undone: deeds.said_undone,
            was_undone_first: deeds.said_undone && deeds.promised == 0,
        });
        let is_doubled = |deeds: &Deeds| deeds.promised.max(deeds.given_back).max(deeds.taken) > 1;
        Self { agrees: participant.rows.agree(), is_doubled: participant.deeds.iter().any(is_doubled), of }
    }
}

/// A participant as a table. An input is a command for an order; an output the number of the answer among
/// all that the order is ever given.
#[derive(Debug)]
pub(crate) struct ParticipantTable {
    pub(crate) table: Table<Option<u8>>,
    pub(crate) testimonies: Vec<Testimony>,
    /// See [`Table::heights`].
    pub(crate) heights: Option<Vec<u32>>,
}

/// An answer to a command of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) command: Command,
    pub(crate) answer: Answer,
}

/// Every command for every order, in the order of the tables' inputs.
pub(crate) fn inputs() -> Vec<(usize, Command)> {
    (0..ORDERS).flat_map(|order| Command::ALL.map(|command| (order, command))).collect()
}

pub(crate) fn input(order: usize, command: Command) -> usize {
    order * Command::ALL.len() + command as usize
}

impl ParticipantTable {
    /// Writes out the rule over these rows. Answers that are new are added to the orders' letters.
    pub(crate) fn explore<R: Rows>(
        first: Vec<R>,
        answers: fn(Command) -> bool,
        letters: &mut [Vec<Letter>; ORDERS],
        mistake: Option<Mistake>,
    ) -> Self {
        let inputs = inputs();
        let first = first.into_iter().map(Participant::new).collect();
        let (states, table) = explore(first, &inputs, |from: &Participant<R>, &(order, command)| {
            if answers(command) { from.execute(order, command, mistake) } else { (from.clone(), None) }
        });
        let heights = table.heights();
        let table = table.map(|input, answer: Option<Answer>| {
            let (order, command) = inputs[input];
            answer.map(|answer| number(&mut letters[order], Letter { command, answer }))
        });
        Self { table, testimonies: states.iter().map(Testimony::from).collect(), heights }
    }
}

fn number(letters: &mut Vec<Letter>, letter: Letter) -> u8 {
    let number = letters.iter().position(|known| *known == letter).unwrap_or_else(|| {
        letters.push(letter);
        letters.len() - 1
    });
    u8::try_from(number).expect("a participant has few answers")
}
