//! The model leaves out times, the number of inputs, later askings, and rows nobody asks about. Here random
//! sequences run on the real thing, which keeps all of it, and on the model's tables: they must agree.

use std::sync::LazyLock;

use chrono::TimeDelta;
use contracts::{ReplyData, Timestamp};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use saga::{Definition, Effect, Instance};

use crate::billing::{self, Books};
use crate::model::{BEGIN, Bounds, DEADLINE, Orders, WAKE};
use crate::order::{Command, ORDERS, Order, definition, now};
use crate::participants::{Answer, Rows};
use crate::running::{Input, clock, in_short, inputs, real, waits_for};
use crate::sagas::SagaTable;
use crate::stock::{self, Shelf};

const BOUNDS: Bounds = Bounds { money: &[25], pieces: &[3], faults: true, cancels: true, pauses: true };

/// What happens next to a saga on real time.
#[derive(Debug, Clone, Copy)]
enum Chance {
    /// One of the inputs, by its number.
    Any(usize),
    /// One of the answers to what is waited for.
    Answer(usize),
    /// It is woken as soon as it is due.
    Due,
    /// Milliseconds pass.
    Pass(i64),
}

fn chance() -> impl Strategy<Value = Chance> {
    prop_oneof![
        3 => any::<usize>().prop_map(Chance::Any),
        4 => any::<usize>().prop_map(Chance::Answer),
        3 => Just(Chance::Due),
        2 => (0..400_000_i64).prop_map(Chance::Pass),
    ]
}

/// A saga that keeps everything, on real time, and the number of the table's state that stands for it.
struct Pair<'a> {
    definition: Definition<Order>,
    table: &'a SagaTable,
    inputs: Vec<Input>,
    real: Instance<Order>,
    now: Timestamp,
    short: u16,
}

impl<'a> Pair<'a> {
    fn new(model: &'a Orders, order: usize) -> Self {
        let definition = definition();
        let table = &model.sagas[order];
        let real = Instance::new(&definition, Order::id(order), Order::new(order), now());
        Self { definition, table, inputs: inputs(&table.letters), real, now: now(), short: 0 }
    }

    fn take(&mut self, chance: Chance) {
        match chance {
            Chance::Pass(milliseconds) => self.now += TimeDelta::milliseconds(milliseconds),
            Chance::Due => {
                self.now = self.real.wake_at.map_or(self.now, |due| due.max(self.now));
                self.give(WAKE);
            }
            Chance::Any(which) => self.give(which % self.inputs.len()),
            Chance::Answer(which) => {
                let waited = waits_for(&self.real, &self.definition);
                let answers = |input: &Input| matches!(input, Input::Reply(letter, _) if Some(letter.command) == waited);
                let fitting: Vec<usize> = self.numbers(answers);
                if !fitting.is_empty() {
                    self.give(fitting[which % fitting.len()]);
                }
            }
        }
    }

    fn numbers(&self, which: impl Fn(&Input) -> bool) -> Vec<usize> {
        let numbered = self.inputs.iter().enumerate();
        numbered.filter(|(_, input)| which(input)).map(|(number, _)| number).collect()
    }

    /// Gives both the same input; they must send the same and be the same afterwards.
    fn give(&mut self, number: usize) {
        let is_due = self.real.wake_at.is_some_and(|due| due <= self.now);
        if number == DEADLINE || (number == WAKE && !is_due) {
            return; // Time passes by itself here, and the model's sagas are always due.
        }
        if self.real.deadline_at <= clock(&self.real, self.now) {
            self.short = self.table.table.entry(self.short, DEADLINE).next;
        }
        let (saga, effects) =
            saga::advance(&self.definition, self.real.clone(), &real(&self.inputs[number]), self.now);
        let sent = effects.iter().filter_map(|effect| match effect {
            Effect::Send(send) => Some(Command::of(send.step, send.direction)),
            _ => None,
        });
        let entry = self.table.table.entry(self.short, number);
        assert_eq!(Vec::from_iter(sent), Vec::from_iter(entry.output), "they send different commands");
        (self.real, self.short) = (saga, entry.next);
        let short = &self.table.states[usize::from(self.short)].saga;
        assert_eq!(in_short(self.real.clone(), self.now), *short);
    }
}

/// The same commands for rows that are kept and for rows that are made anew each time.
fn decide_both<R: Rows, S>(
    mut rows: R,
    mut set: S,
    asked: Vec<(usize, Command)>,
    decide: fn(&mut S, usize, Command) -> ReplyData,
    after: fn(&R, &S) -> R,
) {
    for (order, command) in asked {
        let (next, reply) = rows.decide(order, command);
        rows = next;
        assert_eq!(Answer::from(decide(&mut set, order, command)), Answer::from(reply));
        assert_eq!(after(&rows, &set), rows);
    }
}

fn asked(of_stock: bool) -> impl Strategy<Value = Vec<(usize, Command)>> {
    let commands: Vec<Command> =
        Command::ALL.into_iter().filter(|command| command.is_of_stock() == of_stock).collect();
    vec((0..ORDERS, select(commands)), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_saga_on_real_time_does_what_its_short_form_does(
        order in 0..ORDERS,
        chances in vec(chance(), 1..60),
    ) {
        static MODEL: LazyLock<Orders> = LazyLock::new(|| Orders::new(BOUNDS, None));
        let mut pair = Pair::new(&MODEL, order);
        pair.give(BEGIN);
        for chance in chances {
            pair.take(chance);
        }
    }

    #[test]
    fn stock_with_its_working_set_does_what_its_rows_do(asked in asked(true), pieces in 0..4_i64) {
        let shelf = Shelf::with(pieces);
        decide_both(shelf.clone(), shelf.set(), asked, stock::decide, Shelf::after);
    }

    #[test]
    fn billing_with_its_working_set_does_what_its_rows_do(asked in asked(false), money in 0..40_i64) {
        let books = Books::with(money);
        decide_both(books.clone(), books.set(), asked, billing::decide, Books::after);
    }
}
