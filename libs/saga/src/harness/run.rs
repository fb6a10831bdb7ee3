//! One saga on virtual time, with a road on which commands and answers travel and get into trouble.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use contracts::{Direction, ReplyData, Timestamp};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::participants::{Participants, refusal};
use super::plan::{CommandName, Course, Plan, REFUSAL, Trouble};
use super::{Violation, checks};
use crate::{
    Action, Decision, Definition, Effect, Input, Instance, Outcome, PausedBy, Phase, Record, Send, StepKind,
    advance,
};

/// What all runs of a case share.
pub(super) struct Setting<'a, D> {
    pub(super) definition: &'a Definition<D>,
    pub(super) data: &'a D,
    pub(super) start: Timestamp,
    pub(super) answer: &'a dyn Fn(&str, &RawValue) -> ReplyData,
}

/// A saga being run, and all that was seen of it.
pub(super) struct Run<'a, D> {
    pub(super) setting: &'a Setting<'a, D>,
    pub(super) plan: Plan,
    pub(super) instance: Instance<D>,
    pub(super) now: Timestamp,
    pub(super) history: Vec<Record>,
    pub(super) sent: Vec<(Timestamp, Send)>,
    pub(super) heard: Vec<Input>,
    pub(super) decided: Option<(Timestamp, Decision)>,
    pub(super) was_stuck: bool,
    pub(super) participants: Participants,
    road: BTreeMap<(Timestamp, usize), Travelling>,
    departures: usize,
    /// Whether whoever made long trouble is repaired.
    is_repaired: bool,
}

enum Travelling {
    Command(Send),
    Input(Input),
}

/// One way on the road.
const LATENCY: TimeDelta = TimeDelta::milliseconds(10);

impl<'a, D: Clone + Serialize> Run<'a, D> {
    /// Runs a saga until it ends; where it gets stuck, that is checked, and the participant
    /// repaired. It must end as `expected`, if that is known.
    pub(super) fn to_its_end(
        setting: &'a Setting<'a, D>,
        plan: Plan,
        expected: Option<&str>,
    ) -> Result<Self, Violation> {
        let id = Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001);
        let instance = Instance::new(setting.definition, id, setting.data.clone(), setting.start);
        let mut run = Self {
            setting,
            plan,
            instance,
            now: setting.start,
            history: Vec::new(),
            sent: Vec::new(),
            heard: Vec::new(),
            decided: None,
            was_stuck: false,
            participants: Participants::default(),
            road: BTreeMap::new(),
            departures: 0,
            is_repaired: false,
        };
        run.give(&Input::Begin)?;
        run.travel(setting.start + run.patience())?;
        if !run.instance.is_final() {
            checks::is_stuck_and_asked(&run)?;
            run.is_repaired = true;
            run.travel(run.now + run.patience())?;
        }
        checks::at_the_end(&run, expected)?;
        run.absorb()?;
        Ok(run)
    }

    /// Longer than a saga with one trouble that heals may take, and long enough to get stuck.
    fn patience(&self) -> TimeDelta {
        let pace = self.setting.definition.pace();
        let stuck_ms = i64::from(pace.max_wait_ms) * (i64::from(pace.stuck_after_attempts) + 5);
        // Twice: a pause may last as long as the deadline.
        let deadline = self.setting.definition.deadline().unwrap_or_default();
        let deadline_ms = i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX);
        TimeDelta::milliseconds(deadline_ms) * 2 + TimeDelta::milliseconds(stuck_ms)
    }

    /// Lets things happen in the order of time, until the end of the saga or of patience.
    fn travel(&mut self, until: Timestamp) -> Result<(), Violation> {
        while !self.instance.is_final() {
            let arrival = self.road.first_key_value().map(|((at, _), _)| *at);
            let wake_at = self.instance.wake_at.filter(|_| self.instance.paused.is_none());
            let Some(next) = arrival.into_iter().chain(wake_at).min() else {
                return Err(self.violation("nothing will ever happen to it again"));
            };
            if next > until {
                break;
            }
            self.now = next;
            if arrival == Some(next) {
                self.arrive()?;
                continue;
            }
            self.give(&Input::Wake)?;
            if self.instance.wake_at.is_some_and(|at| at <= self.now) {
                return Err(self.violation("it would be woken again at once"));
            }
        }
        Ok(())
    }

    fn arrive(&mut self) -> Result<(), Violation> {
        match self.road.pop_first() {
            Some((_, Travelling::Command(command))) => self.execute(&command),
            Some((_, Travelling::Input(input))) => return self.give(&input),
            None => {}
        }
        Ok(())
    }

    fn give(&mut self, input: &Input) -> Result<(), Violation> {
        let before = self.instance.clone();
        let (instance, effects) = advance(self.setting.definition, before.clone(), input, self.now);
        self.instance = instance;
        self.history.extend(Record::of(&self.instance, input, &effects, self.now));
        if let Input::Reply { .. } = input {
            self.heard.push(input.clone());
        }
        checks::after_input(self, &before, &effects)?;
        for effect in effects {
            match effect {
                Effect::Send(command) => self.depart(command),
                Effect::Decided(decision) => self.decided = Some((self.now, decision)),
                Effect::Stuck { .. } => self.was_stuck = true,
                Effect::Publish(_) | Effect::Finished(_) | Effect::Healed | Effect::Ignored(_) => {}
            }
        }
        Ok(())
    }

    fn put_on_road(&mut self, after: TimeDelta, what: Travelling) {
        self.departures += 1;
        self.road.insert((self.now + after, self.departures), what);
    }

    /// A command sets out; whether and when it arrives depends on the plan.
    fn depart(&mut self, command: Send) {
        self.sent.push((self.now, command.clone()));
        let name = name_of(&command);
        let is_do = command.direction == Direction::Do;
        let trouble = self.trouble_of(name);
        match self.plan.course {
            Course::Lost(step) if is_do && step == command.step => return,
            Course::Overtaken(step) if is_do && step == command.step => {
                let after_its_undo = self.instance.deadline_at - self.now + LATENCY * 2;
                return self.put_on_road(after_its_undo, Travelling::Command(command));
            }
            Course::Cancelled(step) if is_do && step == command.step && command.attempt == 1 => {
                self.put_on_road(LATENCY / 2, Travelling::Input(Input::Cancel));
            }
            Course::Paused(step) if is_do && step == command.step && command.attempt == 1 => {
                let resumed_after = self.instance.deadline_at - self.now + LATENCY;
                let by_operator =
                    |action| Input::Operator { action, by: String::new(), reason: String::new() };
                let pause = by_operator(Action::Pause(PausedBy::Saga));
                let resume = by_operator(Action::Resume(PausedBy::Saga));
                self.put_on_road(LATENCY / 2, Travelling::Input(pause));
                self.put_on_road(resumed_after, Travelling::Input(resume));
            }
            _ => {}
        }
        let is_lost = match trouble {
            Some(Trouble::LostTwice) => command.attempt <= 2,
            Some(Trouble::LostLong) => true,
            _ => false,
        };
        if !is_lost {
            self.put_on_road(LATENCY, Travelling::Command(command));
        }
    }

    /// A participant executes a command; its answer sets out.
    fn execute(&mut self, command: &Send) {
        let trouble = self.trouble_of(name_of(command));
        let is_early = command.attempt <= 2;
        let reply = match trouble {
            Some(Trouble::FaultTwice) if is_early => ReplyData::fault("the disk is full"),
            Some(Trouble::FaultLong) => ReplyData::fault("the disk is full"),
            Some(Trouble::Refused) if command.attempt == 1 => refusal(REFUSAL),
            Some(Trouble::RefusedLong) => refusal(REFUSAL),
            _ => self.execute_well(command),
        };
        let first_wait = TimeDelta::milliseconds(self.setting.definition.pace().first_wait_ms.into());
        match trouble {
            Some(Trouble::UnheardTwice) if is_early => {}
            Some(Trouble::Slow) if command.attempt > 1 => {}
            Some(Trouble::Slow) => self.reply(command, reply, first_wait + LATENCY),
            Some(Trouble::Repeated | Trouble::FaultTwice | Trouble::FaultLong) => {
                self.reply(command, reply.clone(), LATENCY);
                self.reply(command, reply.clone(), LATENCY);
                self.reply(command, reply, LATENCY * 7);
            }
            Some(Trouble::Garbled) if command.attempt == 1 => {
                let body = to_raw_value("garbled").ok();
                self.reply(command, ReplyData { body, ..reply }, LATENCY);
            }
            _ => self.reply(command, reply, LATENCY),
        }
    }

    fn execute_well(&mut self, command: &Send) -> ReplyData {
        let is_refused =
            self.plan.course == Course::Refused(command.step) && command.direction == Direction::Do;
        let answer = self.setting.answer;
        let reply =
            || if is_refused { refusal(REFUSAL) } else { answer(command.command_type, &command.data) };
        self.participants.execute(command, reply)
    }

    fn reply(&mut self, command: &Send, reply: ReplyData, after: TimeDelta) {
        if command.direction == Direction::Do && self.plan.course == Course::Unheard(command.step) {
            return;
        }
        let Send { step, direction, attempt, .. } = *command;
        let answer = Input::Reply { step: step.to_owned(), direction, attempt, reply };
        self.put_on_road(after, Travelling::Input(answer));
    }

    fn trouble_of(&self, command: CommandName) -> Option<Trouble> {
        self.plan.trouble_of(command).filter(|trouble| !(self.is_repaired && trouble.is_long()))
    }

    /// After its end it is given everything once more: what is still on the road, all that it
    /// heard, and what nobody has any business to ask.
    fn absorb(&mut self) -> Result<(), Violation> {
        while !self.road.is_empty() {
            self.arrive()?;
        }
        let mut inputs = self.heard.clone();
        inputs.extend([Input::Begin, Input::Wake, Input::Cancel]);
        let actions =
            [Action::Retry, Action::Skip { step: None, result: None }, Action::Cancel, Action::Abandon];
        inputs.extend(actions.map(|action| Input::Operator {
            action,
            by: String::new(),
            reason: String::new(),
        }));
        for input in &inputs {
            self.give(input)?;
        }
        checks::at_the_end(self, None)
    }

    /// How it ended: `completed`, or the code for which it turned back.
    pub(super) fn ending(&self) -> String {
        match &self.instance.phase {
            Phase::Final(Outcome::TurnedBack(cause)) => cause.code.clone(),
            _ => self.instance.status().as_str().to_owned(),
        }
    }

    /// The compensatable steps it asked for.
    pub(super) fn steps_done(&self) -> Vec<&'static str> {
        let is_compensatable = |name: &str| {
            self.setting
                .definition
                .steps()
                .any(|step| step.name == name && step.kind == StepKind::Compensatable)
        };
        let dos = self.commands().into_iter().filter(|command| command.direction == Direction::Do);
        dos.map(|command| command.step).filter(|step| is_compensatable(step)).collect()
    }

    /// The commands it sent, each once, in the order of their first asking.
    pub(super) fn commands(&self) -> Vec<CommandName> {
        let mut names = Vec::new();
        for (_, command) in &self.sent {
            let name = name_of(command);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn violation(&self, what: impl Into<String>) -> Violation {
        let lines = self.history.iter().map(|record| serde_json::to_string(record).unwrap_or_default());
        Violation {
            what: what.into(),
            plan: self.plan.to_string(),
            history: lines.collect::<Vec<_>>().join("\n"),
        }
    }
}

pub(super) fn name_of(command: &Send) -> CommandName {
    CommandName { step: command.step, direction: command.direction }
}
