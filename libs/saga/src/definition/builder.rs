//! The declaration of a workflow. Its types enforce the order: compensatable steps, each with its
//! undo, one pivot, the tail; then, otherwise, the tail of a rejection.
//!
//! Everything a workflow supplies is a plain function without captures: what a saga does depends
//! on its data alone.

use std::collections::HashSet;
use std::time::Duration;

use contracts::{Command, EventData, Never, Timestamp};

use super::{CommandOf, CompensatableStep, Definition, EventOf, Pace, Pivot, TailStep};
use crate::{Cause, StepSet};

/// Where a declaration begins.
///
/// ```text
/// Saga::named("order", 1)
///     .step("reserve_stock", Order::reserve_stock, Order::stock_reserved).when(Order::has_items).undo(Order::release_stock)
///     .step("reserve_funds", Order::reserve_funds, Order::funds_reserved).undo(Order::release_funds)
///     .pivot_while(Order::hold_lasts)
///     .pivot(Order::confirmed)
///     .tail("capture_funds", Order::capture_funds)
///     .tail("notify_joy", Order::joy)
///     .otherwise(Order::rejected)
///     .tail("notify_sorrow", Order::sorrow)
///     .build()
/// ```
pub struct Saga;

/// Steps that may be refused and can be undone; then the pivot.
pub struct Steps<D> {
    name: &'static str,
    version: u32,
    deadline: Option<Duration>,
    pace: Pace,
    steps: Vec<CompensatableStep<D>>,
}

/// A step that has yet to say how it is undone.
#[must_use = "say how it is undone: `.undo(...)` or `.nothing_to_undo()`"]
pub struct StepToUndo<D> {
    before: Steps<D>,
    step: CompensatableStep<D>,
}

/// A pivot with a condition, yet to be declared.
#[must_use = "declare the pivot: `.pivot(...)`"]
pub struct GuardedPivot<D> {
    before: Steps<D>,
    pivot_while: fn(&D, Timestamp) -> bool,
}

/// After the pivot: steps that are asked until done; then what happens otherwise.
#[must_use = "say what happens otherwise: `.otherwise(...)`"]
pub struct Tail<D> {
    before: Steps<D>,
    pivot: Pivot<D>,
    joy: Vec<TailStep<D, ()>>,
}

/// A step after the pivot, which may be needed only sometimes.
#[must_use = "say what happens otherwise: `.otherwise(...)`"]
pub struct NewTailStep<D>(Tail<D>, TailStep<D, ()>);

/// After a rejection: steps that are asked until done.
#[must_use = "finish with `.build()`"]
pub struct Rejection<D>(Definition<D>);

/// A step after a rejection, which may be needed only sometimes.
#[must_use = "finish with `.build()`"]
pub struct NewRejectionStep<D>(Rejection<D>, TailStep<D, Cause>);

impl Saga {
    /// A workflow by its name and version.
    pub fn named<D>(name: &'static str, version: u32) -> Steps<D> {
        Steps {
            name,
            version,
            deadline: Some(Duration::from_secs(600)),
            pace: Pace::default(),
            steps: Vec::new(),
        }
    }
}

impl<D: 'static> Steps<D> {
    /// How long a saga may go forward, from its beginning to its pivot; then it turns back as
    /// [`Cause::TIMED_OUT`]. 600 s when not said.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Every step is asked until it is answered: for steps that may be refused but not be given up, for
    /// their outcome has to be known. The saga neither times out nor can be cancelled, and nobody can skip
    /// them; a step that stays unanswered is marked as stuck.
    pub fn until_answered(self) -> Self {
        Self { deadline: None, ..self }
    }

    /// How patiently steps are asked again. [`Pace::default`] when not said.
    pub fn paced(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// A step that may be refused: its command, and what is learned from the command's own reply.
    pub fn step<C: Command>(
        self,
        name: &'static str,
        command: fn(&D) -> C,
        learn: fn(&mut D, C::Done),
    ) -> StepToUndo<D> {
        let step = CompensatableStep {
            name,
            when: None,
            command: CommandOf::new(move |data, (): &()| command(data)),
            learn: Box::new(move |data, reply| reply.done::<C>().map(|done| learn(data, done))),
            undo: None,
        };
        StepToUndo { before: self, step }
    }

    /// The pivot is passed only while this holds (a hold that still lasts, say), else the saga turns
    /// back as [`Cause::TIMED_OUT`].
    pub fn pivot_while(self, holds: fn(&D, Timestamp) -> bool) -> GuardedPivot<D> {
        GuardedPivot { before: self, pivot_while: holds }
    }

    /// The decision to go forward, and the event that tells of it.
    pub fn pivot<E: Into<EventData> + 'static>(self, confirmed: fn(&D) -> E) -> Tail<D> {
        self.pivot_on(None, confirmed)
    }

    fn pivot_on<E: Into<EventData> + 'static>(
        self,
        pivot_while: Option<fn(&D, Timestamp) -> bool>,
        confirmed: fn(&D) -> E,
    ) -> Tail<D> {
        let pivot = Pivot { pivot_while, confirmed: Box::new(move |data, ()| confirmed(data).into()) };
        Tail { before: self, pivot, joy: Vec::new() }
    }
}

impl<D: 'static> StepToUndo<D> {
    /// The step is left out when this says no, asked at the moment it would be sent.
    pub fn when(mut self, needed: fn(&D) -> bool) -> Self {
        self.step.when = Some(needed);
        self
    }

    /// How it is undone. The undo may reach a participant that never saw the step, or before it.
    pub fn undo<C: Command<Refusal = Never>>(mut self, command: fn(&D) -> C) -> Steps<D> {
        self.step.undo = Some(CommandOf::new(move |data, (): &()| command(data)));
        self.nothing_to_undo()
    }

    /// It leaves nothing that would have to be undone.
    pub fn nothing_to_undo(mut self) -> Steps<D> {
        self.before.steps.push(self.step);
        self.before
    }
}

impl<D: 'static> GuardedPivot<D> {
    /// The decision to go forward, and the event that tells of it.
    pub fn pivot<E: Into<EventData> + 'static>(self, confirmed: fn(&D) -> E) -> Tail<D> {
        self.before.pivot_on(Some(self.pivot_while), confirmed)
    }
}

impl<D: 'static> Tail<D> {
    /// A step that cannot be refused, sent together with the others of its tail. Nothing is learned from it.
    pub fn tail<C: Command<Refusal = Never>>(
        self,
        name: &'static str,
        command: fn(&D) -> C,
    ) -> NewTailStep<D> {
        NewTailStep(
            self,
            TailStep { name, when: None, command: CommandOf::new(move |data, (): &()| command(data)) },
        )
    }

    /// What happens when the saga turned back and everything is undone: the event that tells of it.
    pub fn otherwise<E: Into<EventData> + 'static>(self, rejected: fn(&D, &Cause) -> E) -> Rejection<D> {
        self.turned_back(Some(Box::new(move |data: &D, cause: &Cause| rejected(data, cause).into())))
    }

    /// When the saga turned back and everything is undone, nobody hears of it: all is as before.
    pub fn otherwise_as_before(self) -> Rejection<D> {
        self.turned_back(None)
    }

    fn turned_back(self, rejected: Option<EventOf<D, Cause>>) -> Rejection<D> {
        let Steps { name, version, deadline, pace, steps } = self.before;
        let (pivot, joy, sorrow) = (self.pivot, self.joy, Vec::new());
        Rejection(Definition { name, version, deadline, pace, steps, pivot, joy, rejected, sorrow })
    }
}

impl<D: 'static> NewTailStep<D> {
    /// The step is left out when this says no, asked at the pivot.
    pub fn when(mut self, needed: fn(&D) -> bool) -> Self {
        self.1.when = Some(needed);
        self
    }

    /// See [`Tail::tail`].
    pub fn tail<C: Command<Refusal = Never>>(self, name: &'static str, command: fn(&D) -> C) -> Self {
        self.finish().tail(name, command)
    }

    /// See [`Tail::otherwise`].
    pub fn otherwise<E: Into<EventData> + 'static>(self, rejected: fn(&D, &Cause) -> E) -> Rejection<D> {
        self.finish().otherwise(rejected)
    }

    /// See [`Tail::otherwise_as_before`].
    pub fn otherwise_as_before(self) -> Rejection<D> {
        self.finish().otherwise_as_before()
    }

    fn finish(mut self) -> Tail<D> {
        self.0.joy.push(self.1);
        self.0
    }
}

impl<D: 'static> Rejection<D> {
    /// A step that cannot be refused, sent together with the others of its tail. Nothing is learned from it.
    pub fn tail<C: Command<Refusal = Never>>(
        self,
        name: &'static str,
        command: fn(&D, &Cause) -> C,
    ) -> NewRejectionStep<D> {
        NewRejectionStep(self, TailStep { name, when: None, command: CommandOf::new(command) })
    }

    /// The declared workflow.
    ///
    /// # Panics
    /// When two steps have one name, a step is called `pivot`, there are more than
    /// [`StepSet::CAPACITY`] steps of a kind, or the pace allows no wait: a mistake in the
    /// declaration, seen at the first start.
    pub fn build(self) -> Definition<D> {
        let definition = self.0;
        let mut names = HashSet::new();
        for step in definition.steps() {
            assert!(
                names.insert(step.name),
                "saga {}: two steps are called {:?}",
                definition.name,
                step.name
            );
        }
        let most = definition.steps.len().max(definition.joy.len()).max(definition.sorrow.len());
        assert!(most <= StepSet::CAPACITY, "saga {}: {most} steps of a kind are too many", definition.name);
        let Pace { first_wait_ms, max_wait_ms, .. } = definition.pace;
        assert!(
            0 < first_wait_ms && first_wait_ms <= max_wait_ms,
            "saga {}: waits must grow",
            definition.name
        );
        definition
    }
}

impl<D: 'static> NewRejectionStep<D> {
    /// The step is left out when this says no, asked when everything is undone.
    pub fn when(mut self, needed: fn(&D) -> bool) -> Self {
        self.1.when = Some(needed);
        self
    }

    /// See [`Rejection::tail`].
    pub fn tail<C: Command<Refusal = Never>>(self, name: &'static str, command: fn(&D, &Cause) -> C) -> Self {
        self.finish().tail(name, command)
    }

    /// See [`Rejection::build`].
    ///
    /// # Panics
    /// As [`Rejection::build`] does.
    pub fn build(self) -> Definition<D> {
        self.finish().build()
    }

    fn finish(mut self) -> Rejection<D> {
        self.0.0.sorrow.push(self.1);
        self.0
    }
}
