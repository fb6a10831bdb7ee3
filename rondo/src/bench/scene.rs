//! What is to be measured: which services, how orders arrive, what is ordered, for how long.

use std::time::Duration;

/// How the services run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Setup {
    /// Whether a loop decides more than one input a transaction.
    pub(super) batching: bool,
    /// So many processes of every service; none: one process for all services.
    pub(super) replicas: Option<u32>,
    /// So many sagas may be open, if not as many as usual.
    pub(super) open_sagas_max: Option<u64>,
}

/// Everything in one process, as `rondo up` is.
pub(super) const TOGETHER: Setup = Setup { batching: true, replicas: None, open_sagas_max: None };

impl Setup {
    /// What it adds to a run's name.
    pub(super) fn note(self) -> String {
        let batching = if self.batching { "" } else { ", batching off" };
        let replicas = self.replicas.map(|replicas| format!(", {replicas} of every service"));
        let replicas = replicas.unwrap_or_default();
        format!("{replicas}{batching}")
    }
}

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) name: String,
    pub(super) pace: Pace,
    pub(super) mix: Mix,
    /// Seconds that do not count, before those that do.
    pub(super) warm_up: u64,
    /// Seconds that count.
    pub(super) seconds: u64,
    /// Whether orders may be asked to come later.
    pub(super) may_refuse: bool,
}

/// How orders arrive.
#[derive(Debug, Clone)]
pub(super) enum Pace {
    /// A closed loop: so many clients, each with one order at a time.
    Clients(u32),
    /// An open loop: so many a second, for so long, then the next; the first one also during the warm-up.
    Rates(Vec<(f64, Duration)>),
}

impl Pace {
    /// One rate from the beginning to the end.
    pub(super) fn rate(rate: f64, seconds: u64) -> Self {
        Self::Rates(vec![(rate, Duration::from_secs(seconds))])
    }
}

/// What is ordered, each in percent of all orders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    /// More than the account has.
    pub(super) refused_percent: u8,
    /// The one hot position.
    pub(super) hot_position_percent: u8,
    /// By the one hot user.
    pub(super) hot_account_percent: u8,
}

impl Mix {
    /// What it adds to a run's name.
    pub(super) fn note(self) -> String {
        let hot = |percent: u8, what: &str| match percent {
            0 => String::new(),
            100 => format!(", one hot {what}"),
            _ => format!(", {percent} % on one hot {what}"),
        };
        hot(self.hot_position_percent, "position") + &hot(self.hot_account_percent, "account")
    }
}
