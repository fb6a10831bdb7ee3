//! The figures of one run.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bench::percentiles::Percentiles;
use crate::bench::run::Seen;
use crate::bench::scene::{Pace, Scene, Setup};
use crate::bench::work::{Batches, Rows};

const MIB: f64 = 1024.0 * 1024.0;

/// One run.
#[derive(Debug, Serialize)]
pub(in crate::bench) struct Run {
    pub(super) name: String,
    /// Of a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<u32>,
    /// Of an open loop.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orders_per_second: Vec<f64>,
    /// None: one process for all services.
    replicas: Option<u32>,
    batching: bool,
    hot_position_percent: u8,
    hot_account_percent: u8,
    /// Sagas that reached their end in the seconds that count, the last tail step included, by second.
    pub(in crate::bench) sagas_per_second: f64,
    /// From sending an order (in an open loop: from when it was due) to its decision, as the client sees it.
    pub(in crate::bench) decided_after_ms: Percentiles,
    /// From a saga's beginning to its end, by its own row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finished_after_ms: Option<Percentiles>,
    /// Of the whole run, warm-up included, like everything by saga below.
    pub(super) orders_confirmed: u64,
    pub(super) orders_refused: u64,
    pub(super) orders_asked_to_come_later: u64,
    /// What nobody asked for.
    pub(super) unexpected: BTreeMap<String, u64>,
    /// By program; only what is known.
    pub(in crate::bench) cpu_seconds_per_1000_sagas: BTreeMap<&'static str, f64>,
    /// Where each has processes of its own.
    pub(in crate::bench) cpu_seconds_per_1000_sagas_by_service: BTreeMap<String, f64>,
    /// By program, at the end.
    pub(super) memory_mib: BTreeMap<&'static str, f64>,
    /// By program, the most.
    pub(in crate::bench) memory_mib_max: BTreeMap<&'static str, f64>,
    /// Like all that PostgreSQL tells: only with its databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) row_writes_per_saga: Option<f64>,
    pub(super) rows_per_saga_by_table: BTreeMap<String, Rows>,
    /// Of all updates, those that touched no index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hot_update_share: Option<f64>,
    /// By database, without those that only begin and end transactions.
    pub(super) statements_per_saga: BTreeMap<String, f64>,
    pub(super) commits_per_saga: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) log_kib_per_saga: Option<f64>,
    /// Of files, by program: what stays, and what its pages and segments leave free.
    pub(super) stored_kib_per_saga: BTreeMap<&'static str, f64>,
    pub(super) messages_per_saga: f64,
    pub(super) items_per_saga: f64,
    pub(super) batches_per_saga: BTreeMap<String, f64>,
    pub(super) inputs_per_batch: BTreeMap<String, f64>,
    /// From begin to commit: a loop has one transaction at a time, so this bounds what it can do.
    pub(super) loop_seconds_per_1000_sagas: BTreeMap<String, f64>,
    pub(super) commands_asked_again: f64,
    pub(super) batch_failures: f64,
    dead_letters: f64,
    #[serde(skip)]
    may_refuse: bool,
}

impl Run {
    /// Speed, time, CPU and memory are of the seconds that count, what is by saga of the whole run.
    pub(in crate::bench) fn new(scene: &Scene, setup: Setup, seen: &Seen) -> Self {
        let (window, tally, work) = (&seen.window, &seen.tally, &seen.work);
        let by_saga = |what: f64| what / work.sagas.max(1.0);
        let each_by_saga = |of: &BTreeMap<String, f64>| {
            of.iter().map(|(name, n)| (name.clone(), by_saga(*n))).collect::<BTreeMap<_, _>>()
        };
        let known = !work.commits.is_empty();
        let written: f64 = work.rows.values().map(|rows| rows.written()).sum();
        let updated: f64 = work.rows.values().map(|rows| rows.updated).sum();
        let updated_hot: f64 = work.rows.values().map(|rows| rows.updated_hot).sum();
        let rows = |rows: &Rows| Rows {
            inserted: by_saga(rows.inserted),
            updated: by_saga(rows.updated),
            updated_hot: by_saga(rows.updated_hot),
            deleted: by_saga(rows.deleted),
        };
        let by_service = |of: &dyn Fn(&Batches) -> f64| {
            work.batches.iter().map(|(name, loops)| (name.clone(), of(loops))).collect()
        };
        let by_1000 = |seconds: f64| seconds * 1000.0 / window.sagas.max(1.0);
        let mib = |of: &BTreeMap<&'static str, u64>| {
            of.iter().map(|(name, bytes)| (*name, *bytes as f64 / MIB)).collect::<BTreeMap<_, _>>()
        };
        let (clients, orders_per_second) = match &scene.pace {
            Pace::Clients(clients) => (Some(*clients), Vec::new()),
            Pace::Rates(rates) => (None, rates.iter().map(|(rate, _)| *rate).collect()),
        };
        Self {
            name: format!("{}{}{}", scene.name, scene.mix.note(), setup.note()),
            clients,
            orders_per_second,
            replicas: setup.replicas,
            batching: setup.batching,
            hot_position_percent: scene.mix.hot_position_percent,
            hot_account_percent: scene.mix.hot_account_percent,
            sagas_per_second: window.sagas / scene.seconds as f64,
            decided_after_ms: Percentiles::of(tally.decided.iter()),
            finished_after_ms: window.finished_after_ms,
            orders_confirmed: tally.confirmed,
            orders_refused: tally.refused,
            orders_asked_to_come_later: tally.asked_to_come_later,
            unexpected: tally.unexpected.clone(),
            cpu_seconds_per_1000_sagas: window
                .cpu_seconds
                .iter()
                .map(|(name, s)| (*name, by_1000(*s)))
                .collect(),
            cpu_seconds_per_1000_sagas_by_service: window
                .cpu_seconds_by_service
                .iter()
                .map(|(name, s)| (name.clone(), by_1000(*s)))
                .collect(),
            memory_mib: mib(&window.memory_bytes),
            memory_mib_max: mib(&window.memory_bytes_max),
            row_writes_per_saga: known.then(|| by_saga(written)),
            rows_per_saga_by_table: work.rows.iter().map(|(table, of)| (table.clone(), rows(of))).collect(),
            hot_update_share: known.then(|| updated_hot / updated.max(1.0)),
            statements_per_saga: each_by_saga(&work.statements),
            commits_per_saga: each_by_saga(&work.commits),
            log_kib_per_saga: known.then(|| by_saga(work.log_bytes) / 1024.0),
            stored_kib_per_saga: (work.stored_bytes.iter())
                .map(|(name, bytes)| (*name, by_saga(*bytes) / 1024.0))
                .collect(),
            messages_per_saga: by_saga(work.messages),
            items_per_saga: by_saga(work.items),
            batches_per_saga: by_service(&|loops| by_saga(loops.count)),
            inputs_per_batch: by_service(&|loops| loops.inputs / loops.count),
            loop_seconds_per_1000_sagas: by_service(&|loops| by_saga(loops.seconds) * 1000.0),
            commands_asked_again: work.asked_again,
            batch_failures: work.batch_failures,
            dead_letters: work.dead_letters,
            may_refuse: scene.may_refuse,
        }
    }

    /// CPU seconds of everything but the load.
    pub(in crate::bench) fn cpu_seconds_per_1000_sagas(&self) -> f64 {
        self.cpu_seconds_per_1000_sagas.iter().filter(|(name, _)| **name != "load").map(|(_, s)| s).sum()
    }

    /// What was not as it must be.
    pub(super) fn complaints(&self) -> impl Iterator<Item = String> {
        let name = &self.name;
        let unexpected = self.unexpected.iter();
        let unexpected = unexpected.map(move |(what, times)| format!("{name}: {times} times: {what}"));
        let refused = (self.orders_asked_to_come_later > 0 && !self.may_refuse)
            .then(|| format!("{name}: {} orders were asked to come later", self.orders_asked_to_come_later));
        let dead = (self.dead_letters > 0.0)
            .then(|| format!("{name}: {} items became dead letters", self.dead_letters));
        unexpected.chain(refused).chain(dead)
    }
}
