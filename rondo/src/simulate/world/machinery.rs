//! What processes do with what waits for them: make batches of it, decide, commit; wait, meet others, and die.

use messaging::FailureKind;

use super::{Event, Outside, Running, World};
use crate::simulate::clock::{MILLISECOND, SECOND};
use crate::simulate::dice::mix;
use crate::simulate::faults::Fault;
use crate::simulate::invariants::Broken;
use crate::simulate::service::{Committed, LOOPS, Lane, PATIENT, PROCESSES, PROMPT, Progress};

/// A message that can wait gathers others for this long.
const GATHER: i64 = 50 * MILLISECOND;
/// So long a row is waited for.
const LOCK_TIMEOUT: i64 = SECOND;
/// Nobody meets others on a row as often as this.
const CONFLICTS_MAX: u32 = 200;

impl World {
    /// One of the service's processes that run, also a frozen one: it may have pulled already.
    pub(super) fn somebody(&self, service: usize, about: u64) -> Option<usize> {
        let house = &self.houses[self.outside[service].house];
        let first = usize::try_from(self.dice.below(PROCESSES as u64, "process", about)).unwrap_or(0);
        (0..PROCESSES)
            .map(|next| (first + next) % PROCESSES)
            .find(|process| !house.processes[*process].is_down)
    }

    /// Something came for a process's loops.
    pub(super) fn wake(&mut self, service: usize, process: usize) {
        for patience in [PROMPT, PATIENT] {
            self.plan_look(service, Lane { process, patience });
        }
    }

    fn plan_look(&mut self, service: usize, lane: Lane) {
        let Outside { house, is_planned, .. } = &mut self.outside[service];
        let house = *house;
        let is_needed = self.services[service].has_inputs(lane) && !self.services[service].is_busy(lane);
        if !is_needed || std::mem::replace(&mut is_planned[lane.process][lane.patience], true) {
            return;
        }
        let life = self.houses[house].processes[lane.process].life;
        let after = if lane.patience == PATIENT { GATHER } else { 0 };
        let after = after + self.between(200, 2 * MILLISECOND, "look", service as u64);
        self.plan(after, Event::Look(Running { service, lane, life }));
    }

    /// Whether the loop's process lives and is awake; a frozen one does what it was about to do later.
    fn runs(&mut self, running: Running, what: impl FnOnce(Running) -> Event) -> bool {
        let process = self.houses[self.outside[running.service].house].processes[running.lane.process];
        if process.life != running.life || process.is_down {
            return false;
        }
        let thaws_in = process.frozen_until - self.clock.elapsed();
        if thaws_in > 0 {
            self.plan(thaws_in, what(running));
            return false;
        }
        true
    }

    pub(super) fn look(&mut self, running: Running) -> Result<(), Broken> {
        let Running { service, lane, .. } = running;
        if !self.runs(running, Event::Look) {
            return Ok(());
        }
        self.outside[service].is_planned[lane.process][lane.patience] = false;
        if self.services[service].is_busy(lane) || !self.services[service].has_inputs(lane) {
            return Ok(());
        }
        let now = self.clock.elapsed();
        let inputs_max =
            [1, 3, 8, 32, 256][usize::try_from(self.between(0, 5, "batch", service as u64)).unwrap_or(0)];
        self.services[service].begin(lane, inputs_max);
        let about = self.services[service].about(lane);
        let name = self.services[service].name();
        let turn = self.faults.strikes(Fault::Interleaved, about, now, || format!("a load of {name}"));
        if let Some(how) = turn {
            self.services[service].give_turn(lane, u32::try_from(how % 4).unwrap_or(0));
        }
        self.outside[service].conflicts[lane.process][lane.patience] = 0;
        self.go_on(running)
    }

    pub(super) fn go_on(&mut self, running: Running) -> Result<(), Broken> {
        let Running { service, lane, .. } = running;
        if !self.runs(running, Event::GoOn) {
            return Ok(());
        }
        match self.services[service].go_on(lane) {
            Progress::Waits => {
                self.wait(running);
                return Ok(());
            }
            Progress::Saved => self.saved(running),
            Progress::Committed(committed) => {
                self.check_step()?;
                self.committed(running, committed);
            }
            Progress::Failed(FailureKind::Poison, text) => {
                let name = self.services[service].name();
                return Err(Broken::new("no input is poisonous", format!("{name}: {text}")));
            }
            Progress::Failed(..) => self.conflict(running)?,
        }
        self.outside[service].waiting_since[lane.process][lane.patience] = None;
        Ok(())
    }

    /// For as long as a row may be waited for; then all is let go and tried anew.
    fn wait(&mut self, running: Running) {
        let Running { service, lane, .. } = running;
        let now = self.clock.elapsed();
        let since = *self.outside[service].waiting_since[lane.process][lane.patience].get_or_insert(now);
        let mut after = self.between(MILLISECOND, 6 * MILLISECOND, "wait", service as u64);
        if now - since > LOCK_TIMEOUT {
            self.services[service].roll_back(lane);
            self.outside[service].waiting_since[lane.process][lane.patience] = None;
            after += self.between(0, 300 * MILLISECOND, "aside", lane.process as u64);
        }
        self.plan(after, Event::GoOn(running));
    }

    fn saved(&mut self, running: Running) {
        if self.crashes(running, Fault::CrashBeforeCommit) {
            return;
        }
        let after = self.between(500, 4 * MILLISECOND, "commit", running.service as u64);
        self.plan(after, Event::GoOn(running));
    }

    fn conflict(&mut self, running: Running) -> Result<(), Broken> {
        let Running { service, lane, .. } = running;
        self.sight.conflicts += 1;
        let conflicts = &mut self.outside[service].conflicts[lane.process][lane.patience];
        *conflicts += 1;
        if *conflicts > CONFLICTS_MAX {
            let name = self.services[service].name();
            return Err(Broken::new("a conflict is over when the other has committed", name));
        }
        let after = self.between(MILLISECOND, 3 * MILLISECOND, "again", service as u64);
        self.plan(after, Event::GoOn(running));
        Ok(())
    }

    fn committed(&mut self, running: Running, mut committed: Committed) {
        let Running { service, lane, .. } = running;
        self.sight.commits += 1;
        let (now, about) = (self.clock.elapsed(), self.services[service].about(lane));
        committed.about = about;
        self.note(mix(about, committed.messages.len() as u64));
        let name = self.services[service].name();
        let commit = || format!("a commit of {name}");
        if self.faults.strikes(Fault::Unanswered, about, now, commit).is_some() {
            self.services[service].roll_back(lane);
            let after = self.between(20 * MILLISECOND, SECOND, "unanswered", about);
            self.plan(after, Event::GoOn(running));
            return;
        }
        if self.crashes(running, Fault::CrashAfterCommit) {
            return;
        }
        self.services[service].release(lane);
        self.publishing += 1;
        let after = self.between(300, 3 * MILLISECOND, "publish", service as u64);
        self.plan(after, Event::Publish(running, Box::new(committed)));
        self.plan_look(service, lane);
    }

    /// Whether the process dies here.
    fn crashes(&mut self, running: Running, fault: Fault) -> bool {
        let Running { service, lane, .. } = running;
        let (now, about) = (self.clock.elapsed(), self.services[service].about(lane));
        let house = self.outside[service].house;
        let name = self.houses[house].name;
        let what = || format!("process {} of {name}", lane.process);
        let Some(down_for) = self.faults.lasts(fault, about, now, 20, what) else { return false };
        self.kill(house, lane.process, down_for);
        true
    }

    pub(super) fn kill(&mut self, house: usize, process: usize, down_for: i64) {
        let one = &mut self.houses[house].processes[process];
        if one.is_down {
            return;
        }
        one.life += 1;
        (one.is_down, one.frozen_until) = (true, 0);
        for service in self.houses[house].services.clone() {
            self.services[service].die(process);
            self.outside[service].is_planned[process] = [false; LOOPS];
            self.outside[service].waiting_since[process] = [None; LOOPS];
        }
        self.plan(down_for + 300 * MILLISECOND, Event::Restart { house, process });
    }

    pub(super) fn restart(&mut self, house: usize, process: usize) -> Result<(), Broken> {
        self.houses[house].processes[process].is_down = false;
        self.start_clocks(house, process);
        Ok(())
    }
}
