//! The world of one run: services, road, clock and people, and the one loop that lets the next thing happen.
//! `machinery` is what processes do, `shipping` how messages go between them, `desk` what people do, `weather` what
//! goes wrong by itself.

mod desk;
mod ending;
mod event;
mod machinery;
mod opening;
mod shipping;
mod sweeping;
#[cfg(test)]
mod tampering;
mod weather;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::TimeDelta;
use messaging::rows::memory::Database;
use orchestrator::simulation::{KnownPauses, PauseRow};
use uuid::Uuid;

use super::clock::{Agenda, Clock, MILLISECOND, SECOND};
use super::dice::{Dice, mix};
use super::faults::{Faults, Strike, Strikes, Struck};
use super::ids::Ids;
use super::invariants::steps::Watch;
use super::invariants::{Broken, sagas};
use super::managed::Managed;
use super::parts::{Cast, Databases, Stage};
use super::people::Wish;
use super::road::Road;
use super::service::{LOOPS, PROCESSES, Service};
use event::{Event, Running};

/// When faults end in a run that is to come to its end.
const CALM_AFTER: i64 = 75 * SECOND;
/// Within this everything is finished when nothing goes wrong any more: the longest wait of a saga is 60 s, and
/// what turns back then may have to wait once more; what was on its way comes within 90 s.
const FINISHED_WITHIN: i64 = 240 * SECOND;
/// How often everything that has ended is looked at.
const CHECKED_EVERY: i64 = 60 * SECOND;
/// How long a run lasts in which faults never end.
const ENDLESS: i64 = 240 * SECOND;

/// What is asked of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Mode {
    /// Faults all the time: nothing is ever wrong, finished or not.
    Safety,
    /// Faults for a while: then everything finishes.
    Liveness,
}

/// A run, from which everything in it follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) seed: u64,
    pub(super) mode: Mode,
    /// The numbers of the orders that are placed.
    pub(super) orders: Vec<u64>,
    pub(super) strikes: Strikes,
}

/// Something that must always be true was not.
#[derive(Debug, Clone)]
pub(super) struct Violation {
    pub(super) broken: Broken,
    /// Microseconds after the beginning.
    pub(super) at: i64,
    /// What happened before.
    pub(super) struck: Vec<Struck>,
    /// The histories of sagas: of all where they are few, else of those that the rule's breach names.
    pub(super) histories: String,
}

/// What was seen in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sight {
    pub(super) sagas: u64,
    pub(super) endings: BTreeMap<String, u64>,
    /// Commands that were sent, as `workflow/step/direction`.
    pub(super) sent: BTreeSet<sagas::CommandName>,
    pub(super) struck: BTreeMap<&'static str, u64>,
    pub(super) messages: u64,
    pub(super) commits: u64,
    pub(super) conflicts: u64,
    /// Microseconds.
    pub(super) lasted: i64,
    /// From the end of faults until everything was finished, in microseconds.
    pub(super) quiet_after: i64,
    /// Listed strikes that struck nothing.
    pub(super) missed: Vec<Strike>,
    /// Stands for everything that happened, in its order.
    pub(super) fingerprint: u64,
}

/// A house's process.
#[derive(Debug, Clone, Copy, Default)]
struct Process {
    life: u32,
    is_down: bool,
    frozen_until: i64,
}

/// The services that live and die together.
struct House {
    name: &'static str,
    services: Vec<usize>,
    processes: [Process; PROCESSES],
}

/// What is known of a service from outside.
struct Outside {
    house: usize,
    /// Since when a lane waits for others, in microseconds.
    waiting_since: [[Option<i64>; LOOPS]; PROCESSES],
    /// A look that is planned.
    is_planned: [[bool; LOOPS]; PROCESSES],
    /// Conflicts of the batch in hand.
    conflicts: [[u32; LOOPS]; PROCESSES],
}

pub(super) struct World {
    script: Script,
    dice: Dice,
    clock: Clock,
    ids: Ids,
    agenda: Agenda<Event>,
    faults: Faults,
    road: Road,
    services: Vec<Box<dyn Service>>,
    outside: Vec<Outside>,
    houses: Vec<House>,
    managed: Vec<Managed>,
    databases: Databases,
    known_pauses: Vec<Arc<KnownPauses>>,
    pauses: Vec<PauseRow>,
    watch: Watch,
    wishes: BTreeMap<u64, Wish>,
    /// Orders that were accepted.
    accepted: BTreeSet<u64>,
    /// What every saga began with.
    begun_with: HashMap<Uuid, Box<dyn Any>>,
    /// In which stream of events a row of an outbox arrived, by number.
    arrived_in: HashMap<Uuid, u64>,
    events_stream: u64,
    /// Publishes and answers that are planned.
    publishing: usize,
    /// Customers, couriers and operators who are yet to come.
    expected: usize,
    is_calm: bool,
    sight: Sight,
}

impl World {
    /// Runs a script to its end.
    pub(super) fn run(script: Script, cast: fn(&Stage) -> Cast) -> Result<Sight, Box<Violation>> {
        let mut world = Self::open(script, cast);
        match world.live() {
            Ok(()) => Ok(world.seen()),
            Err(broken) => Err(Box::new(world.violation(broken))),
        }
    }

    fn live(&mut self) -> Result<(), Broken> {
        let end = match self.script.mode {
            Mode::Safety => ENDLESS,
            Mode::Liveness => CALM_AFTER + FINISHED_WITHIN,
        };
        let (mut next_look, mut next_check) = (SECOND, CHECKED_EVERY);
        while let Some((at, event)) = self.agenda.next() {
            if at >= next_look {
                next_look = at + SECOND;
                if self.is_quiet() {
                    self.sight.quiet_after = (self.clock.elapsed() - CALM_AFTER).max(0);
                    return self.check_all(true);
                }
                if at >= next_check {
                    next_check += CHECKED_EVERY;
                    self.check_all(false)?;
                }
                if at > end {
                    return self.time_is_over();
                }
            }
            self.clock.set(at);
            self.happens(event)?;
        }
        Err(Broken::new("something always happens next", "nothing is planned any more"))
    }

    fn happens(&mut self, event: Event) -> Result<(), Broken> {
        self.expected -= usize::from(event.is_somebodys());
        match event {
            Event::Arrive { parcel } => self.arrive(parcel),
            Event::AckWait { parcel, delivery } => {
                let is_last = self.road.parcels[parcel].deliveries == delivery;
                if is_last { self.arrive(parcel) } else { Ok(()) }
            }
            Event::Look(running) => self.look(running),
            Event::GoOn(running) => self.go_on(running),
            Event::Publish(running, committed) => self.publish(running, *committed),
            Event::Sweep { process, life } => self.sweep(process, life),
            Event::Relay { service, process, life } => self.relay(service, process, life),
            Event::Restart { house, process } => self.restart(house, process),
            Event::Weather => self.weather(),
            Event::Calm => self.calm(),
            Event::Place { number, asking } => self.place(number, asking),
            Event::Cancel { number, asking } => self.cancel(number, asking),
            Event::Courier { number, visit } => self.courier(number, visit),
            Event::Operate { number, act } => self.operate(number, act),
            Event::ResumeSaga(saga_id) => self.resume_saga(saga_id),
            Event::LookAfter(saga_id) => self.look_after(saga_id),
            Event::EndPause(pause_id) => {
                self.pauses.retain(|pause| pause.pause_id != pause_id);
                Ok(())
            }
        }
    }

    /// What is over: the commit of a service is done, and may have broken something.
    fn check_step(&mut self) -> Result<(), Broken> {
        self.watch.broken().map_or(Ok(()), Err)
    }

    /// Goes into the fingerprint.
    fn note(&mut self, what: u64) {
        let now = self.clock.elapsed().cast_unsigned();
        self.sight.fingerprint = mix(self.sight.fingerprint, mix(now, what));
    }

    fn plan(&mut self, after: i64, event: Event) {
        self.agenda.plan(self.clock.elapsed() + after, event);
    }

    /// Between two numbers of microseconds.
    fn between(&self, least: i64, most: i64, what: &str, about: u64) -> i64 {
        let about = mix(about, self.clock.elapsed().cast_unsigned());
        least + self.dice.below((most - least).cast_unsigned(), what, about).cast_signed()
    }

    fn database(&self, service: usize) -> &Database {
        self.services[service].database()
    }
}

/// As long as a hold usually lasts; in every fifth run hardly longer than the pivot wants.
fn hold_life(dice: Dice) -> TimeDelta {
    if dice.percent(20, "hold life", 0) {
        TimeDelta::hours(24) + TimeDelta::seconds(40)
    } else {
        TimeDelta::days(7)
    }
}

/// Clocks are right in half of the runs, and wrong by up to 1.5 s in the others.
fn skews(dice: Dice) -> [i64; PROCESSES] {
    let skew = |process: usize| dice.below(3_000, "skew", process as u64).cast_signed() - 1_500;
    if dice.percent(50, "skews", 0) {
        return [0; PROCESSES];
    }
    std::array::from_fn(|process| skew(process) * MILLISECOND)
}
