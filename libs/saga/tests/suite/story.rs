//! A saga told input by input: what is given, and what is expected of it, in short words.

use contracts::{Direction, ReplyData, Timestamp};
use saga::{
    Action, Decision, Definition, Effect, Input, Instance, Outcome, Record, State, StuckWhy, advance,
    ignored, replay,
};
use serde::Serialize;
use uuid::Uuid;

use crate::order::{Order, start};

/// A saga, its definition, its time and its history.
pub(crate) struct Story<D> {
    pub(crate) definition: Definition<D>,
    pub(crate) saga: Instance<D>,
    pub(crate) history: Vec<Record>,
    pub(crate) now: Timestamp,
    began_with: D,
}

impl Story<Order> {
    /// Of an order with items, or of a price alone.
    pub(crate) fn of(order: Order) -> Self {
        Self::new(crate::order::definition(), order)
    }

    /// An order with items that waits for this step.
    pub(crate) fn waiting_for(step: &str) -> Self {
        let mut story = Self::of(Order::of_items());
        story.give(&Input::Begin);
        while !story.waits().contains(&format!("{step}/do")) {
            story.done_next();
        }
        story
    }

    /// An order with items that undoes this step, cancelled while it waited for another.
    pub(crate) fn undoing(step: &str, cancelled_at: &str) -> Self {
        let mut story = Self::waiting_for(cancelled_at);
        story.give(&Input::Cancel);
        while !story.waits().contains(&format!("{step}/undo")) {
            story.done_next();
        }
        story
    }

    /// The first command waited for is done as healthy participants do it.
    pub(crate) fn done_next(&mut self) -> Vec<String> {
        let waiting = self.saga.waiting(&self.definition).next().expect("something is waited for");
        self.done(waiting.step, waiting.direction)
    }

    /// A command is done as healthy participants do it.
    pub(crate) fn done(&mut self, step: &str, direction: Direction) -> Vec<String> {
        self.reply(step, direction, crate::order::healthy(step, direction))
    }
}

impl<D: Clone + PartialEq + std::fmt::Debug + Serialize> Story<D> {
    pub(crate) fn new(definition: Definition<D>, data: D) -> Self {
        let saga = Instance::new(&definition, Uuid::from_u128(42), data.clone(), start());
        Self { definition, saga, history: vec![], now: start(), began_with: data }
    }

    /// Gives an input; what it caused. Whatever it is: the row and the history make the same saga, and
    /// a reply is matched by step and direction alone.
    pub(crate) fn give(&mut self, input: &Input) -> Vec<String> {
        let before = self.saga.clone();
        let waits = self.waits();
        let (saga, effects) = advance(&self.definition, before.clone(), input, self.now);
        self.saga = saga;
        if let Input::Reply { step, direction, attempt, reply } = input {
            let (step, direction, reply) = (step.clone(), *direction, reply.clone());
            let is_waited_for = waits.contains(&format!("{step}/{direction}"));
            assert!(is_waited_for || ignored(&effects).is_some(), "another command's reply was heard");
            let later = Input::Reply { step, direction, attempt: attempt + 1, reply };
            let (same, _) = advance(&self.definition, before.clone(), &later, self.now);
            assert_eq!(same, self.saga, "the attempt of a reply made a difference");
        }
        match Record::of(&self.saga, input, &effects, self.now) {
            Some(record) => self.history.push(through_a_row(&record)),
            None => assert_eq!(self.saga, before, "ignored, and changed"),
        }
        assert_eq!(through_a_row::<State>(&self.saga.state), self.saga.state);
        if !self.history.is_empty() {
            let again = replay(&self.definition, self.saga.id, self.began_with.clone(), &self.history);
            assert_eq!(again, self.saga);
        }
        effects.iter().map(told).collect()
    }

    pub(crate) fn reply(&mut self, step: &str, direction: Direction, reply: ReplyData) -> Vec<String> {
        self.give(&Input::Reply { step: step.to_owned(), direction, attempt: self.saga.attempt, reply })
    }

    /// Lets time pass until it has to be woken, and wakes it.
    pub(crate) fn wake(&mut self) -> Vec<String> {
        self.now = self.saga.wake_at.expect("it is open");
        self.give(&Input::Wake)
    }

    pub(crate) fn operator(&mut self, action: Action) -> Vec<String> {
        self.give(&Input::Operator { action, by: "olga".to_owned(), reason: "ticket 7".to_owned() })
    }

    /// What it waits for, as `step/direction`.
    pub(crate) fn waits(&self) -> Vec<String> {
        let waiting = self.saga.waiting(&self.definition);
        waiting.map(|command| format!("{}/{}", command.step, command.direction)).collect()
    }
}

fn through_a_row<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    // Postgres' jsonb keeps the value, not the text.
    serde_json::from_value(serde_json::to_value(value).unwrap()).unwrap()
}

fn told(effect: &Effect) -> String {
    match effect {
        Effect::Send(sent) => format!("send {}/{} #{}", sent.step, sent.direction, sent.attempt),
        Effect::Publish(event) => format!("publish {}", event.event_type),
        Effect::Decided(Decision::Confirmed) => "decided: confirmed".to_owned(),
        Effect::Decided(Decision::TurnedBack(cause)) => format!("decided: turn back, {}", cause.code),
        Effect::Finished(Outcome::TurnedBack(cause)) => format!("finished: turned back, {}", cause.code),
        Effect::Finished(outcome) => format!("finished: {}", outcome.status().as_str()),
        Effect::Stuck { step, direction, why: StuckWhy::Unanswered } => format!("stuck {step}/{direction}"),
        Effect::Stuck { step, direction, why: StuckWhy::Refused(code) } => {
            format!("stuck {step}/{direction}, {code}")
        }
        Effect::Healed => "healed".to_owned(),
        Effect::Ignored(why) => format!("ignored: {why}"),
    }
}
