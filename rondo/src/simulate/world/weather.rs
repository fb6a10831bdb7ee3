//! What goes wrong by itself: processes stand still, services are away, the stream of events loses its store,
//! operators pause what they like; and how it all ends.

use orchestrator::simulation::{PauseRow, SagaRow};
use saga::PausedBy;

use super::{Event, World};
use crate::simulate::clock::{MILLISECOND, SECOND};
use crate::simulate::dice::mix;
use crate::simulate::faults::Fault;
use crate::simulate::invariants::Broken;
use crate::simulate::managed::Managed;
use crate::simulate::service::{LOOPS, Lane, PROCESSES};

const EVERY: i64 = 5 * SECOND;
/// A transaction that is idle for longer is ended by the database.
const IDLE_MAX: i64 = 2 * SECOND;

impl World {
    pub(super) fn weather(&mut self) -> Result<(), Broken> {
        self.plan(EVERY, Event::Weather);
        let now = self.clock.elapsed();
        let day = (now / EVERY).cast_unsigned();
        for house in 0..self.houses.len() {
            let (name, about) = (self.houses[house].name, mix(day, house as u64));
            if let Some(lasts) = self.faults.lasts(Fault::Outage, about, now, 100, || name.to_owned()) {
                (0..PROCESSES).for_each(|process| self.kill(house, process, lasts));
            }
            for process in 0..PROCESSES {
                let about = mix(about, process as u64);
                let what = || format!("process {process} of {name}");
                if let Some(lasts) = self.faults.lasts(Fault::Frozen, about, now, 40, what) {
                    self.freeze(house, process, lasts);
                }
            }
        }
        let stream = || "the stream of events".to_owned();
        if self.faults.strikes(Fault::StreamLost, day, now, stream).is_some() {
            self.road.lose_events();
            self.events_stream += 1;
        }
        self.may_pause(day);
        Ok(())
    }

    fn freeze(&mut self, house: usize, process: usize, lasts: i64) {
        let now = self.clock.elapsed();
        self.houses[house].processes[process].frozen_until = now + lasts;
        if lasts < IDLE_MAX {
            return;
        }
        for service in self.houses[house].services.clone() {
            (0..LOOPS).for_each(|patience| self.services[service].roll_back(Lane { process, patience }));
        }
    }

    /// A workflow, or a participant of one.
    fn may_pause(&mut self, day: u64) {
        let now = self.clock.elapsed();
        let workflows = self.managed.iter().map(|workflow| ("workflow", workflow.name));
        let participants = self.managed.iter().flat_map(Managed::participants);
        let mut names: Vec<_> = workflows.chain(participants.map(|name| ("participant", name))).collect();
        names.sort_unstable();
        names.dedup();
        let which = usize::try_from(self.dice.below(names.len() as u64, "paused", day)).unwrap_or(0);
        let (scope, name) = names[which];
        let Some(lasts) = self.faults.lasts(Fault::Paused, day, now, 60, || format!("{scope} {name}")) else {
            return;
        };
        if self.pauses.iter().any(|pause| (pause.scope.as_str(), pause.name.as_str()) == (scope, name)) {
            return;
        }
        let pause_id = self.ids.of("pause", day);
        self.pauses.push(PauseRow {
            pause_id,
            scope: scope.to_owned(),
            name: name.to_owned(),
            since: self.clock.now(),
            actor: "operator".to_owned(),
            reason: "simulated".to_owned(),
        });
        self.expect(lasts, Event::EndPause(pause_id));
    }

    /// From now on nothing goes wrong; who was frozen goes on, and operators let go of what they paused.
    pub(super) fn calm(&mut self) -> Result<(), Broken> {
        self.is_calm = true;
        self.pauses.clear();
        for house in &mut self.houses {
            house.processes.iter_mut().for_each(|process| process.frozen_until = 0);
        }
        for saga_id in self.paused_by_operators() {
            self.expect(MILLISECOND, Event::ResumeSaga(saga_id));
        }
        Ok(())
    }

    fn paused_by_operators(&self) -> Vec<uuid::Uuid> {
        self.databases.orchestrator.look(|tables| {
            let is_paused =
                |row: &&SagaRow| row.state.0.paused.as_ref().is_some_and(|pause| pause.by == PausedBy::Saga);
            let paused = tables.all::<SagaRow>().filter(is_paused).filter(|row| row.finished_at.is_none());
            paused.map(|row| row.saga_id).collect()
        })
    }
}
