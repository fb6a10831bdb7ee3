//! How a run ends: when all is quiet, or when its time is over; what is looked at then, and what is told of it.

use std::fmt::Write as _;

use orchestrator::order::OrderStatus;
use orchestrator::simulation::SagaRow;
use uuid::Uuid;

use super::{Mode, Sight, Violation, World};
use crate::simulate::invariants::{Broken, orders, sagas};
use crate::simulate::managed::history_of;
use crate::simulate::service::{LOOPS, Lane, PROCESSES};

/// Sagas whose histories are shown at most.
const SHOWN_MAX: usize = 6;

impl World {
    /// Nothing is under way, and nobody is yet to come.
    pub(super) fn is_quiet(&self) -> bool {
        let (begun, ended) = self.watch.sagas();
        self.expected == 0
            && begun == ended
            && self.publishing == 0
            && self.road.is_empty()
            && self.accepted.len() == self.wishes.len()
            && self.pauses.is_empty()
            && self.lanes().all(|(service, lane)| {
                !self.services[service].is_busy(lane) && !self.services[service].has_inputs(lane)
            })
            && self.has_told_all()
    }

    fn lanes(&self) -> impl Iterator<Item = (usize, Lane)> {
        (0..self.services.len()).flat_map(|service| {
            (0..PROCESSES).flat_map(move |process| {
                (0..LOOPS).map(move |patience| (service, Lane { process, patience }))
            })
        })
    }

    pub(super) fn time_is_over(&mut self) -> Result<(), Broken> {
        if self.script.mode == Mode::Safety {
            return self.check_all(false);
        }
        let (begun, ended) = self.watch.sagas();
        let waits: Vec<_> = self.road.parcels.iter().filter(|parcel| !parcel.is_over).collect();
        let detail = format!(
            "{} of {begun} sagas have not ended: {:?}; {} parcels are on the road, {} of {} orders were accepted, \
             {} publishes and {} people are awaited",
            begun - ended,
            self.open_sagas(),
            waits.len(),
            self.accepted.len(),
            self.wishes.len(),
            self.publishing,
            self.expected
        );
        Err(Broken::new("after faults end everything finishes", detail))
    }

    fn open_sagas(&self) -> Vec<Uuid> {
        self.databases.orchestrator.look(|tables| {
            let open = tables.all::<SagaRow>().filter(|saga| saga.finished_at.is_none());
            open.map(|saga| saga.saga_id).collect()
        })
    }

    pub(super) fn check_all(&mut self, is_quiet: bool) -> Result<(), Broken> {
        orders::check(&self.databases, is_quiet)?;
        self.check_refusals()?;
        let Self { databases, managed, begun_with, sight, .. } = self;
        databases.orchestrator.look(|tables| {
            let all = tables.all::<SagaRow>();
            for row in all.filter(|row| row.finished_at.is_some()) {
                sagas::check(tables, row, managed, begun_with, &mut sight.sent)?;
            }
            Ok(())
        })
    }

    fn check_refusals(&self) -> Result<(), Broken> {
        for (number, wish) in &self.wishes {
            let Some(order) = self.order_of(*number) else { continue };
            let reason = order.reason.as_deref().unwrap_or_default();
            if order.status == OrderStatus::Rejected
                && !wish.may_be_refused_for(reason, order.refusal.0.as_ref())
            {
                let detail =
                    format!("order {number}, {}, for {reason}: {:?}", order.order_id, order.refusal.0);
                return Err(Broken::new("an order is rejected for a reason", detail));
            }
        }
        Ok(())
    }

    pub(super) fn seen(mut self) -> Sight {
        self.sight.endings = orders::endings(&self.databases);
        self.sight.sagas = self.sight.endings.values().sum();
        self.sight.lasted = self.clock.elapsed();
        self.sight.missed = self.faults.missed();
        for struck in self.faults.struck() {
            *self.sight.struck.entry(struck.strike.fault.name()).or_default() += 1;
        }
        self.sight
    }

    pub(super) fn violation(self, broken: Broken) -> Violation {
        let mut histories = String::new();
        self.databases.orchestrator.look(|tables| {
            let mut sagas: Vec<&SagaRow> = tables.all().collect();
            sagas.sort_unstable_by_key(|saga| saga.saga_id);
            if sagas.len() > SHOWN_MAX {
                let is_named = |id: Uuid| broken.detail.contains(&id.to_string());
                sagas.retain(|saga| is_named(saga.saga_id) || is_named(saga.key));
            }
            for saga in sagas.into_iter().take(SHOWN_MAX) {
                let _ = writeln!(histories, "  saga {}, {} of {}", saga.saga_id, saga.workflow, saga.key);
                for record in history_of(tables, saga.saga_id) {
                    let record = serde_json::to_string(&record).unwrap_or_default();
                    let _ = writeln!(histories, "    {record}");
                }
            }
        });
        Violation { at: self.clock.elapsed(), struck: self.faults.struck(), histories, broken }
    }
}
