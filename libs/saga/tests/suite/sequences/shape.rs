//! A workflow whose every step may be needed or not: its data says which.

use contracts::order::{OrderCancelled, OrderConfirmed};
use contracts::{Command, Never, Refusal, Timestamp};
use proptest::arbitrary::Arbitrary;
use proptest::prelude::*;
use saga::{Cause, Definition, Pace, Saga};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which steps are needed, whether the pivot may be passed, and how much was learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) needed: [bool; 9],
    pub(crate) may_pass: bool,
    pub(crate) learned: Vec<u32>,
}

/// All steps: four compensatable ones, three after the pivot, two after a rejection.
pub(crate) const NAMES: [&str; 9] = ["a", "b", "c", "d", "joy_a", "joy_b", "joy_c", "sorrow_a", "sorrow_b"];

/// The compensatable step that leaves nothing to undo.
pub(crate) const NOTHING_TO_UNDO: &str = "c";

/// A step's name, or one that no step has.
pub(crate) fn name(index: usize) -> &'static str {
    NAMES.get(index).copied().unwrap_or("nobody")
}

pub(crate) fn definition() -> Definition<Shape> {
    Saga::named("shape", 1)
        .deadline(std::time::Duration::from_secs(120))
        .paced(Pace { first_wait_ms: 1_000, max_wait_ms: 8_000, stuck_after_attempts: 3 })
        .step("a", work, learn)
        .when(needed::<0>)
        .undo(unwork)
        .step("b", work, learn)
        .when(needed::<1>)
        .undo(unwork)
        .step(NOTHING_TO_UNDO, work, learn)
        .when(needed::<2>)
        .nothing_to_undo()
        .step("d", work, learn)
        .when(needed::<3>)
        .undo(unwork)
        .pivot_while(|shape, _: Timestamp| shape.may_pass)
        .pivot(|_| OrderConfirmed { order_id: Uuid::nil(), user_id: Uuid::nil(), total: 1, lines: vec![] })
        .tail("joy_a", unwork)
        .when(needed::<4>)
        .tail("joy_b", unwork)
        .when(needed::<5>)
        .tail("joy_c", unwork)
        .when(needed::<6>)
        .otherwise(|_, _| OrderCancelled { order_id: Uuid::nil() })
        .tail("sorrow_a", |_, _: &Cause| Unwork {})
        .when(needed::<7>)
        .tail("sorrow_b", |_, _: &Cause| Unwork {})
        .when(needed::<8>)
        .build()
}

fn needed<const INDEX: usize>(shape: &Shape) -> bool {
    shape.needed[INDEX]
}

fn work(_: &Shape) -> Work {
    Work {}
}

fn unwork(_: &Shape) -> Unwork {
    Unwork {}
}

fn learn(shape: &mut Shape, worked: Worked) {
    shape.learned.push(worked.number);
}

impl Arbitrary for Shape {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let needed = proptest::array::uniform9(proptest::bool::weighted(0.75));
        let may_pass = proptest::bool::weighted(0.85);
        (needed, may_pass).prop_map(|(needed, may_pass)| Self { needed, may_pass, learned: vec![] }).boxed()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Work {}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unwork {}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Worked {
    pub(crate) number: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub(crate) enum No {
    No,
}

impl Refusal for No {}

impl Command for Work {
    const TYPE: &'static str = "cmd.work.work.v1";
    const PARTICIPANT: &'static str = "work";
    type Done = Worked;
    type Refusal = No;
}

impl Command for Unwork {
    const TYPE: &'static str = "cmd.work.unwork.v1";
    const PARTICIPANT: &'static str = "work";
    type Done = Worked;
    type Refusal = Never;
}
