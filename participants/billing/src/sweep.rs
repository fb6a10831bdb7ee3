//! Now and then: looks for holds that nobody asked for in time and puts them through the loop.
//!
//! No index serves the holds: one on what is held would be touched by every hold twice. Orders' ids are in
//! the order of time, so the primary key leads to the old ones, and a mark in memory passes over those
//! that have ended. A new process walks over all of them, a page at a time, and so does one that has run for a
//! day: the hold of an order that was kept waiting for long may have come below the mark.

use std::time::Duration;

use chrono::TimeDelta;
use messaging::outbox::first_id_at;
use messaging::{Handle, Runtime, heard};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::billing::{Billing, Input};
use crate::commands::expire_hold::GRACE;
use crate::store::{self, SweptHold};

/// Holds read in one statement.
const PAGE_ROWS: u64 = 5_000;
/// How often all are walked over.
const ALL_EVERY: Duration = Duration::from_hours(24);

pub(crate) struct Sweep {
    pub(crate) db: DatabaseConnection,
    pub(crate) handle: Handle<Billing>,
    pub(crate) hold_life: TimeDelta,
    /// How often it looks.
    pub(crate) every: Duration,
}

impl Sweep {
    /// Sweeps until the process stops.
    pub(crate) fn start(self, runtime: &Runtime) {
        let shutdown = runtime.shutdown.clone();
        runtime.tasks.spawn(async move {
            let (mut all_ended_up_to, mut all_due) = (Uuid::nil(), Instant::now() + ALL_EVERY);
            let mut ticks = tokio::time::interval(self.every);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                if all_due <= Instant::now() {
                    (all_ended_up_to, all_due) = (Uuid::nil(), Instant::now() + ALL_EVERY);
                }
                match self.round(all_ended_up_to).await {
                    Ok(mark) => all_ended_up_to = mark,
                    Err(error) => tracing::warn!(%error, "holds were not looked through; trying again"),
                }
            }
        });
    }

    /// Submits what is due. Returns the order up to which all holds have ended.
    async fn round(&self, mark: Uuid) -> Result<Uuid, DbErr> {
        let due = chrono::Utc::now() - GRACE;
        let up_to = first_id_at(due - self.hold_life);
        let (mut after, mut mark, mut all_ended) = (mark, mark, true);
        loop {
            let page = heard(store::holds_between(&self.db, after, up_to, PAGE_ROWS)).await?;
            let Some(last) = page.last() else { return Ok(mark) };
            after = last.order_id;
            for SweptHold { order_id, held_until } in page {
                all_ended &= held_until.is_none();
                if all_ended {
                    mark = order_id;
                }
                if held_until.is_some_and(|until| until <= due) {
                    self.handle.submit(Input::Expire(order_id)).await;
                }
            }
        }
    }
}
