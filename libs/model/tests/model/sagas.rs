//! A saga as a table, and what the properties want to know of it in each of its states.

use contracts::Outcome;
use saga::{Definition, Outcome as Ending, Phase};

use crate::automaton::{Table, explore};
use crate::mistakes::Mistake;
use crate::order::{Command, Order};
use crate::participants::Letter;
use crate::running::{FIRST_REPLY, Input, Running, inputs, waits_for};

/// One order's saga. An input is one of [`inputs`]; an output the command that is sent, if one is.
#[derive(Debug)]
pub(crate) struct SagaTable {
    pub(crate) table: Table<Option<Command>>,
    pub(crate) states: Vec<Running>,
    facts: Vec<Facts>,
    /// What the order is answered.
    pub(crate) letters: Vec<Letter>,
}

/// What there is to know of a saga in one state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) is_late: bool,
    pub(crate) is_paused: bool,
    /// Which asking it is at.
    pub(crate) asking: u32,
    pub(crate) waits_for: Option<Command>,
    /// What it will undo on turning back, or has passed the pivot with: stock, funds.
    pub(crate) lists: [bool; 2],
    pub(crate) is_confirmed: bool,
    pub(crate) ending: Option<End>,
    /// See [`Running::progress`].
    pub(crate) progress: u32,
    pub(crate) keeps_its_decision: bool,
    pub(crate) undoes_in_reverse: bool,
    /// Has not ended, or nothing changes it and it sends nothing, whatever it is given.
    pub(crate) absorbs: bool,
    /// An answer to what it waits for is heard, any other is not, and the asking makes no difference.
    pub(crate) hears_rightly: bool,
}

/// How a saga ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    TurnedBack,
}

impl SagaTable {
    /// Writes out the saga of an order that is answered with these letters.
    pub(crate) fn explore(
        definition: &Definition<Order>,
        number: usize,
        letters: Vec<Letter>,
        mistake: Option<Mistake>,
    ) -> Self {
        let inputs = inputs(&letters);
        let first = vec![Running::new(definition, number)];
        let (states, table) = explore(first, &inputs, |from: &Running, input| {
            let (after, sent) = from.give(definition, input, mistake);
            assert!(sent.len() <= 1, "this workflow never waits for two commands at once");
            (after, sent.first().copied())
        });
        let facts = (0_u16..).zip(&states);
        let facts = facts.map(|(state, running)| Facts::of(definition, running, state, &table, &inputs));
        Self { facts: facts.collect(), states, table, letters }
    }

    pub(crate) fn facts(&self, state: u16) -> &Facts {
        &self.facts[usize::from(state)]
    }
}

impl Facts {
    fn of(
        definition: &Definition<Order>,
        running: &Running,
        state: u16,
        table: &Table<Option<Command>>,
        inputs: &[Input],
    ) -> Self {
        let saga = &running.saga;
        let waits_for = waits_for(saga, definition);
        Self {
            is_late: running.is_late(),
            is_paused: saga.paused.is_some(),
            asking: saga.attempt,
            waits_for,
            lists: [0, 1].map(|step| saga.possibly_done.contains(step)),
            is_confirmed: running.is_confirmed(),
            ending: match &saga.phase {
                Phase::Final(Ending::TurnedBack(_)) => Some(End::TurnedBack),
                Phase::Final(_) => Some(End::Completed),
                _ => None,
            },
            progress: running.progress(),
            keeps_its_decision: running.keeps_its_decision(),
            undoes_in_reverse: running.undoes_in_reverse(),
            absorbs: !saga.is_final() || absorbs(state, table, inputs),
            hears_rightly: hears_rightly(state, waits_for, table, inputs),
        }
    }
}

fn absorbs(state: u16, table: &Table<Option<Command>>, inputs: &[Input]) -> bool {
    let entries = (0..inputs.len()).map(|input| table.entry(state, input));
    entries.into_iter().all(|entry| entry.next == state && entry.output.is_none())
}

/// Replies come in pairs, the same answer to the first asking and to the second.
fn hears_rightly(
    state: u16,
    waits_for: Option<Command>,
    table: &Table<Option<Command>>,
    inputs: &[Input],
) -> bool {
    (FIRST_REPLY..inputs.len()).step_by(2).all(|first| {
        let Input::Reply(letter, _) = &inputs[first] else { return false };
        let (first, second) = (table.entry(state, first), table.entry(state, first + 1));
        let moves = first.next != state;
        let is_same = (first.next, first.output) == (second.next, second.output);
        let is_waited_for = waits_for == Some(letter.command);
        // A failure that is told twice changes nothing the second time.
        let must_move = is_waited_for && letter.answer.outcome == Outcome::Done;
        is_same && (is_waited_for || !moves) && (moves || !must_move)
    })
}
