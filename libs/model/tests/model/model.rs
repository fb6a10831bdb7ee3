//! Two sagas on one account and one position: every order of everything that can happen to them.

use stateright::{Model, Property};

use crate::billing::Books;
use crate::channel::Road;
use crate::mistakes::Mistake;
use crate::order::{Command, ORDERS, definition};
use crate::participants::{Letter, ParticipantTable, Testimony, input};
use crate::properties;
use crate::running::FIRST_REPLY;
use crate::sagas::{Facts, SagaTable};
use crate::stock::Shelf;

/// How much is gone through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The money of the account at first, in minor units; each in a run of its own.
    pub(crate) money: &'static [i64],
    /// The pieces of the position at first; each with each money.
    pub(crate) pieces: &'static [i64],
    /// Whether participants may have technical failures.
    pub(crate) faults: bool,
    /// Whether users cancel.
    pub(crate) cancels: bool,
    /// Whether operators pause and resume sagas.
    pub(crate) pauses: bool,
}

/// What is checked.
#[derive(Debug)]
pub(crate) struct Orders {
    pub(crate) bounds: Bounds,
    mistake: Option<Mistake>,
    pub(crate) sagas: [SagaTable; ORDERS],
    /// Stock, billing.
    pub(crate) participants: [ParticipantTable; 2],
}

/// All that there is in one moment. Sagas and participants by the numbers of their tables' states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Moment {
    pub(crate) sagas: [u16; ORDERS],
    pub(crate) participants: [u16; 2],
    pub(crate) roads: [Road; ORDERS],
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Action {
    /// To which order.
    pub(crate) order: usize,
    pub(crate) what: What,
    /// Whoever does it commits, and dies before anything is published.
    pub(crate) crashes: bool,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Something comes to the saga: one of its table's inputs.
    Saga(usize),
    /// A participant gets a command of this asking, and executes it.
    Participant(Command, u32),
}

pub(crate) const BEGIN: usize = 0;
pub(crate) const WAKE: usize = 1;
pub(crate) const CANCEL: usize = 2;
pub(crate) const DEADLINE: usize = 3;
const PAUSE: usize = 4;
pub(crate) const RESUME: usize = 5;

/// The saga's input that a reply is.
pub(crate) fn reply(letter: u8, asking: u32) -> usize {
    FIRST_REPLY + usize::from(letter) * 2 + asking as usize - 1
}

impl Orders {
    pub(crate) fn new(bounds: Bounds, mistake: Option<Mistake>) -> Self {
        let mut letters: [Vec<Letter>; ORDERS] = Default::default();
        let shelves = bounds.pieces.iter().map(|pieces| Shelf::with(*pieces)).collect();
        let books = bounds.money.iter().map(|money| Books::with(*money)).collect();
        let stock = ParticipantTable::explore(shelves, Command::is_of_stock, &mut letters, mistake);
        let billing = ParticipantTable::explore(books, |one| !one.is_of_stock(), &mut letters, mistake);
        let definition = definition();
        let mut number = 0..;
        let sagas = letters.map(|letters| {
            SagaTable::explore(&definition, number.next().unwrap_or_default(), letters, mistake)
        });
        Self { bounds, mistake, sagas, participants: [stock, billing] }
    }

    pub(crate) fn facts(&self, moment: &Moment, order: usize) -> &Facts {
        self.sagas[order].facts(moment.sagas[order])
    }

    /// Stock's, billing's.
    pub(crate) fn testimonies(&self, moment: &Moment) -> [&Testimony; 2] {
        [0, 1].map(|who| &self.participants[who].testimonies[usize::from(moment.participants[who])])
    }

    pub(crate) fn after(&self, moment: &Moment, action: Action) -> Moment {
        let mut after = *moment;
        let Action { order, what, crashes } = action;
        match what {
            What::Saga(input) => self.give(&mut after, order, input, crashes),
            What::Participant(command, asking) => self.execute(&mut after, order, command, asking, crashes),
        }
        after
    }

    fn give(&self, moment: &mut Moment, order: usize, input: usize, crashes: bool) {
        let before = self.facts(moment, order).waits_for;
        let entry = self.sagas[order].table.entry(moment.sagas[order], input);
        moment.sagas[order] = entry.next;
        let facts = self.facts(moment, order);
        if let Some(command) = entry.output.filter(|_| !crashes) {
            moment.roads[order].send(command, facts.asking);
        }
        if before != facts.waits_for {
            moment.roads[order].forget(&self.sagas[order], |command| self.hears(facts, command));
        }
    }

    fn execute(&self, moment: &mut Moment, order: usize, command: Command, asking: u32, crashes: bool) {
        let who = usize::from(!command.is_of_stock());
        let entry = self.participants[who].table.entry(moment.participants[who], input(order, command));
        moment.participants[who] = entry.next;
        let is_heard = self.hears(self.facts(moment, order), command);
        if let Some(letter) = entry.output.filter(|_| is_heard && !crashes) {
            moment.roads[order].answer(letter, asking);
        }
    }

    /// Whether a reply to the command may make a difference to the saga.
    fn hears(&self, facts: &Facts, command: Command) -> bool {
        let is_mistaken = self.mistake == Some(Mistake::RepliesByStepAlone);
        facts.waits_for.is_some_and(|one| one == command || (is_mistaken && one.is_reverse_of(command)))
    }

    fn publishes(&self, moment: &Moment, order: usize, what: What) -> bool {
        match what {
            What::Saga(input) => self.sagas[order].table.entry(moment.sagas[order], input).output.is_some(),
            What::Participant(command, _) => self.hears(self.facts(moment, order), command),
        }
    }

    fn inputs_of_saga(&self, moment: &Moment, order: usize) -> impl Iterator<Item = usize> {
        let Bounds { faults, cancels, pauses, .. } = self.bounds;
        let facts = self.facts(moment, order);
        let fault = facts.waits_for.filter(|_| faults).map(|command| RESUME + 1 + command as usize);
        let replies = moment.roads[order].replies().map(|(letter, asking)| reply(letter, asking));
        let chosen = [cancels.then_some(CANCEL), pauses.then_some(PAUSE), pauses.then_some(RESUME), fault];
        [BEGIN, WAKE, DEADLINE].into_iter().chain(chosen.into_iter().flatten()).chain(replies)
    }
}

impl Model for Orders {
    type State = Moment;
    type Action = Action;

    fn init_states(&self) -> Vec<Moment> {
        let each = |many: &[i64]| 0..u16::try_from(many.len()).expect("they are few");
        let all = each(self.bounds.pieces)
            .flat_map(|shelf| each(self.bounds.money).map(move |books| [shelf, books]));
        all.map(|participants| Moment { sagas: [0; ORDERS], participants, roads: Default::default() })
            .collect()
    }

    fn actions(&self, moment: &Moment, actions: &mut Vec<Action>) {
        for order in 0..ORDERS {
            let commands = moment.roads[order].commands();
            let executed = commands.map(|(command, asking)| What::Participant(command, asking));
            for what in self.inputs_of_saga(moment, order).map(What::Saga).chain(executed) {
                actions.push(Action { order, what, crashes: false });
                if self.publishes(moment, order, what) {
                    actions.push(Action { order, what, crashes: true });
                }
            }
        }
    }

    /// None where nothing changes.
    fn next_state(&self, moment: &Moment, action: Action) -> Option<Moment> {
        Some(self.after(moment, action)).filter(|after| after != moment)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
