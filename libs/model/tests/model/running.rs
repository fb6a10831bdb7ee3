//! A running saga, moved by the real `advance`, in a form of which there are few: its times say only whether
//! they have come, its askings only whether there was more than one.

use contracts::{Direction, ReplyData, Timestamp};
use saga::{Action, Decision, Definition, Effect, Input as Given, Instance, PausedBy, Phase, Send, ignored};
use serde_json::value::to_raw_value;

use crate::mistakes::Mistake;
use crate::order::{Command, DEADLINE, ORDERS, Order, now};
use crate::participants::Letter;

/// The latest asking that is told apart: every later one is like it.
pub(crate) const ASKINGS: u32 = 2;

/// A saga in one moment, and what the world has seen of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Running {
    pub(crate) saga: Instance<Order>,
    /// Every decision it told.
    decided: Vec<Decision>,
    /// Every undo that it sent, each once, in that order.
    undone: Vec<Command>,
}

/// What may happen to a saga.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    Begin,
    /// It is woken.
    Wake,
    /// Its user wants it undone.
    Cancel,
    /// Its deadline passes.
    Deadline,
    /// An operator lets its time stand still.
    Pause,
    /// An operator lets it go on.
    Resume,
    /// A technical failure of whoever was to execute this.
    Fault(Command),
    /// A participant's answer to this asking.
    Reply(Letter, u32),
}

/// Where the replies begin among [`inputs`]; they are two for each letter, one an asking.
pub(crate) const FIRST_REPLY: usize = 6 + Command::ALL.len();

/// Everything that may happen to a saga that is given these letters, in the order of its table's inputs.
pub(crate) fn inputs(letters: &[Letter]) -> Vec<Input> {
    let mut all =
        vec![Input::Begin, Input::Wake, Input::Cancel, Input::Deadline, Input::Pause, Input::Resume];
    all.extend(Command::ALL.map(Input::Fault));
    all.extend(letters.iter().flat_map(|letter| [1, 2].map(|asking| Input::Reply(letter.clone(), asking))));
    all
}

impl Running {
    pub(crate) fn new(definition: &Definition<Order>, number: usize) -> Self {
        let saga = Instance::new(definition, Order::id(number), Order::new(number), now());
        Self { saga, decided: Vec::new(), undone: Vec::new() }.in_short()
    }

    /// Gives it an input; which commands it sends.
    pub(crate) fn give(
        &self,
        definition: &Definition<Order>,
        input: &Input,
        mistake: Option<Mistake>,
    ) -> (Self, Vec<Command>) {
        let mut after = self.clone();
        let Some(given) = after.hand_over(definition, input, mistake) else { return (after, Vec::new()) };
        let sent = after.advance(definition, &given);
        (after.in_short(), sent)
    }

    /// What `advance` is given of an input, if anything. The mistakes of whoever hands it over are made here.
    fn hand_over(
        &mut self,
        definition: &Definition<Order>,
        input: &Input,
        mistake: Option<Mistake>,
    ) -> Option<Given> {
        match (input, mistake) {
            (Input::Deadline, _) => {
                self.let_deadline_pass();
                return None;
            }
            (Input::Begin, Some(Mistake::BegunAnew)) if self.saga.is_final() && self.decided.len() < 2 => {
                self.saga = Self::new(definition, self.number()).saga;
            }
            (Input::Wake | Input::Cancel, Some(Mistake::OnlyCompletedIsUndone)) => {
                self.leave_out_the_unknown();
            }
            (Input::Reply(_, asking), Some(Mistake::RepliesByAttempt)) if *asking != self.saga.attempt => {
                return None;
            }
            (Input::Reply(letter, asking), Some(Mistake::RepliesByStepAlone)) => {
                if let Some(other) =
                    waits_for(&self.saga, definition).filter(|one| one.is_reverse_of(letter.command))
                {
                    let answer = ReplyData { body: None, ..(&letter.answer).into() };
                    return Some(reply(other, *asking, answer));
                }
            }
            _ => {}
        }
        Some(real(input))
    }

    fn let_deadline_pass(&mut self) {
        if self.saga.has_begun() && !self.saga.decided() && self.saga.paused.is_none() {
            self.saga.state.deadline_at = now();
        }
    }

    /// Where it does not turn back, `advance` puts the step on its list again.
    fn leave_out_the_unknown(&mut self) {
        if let Phase::Forward(step) = self.saga.phase {
            self.saga.state.possibly_done.remove(step);
        }
    }

    fn number(&self) -> usize {
        (0..ORDERS).find(|number| Order::id(*number) == self.saga.id).expect("it is of one of the orders")
    }

    /// The real rule.
    fn advance(&mut self, definition: &Definition<Order>, input: &Given) -> Vec<Command> {
        let (saga, effects) = saga::advance(definition, self.saga.clone(), input, now());
        self.saga = saga;
        self.see(&effects)
    }

    /// Notes what the world sees. Returns the commands that are sent.
    fn see(&mut self, effects: &[Effect]) -> Vec<Command> {
        let mut sent = Vec::new();
        if ignored(effects).is_some() {
            return sent;
        }
        for effect in effects {
            match effect {
                Effect::Send(command) => sent.push(self.see_sent(command)),
                // Two are enough to contradict each other.
                Effect::Decided(decision) if self.decided.len() < 2 => {
                    self.decided.push(without_detail(decision.clone()));
                }
                _ => {}
            }
        }
        sent
    }

    fn see_sent(&mut self, sent: &Send) -> Command {
        let command = Command::of(sent.step, sent.direction);
        if command.direction() == Direction::Undo && !self.undone.contains(&command) {
            self.undone.push(command);
        }
        let payload = payload(self.number(), command);
        assert_eq!(sent.data.get(), payload, "participants are asked for something else");
        command
    }

    fn in_short(self) -> Self {
        Self { saga: in_short(self.saga, now()), ..self }
    }

    pub(crate) fn is_late(&self) -> bool {
        self.saga.deadline_at <= now()
    }

    /// It decided once at most, and is where its decision leads.
    pub(crate) fn keeps_its_decision(&self) -> bool {
        match &self.saga.phase {
            Phase::Forward(_) => self.decided.is_empty(),
            Phase::Undoing(_, cause) => self.decided == [Decision::TurnedBack(cause.clone())],
            Phase::Tail(decision, _) => self.decided == [decision.clone()],
            Phase::Final(outcome) => match outcome {
                saga::Outcome::Completed => self.decided == [Decision::Confirmed],
                saga::Outcome::TurnedBack(cause) => self.decided == [Decision::TurnedBack(cause.clone())],
                saga::Outcome::Abandoned => false,
            },
        }
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.decided.contains(&Decision::Confirmed)
    }

    /// It sent its undos latest step first, and none after the pivot.
    pub(crate) fn undoes_in_reverse(&self) -> bool {
        let latest_first = [Command::ReleaseFunds, Command::ReleaseStock];
        let is_in_order = latest_first.ends_with(&self.undone) || latest_first.starts_with(&self.undone);
        is_in_order && (self.undone.is_empty() || !self.is_confirmed())
    }

    /// Where it is on its way: no saga comes back to what it has left.
    pub(crate) fn progress(&self) -> u32 {
        match &self.saga.phase {
            Phase::Forward(_) if !self.saga.has_begun() => 0,
            Phase::Forward(0) => 1,
            Phase::Forward(_) => 2,
            Phase::Undoing(0, _) => 4,
            Phase::Undoing(..) => 3,
            Phase::Tail(..) => 5,
            Phase::Final(_) => 6,
        }
    }
}

/// The same saga at the model's one moment, as far as anything to come can tell. Of its times only counts
/// whether they have come, and of the deadline only while it goes forward; of its askings, whether there was
/// more than one; its number of inputs, how long it stood still and what explains a refusal are for readers. `faithful.rs` checks this
/// against sagas that keep all of it.
pub(crate) fn in_short(mut saga: Instance<Order>, at: Timestamp) -> Instance<Order> {
    let is_late = saga.has_begun() && !saga.decided() && saga.deadline_at <= clock(&saga, at);
    let state = &mut saga.state;
    if let Some(pause) = &mut state.paused {
        pause.since = now();
    }
    state.seq = 0;
    state.stood_still_us = 0;
    state.attempt = state.attempt.min(ASKINGS);
    state.deadline_at = if is_late { now() } else { now() + DEADLINE };
    state.wake_at = state.wake_at.map(|_| now());
    state.stuck_since = state.stuck_since.map(|_| now());
    if let Phase::Undoing(_, cause)
    | Phase::Tail(Decision::TurnedBack(cause), _)
    | Phase::Final(saga::Outcome::TurnedBack(cause)) = &mut state.phase
    {
        cause.detail = None;
    }
    saga
}

/// A saga's own time: it stands still while it is paused.
pub(crate) fn clock(saga: &Instance<Order>, at: Timestamp) -> Timestamp {
    saga.paused.as_ref().map_or(at, |pause| pause.since)
}

/// The command whose answer it waits for: this workflow never waits for two at once.
pub(crate) fn waits_for(saga: &Instance<Order>, definition: &Definition<Order>) -> Option<Command> {
    let mut waits = saga.waiting(definition).map(|one| Command::of(one.step, one.direction));
    let first = waits.next();
    assert_eq!(waits.next(), None, "the road keeps the replies to one command");
    first
}

fn without_detail(decision: Decision) -> Decision {
    match decision {
        Decision::TurnedBack(cause) => Decision::TurnedBack(saga::Cause { detail: None, ..cause }),
        Decision::Confirmed => decision,
    }
}

fn reply(command: Command, attempt: u32, reply: ReplyData) -> Given {
    Given::Reply { step: command.step().to_owned(), direction: command.direction(), attempt, reply }
}

fn by_operator(action: Action) -> Given {
    Given::Operator { action, by: String::new(), reason: String::new() }
}

/// A command as participants are given it.
fn payload(number: usize, command: Command) -> String {
    let order = Order::priced(number);
    let payload = match command {
        Command::ReserveStock => to_raw_value(&order.reserve_stock()),
        Command::ReleaseStock => to_raw_value(&order.release_stock()),
        Command::ReserveFunds => to_raw_value(&order.reserve_funds()),
        Command::ReleaseFunds => to_raw_value(&order.release_funds()),
        Command::CaptureFunds => to_raw_value(&order.capture_funds()),
    };
    payload.expect("a command is plain JSON").get().to_owned()
}

/// The real input of this one, for a saga on real time.
pub(crate) fn real(input: &Input) -> Given {
    match input {
        Input::Begin => Given::Begin,
        Input::Wake => Given::Wake,
        Input::Cancel => Given::Cancel,
        Input::Pause => by_operator(Action::Pause(PausedBy::Saga)),
        Input::Resume => by_operator(Action::Resume(PausedBy::Saga)),
        Input::Fault(command) => reply(*command, 1, ReplyData::fault("the disk is full")),
        Input::Reply(Letter { command, answer }, asking) => reply(*command, *asking, answer.into()),
        Input::Deadline => panic!("the deadline of a saga on real time passes by itself"),
    }
}
