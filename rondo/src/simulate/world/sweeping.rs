//! The clocks of services: the orchestrator's sweep, which asks again and lets go on, and the relays, which
//! send events again that did not arrive.

use std::collections::HashSet;
use std::rc::Rc;

use messaging::simulation;
use uuid::Uuid;

use super::{Event, World};
use crate::simulate::clock::SECOND;
use crate::simulate::dice::digest;
use crate::simulate::invariants::Broken;
use crate::simulate::managed::ORCHESTRATOR;
use crate::simulate::service::Origin;

const SWEEP_EVERY: i64 = SECOND;
const RELAY_EVERY: i64 = 5 * SECOND;
/// A row of the outbox that is younger may still be on its way.
const IN_FLIGHT: i64 = 10 * SECOND;

impl World {
    /// Reads the pauses, wakes what is due, and lets go on what need not stand still any more.
    pub(super) fn sweep(&mut self, process: usize, life: u32) -> Result<(), Broken> {
        let house = self.houses.iter().find(|house| house.name == ORCHESTRATOR);
        let Some(running) = house.map(|house| house.processes[process]) else { return Ok(()) };
        if running.life != life || running.is_down {
            return Ok(());
        }
        self.plan(SWEEP_EVERY, Event::Sweep { process, life });
        if running.frozen_until > self.clock.elapsed() {
            return Ok(());
        }
        self.known_pauses[process].learn(self.pauses.clone());
        let busy = self.busy();
        let now = self.clock.now();
        for workflow in 0..self.managed.len() {
            let managed = &self.managed[workflow];
            let inputs: Vec<(Uuid, saga::Input)> = self.databases.orchestrator.look(|tables| {
                let due = (managed.due)(tables, &busy, now).into_iter().map(|saga| (saga, saga::Input::Wake));
                due.chain((managed.free_again)(tables, &self.pauses)).collect()
            });
            let (service, advance) = (managed.service, managed.advance);
            for (saga_id, input) in inputs {
                let about = digest(saga_id.as_bytes());
                self.services[service].put(process, Origin::Own, about, advance(saga_id, input));
            }
            self.wake(service, process);
        }
        Ok(())
    }

    /// The participants that have messages to read.
    fn busy(&self) -> HashSet<&'static str> {
        let away = (0..self.services.len()).filter(|service| self.road.has_backlog(*service));
        away.map(|service| self.services[service].name()).collect()
    }

    pub(super) fn relay(&mut self, service: usize, process: usize, life: u32) -> Result<(), Broken> {
        let running = self.houses[self.outside[service].house].processes[process];
        if running.life != life || running.is_down {
            return Ok(());
        }
        self.plan(RELAY_EVERY, Event::Relay { service, process, life });
        if running.frozen_until > self.clock.elapsed() {
            return Ok(());
        }
        for row_id in self.untold(service, IN_FLIGHT) {
            let again = self.database(service).look(|tables| simulation::events_again(tables, row_id));
            for message in again {
                self.put_on_road(&Rc::new(message));
            }
            self.arrived_in.insert(row_id, self.events_stream);
        }
        Ok(())
    }

    /// Rows of a service's outbox that did not arrive in the stream of events that is there now.
    fn untold(&self, service: usize, older_than: i64) -> Vec<Uuid> {
        let before = crate::simulate::clock::at(self.clock.elapsed() - older_than);
        let is_there = |row_id: &Uuid| self.arrived_in.get(row_id) == Some(&self.events_stream);
        let is_lost = |row_id: &Uuid| self.arrived_in.contains_key(row_id);
        let outbox = self.services[service].outbox();
        let untold = outbox
            .into_iter()
            .filter(|(row_id, written_at)| !is_there(row_id) && (is_lost(row_id) || *written_at < before));
        untold.map(|(row_id, _)| row_id).collect()
    }

    /// Whether every event arrived.
    pub(super) fn has_told_all(&self) -> bool {
        self.houses.iter().all(|house| self.untold(house.services[0], 0).is_empty())
    }
}
