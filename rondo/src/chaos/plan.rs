//! Which faults come when: made of a seed and a length alone, so that the same seed gives the same schedule.
//!
//! Kinds are dealt like cards of a shuffled deck, so that a short run has most of them too; what a fault meets and
//! how long it lasts is drawn. Faults overlap, but never two that hold the same thing.

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use super::fault::{Fault, Poison, Server, Store, Trouble};
use super::layout;

/// Between two faults, in milliseconds.
const GAP_MS: std::ops::Range<u64> = 1_200..3_600;
/// Longer than every timeout in the system; the longest is the gateway's, 40 s.
const FREEZE_MS: std::ops::Range<u64> = 43_000..52_000;
/// So often a card is drawn anew whose fault would hold what another holds.
const DRAWS_MAX: usize = 20;

/// A fault with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Planned {
    /// From the first fault's time on, in milliseconds.
    pub(super) at_ms: u64,
    /// How long it lasts, in milliseconds; none of what is over at once.
    pub(super) lasts_ms: u64,
    #[serde(flatten)]
    pub(super) fault: Fault,
}

/// A kind of fault, before its target is drawn.
#[derive(Debug, Clone, Copy)]
enum Card {
    Kill,
    Stop,
    Freeze,
    CrashAt,
    CrashOnOrder,
    Nats(Store),
    FreezeNats,
    FillDisk,
    Postgres { crashed: bool },
    FreezePostgres,
    PowerLoss,
    DeleteStream,
    DeleteConsumer,
    Connections(Server),
    AllConnections(Server),
    Poison,
}

/// What is dealt before any of it comes again: processes die oftener than servers lose their stores.
const DECK: [Card; 28] = [
    Card::Kill,
    Card::Kill,
    Card::Kill,
    Card::Stop,
    Card::Stop,
    Card::CrashAt,
    Card::CrashAt,
    Card::CrashOnOrder,
    Card::Nats(Store::Same),
    Card::Nats(Store::Empty),
    Card::Nats(Store::OlderCopy),
    Card::FreezeNats,
    Card::FillDisk,
    Card::Postgres { crashed: false },
    Card::Postgres { crashed: true },
    Card::FreezePostgres,
    Card::DeleteStream,
    Card::DeleteConsumer,
    Card::Connections(Server::Postgres),
    Card::Connections(Server::Postgres),
    Card::Connections(Server::Nats),
    Card::Connections(Server::Nats),
    Card::Connections(Server::Http),
    Card::AllConnections(Server::Postgres),
    Card::AllConnections(Server::Nats),
    Card::Poison,
    Card::Poison,
    Card::Poison,
];

/// Subjects that poison is put under.
const POISONED: [&str; 8] = [
    "cmd.billing.reserve_funds.v1",
    "cmd.stock.reserve_stock.v1",
    "cmd.delivery.schedule_delivery.v1",
    "cmd.notification.notify.v1",
    "reply.order.v1",
    "reply.order_cancellation.v1",
    "order.order_confirmed.v1",
    "delivery.order_sent.v1",
];

/// The schedule of a seed: faults of the first `seconds`, in the order of time. All are over by then: what would last
/// longer is not dealt.
pub(super) fn plan(seed: u64, seconds: u64) -> Vec<Planned> {
    let mut dealer = Dealer { rng: StdRng::seed_from_u64(seed), deck: Vec::new(), planned: Vec::new() };
    let end_ms = seconds * 1_000;
    // Each deck begins with a power loss, which needs everything, and a freeze: the shortest run has both, whole.
    let mut at_ms = 500;
    while at_ms < end_ms {
        dealer.deal(at_ms, end_ms);
        at_ms += dealer.rng.random_range(GAP_MS);
    }
    dealer.planned
}

struct Dealer {
    rng: StdRng,
    deck: Vec<Card>,
    planned: Vec<Planned>,
}

impl Dealer {
    fn deal(&mut self, at_ms: u64, end_ms: u64) {
        if self.deck.is_empty() {
            self.deck = DECK.to_vec();
            self.deck.shuffle(&mut self.rng);
            self.deck.extend([Card::Freeze, Card::PowerLoss]);
        }
        let Some(card) = self.deck.pop() else { return };
        for _ in 0..DRAWS_MAX {
            let (fault, lasts_ms) = self.draw(card);
            if at_ms + lasts_ms <= end_ms && self.is_free(&fault, at_ms) {
                return self.planned.push(Planned { at_ms, lasts_ms, fault });
            }
        }
        // Everything that it could meet is taken, or the time is too short: it comes later, or not.
        let place = self.rng.random_range(0..=self.deck.len());
        self.deck.insert(place, card);
    }

    /// Whether nothing that the fault needs is held by another one that has not ended.
    fn is_free(&self, fault: &Fault, at_ms: u64) -> bool {
        let wanted = fault.holds();
        let going_on = self.planned.iter().filter(|other| at_ms <= other.at_ms + other.lasts_ms);
        going_on.flat_map(|other| other.fault.holds()).all(|held| !wanted.contains(&held))
    }

    fn draw(&mut self, card: Card) -> (Fault, u64) {
        match card {
            Card::Kill => (Fault::Kill { process: self.process() }, self.between(0, 6_000)),
            Card::Stop => (Fault::Stop { process: self.process() }, self.between(0, 6_000)),
            Card::Freeze => (Fault::Freeze { process: self.process() }, self.rng.random_range(FREEZE_MS)),
            Card::CrashAt => (self.crash(), 5_000),
            Card::CrashOnOrder => {
                let participant = self.one_of(&layout::PARTICIPANTS);
                (Fault::CrashOnOrder { participant }, self.between(8_000, 20_000))
            }
            Card::Nats(store) => {
                let killed = self.rng.random_bool(0.5);
                (Fault::RestartNats { store, killed }, self.between(0, 4_000))
            }
            Card::FreezeNats => (Fault::FreezeNats, self.between(3_000, 12_000)),
            Card::FillDisk => (Fault::FillDisk, self.between(4_000, 10_000)),
            Card::Postgres { crashed } => (Fault::RestartPostgres { crashed }, self.between(0, 4_000)),
            Card::FreezePostgres => (Fault::FreezePostgres, self.between(3_000, 10_000)),
            // Over before the next card: everybody else waits for everything.
            Card::PowerLoss => (Fault::PowerLoss, self.between(0, GAP_MS.start)),
            Card::DeleteStream => (Fault::DeleteStream { stream: self.one_of(&layout::READ).0 }, 0),
            Card::DeleteConsumer => {
                let (stream, consumer) = self.one_of(&layout::READ);
                (Fault::DeleteConsumer { stream, consumer }, 0)
            }
            Card::Connections(server) => {
                let (trouble, lasts_ms) = self.trouble();
                (Fault::Connections { process: self.replica(), server, trouble }, lasts_ms)
            }
            Card::AllConnections(server) => {
                let (trouble, lasts_ms) = self.trouble();
                (Fault::AllConnections { server, trouble }, lasts_ms)
            }
            Card::Poison => {
                let poison = self.one_of(&[Poison::Garbage, Poison::BadItem, Poison::WrongData, Poison::Nul]);
                (Fault::Poison { subject: self.one_of(&POISONED), poison }, 0)
            }
        }
    }

    fn crash(&mut self) -> Fault {
        let kind = self.one_of(&layout::LOOPED);
        let process = self.one_of(&layout::replicas(kind));
        let points = ["before_commit", "after_commit_before_publish", "after_publish_before_ack"];
        Fault::CrashAt { process, point: self.one_of(&points), nth: self.rng.random_range(1..=5) }
    }

    fn trouble(&mut self) -> (Trouble, u64) {
        match self.rng.random_range(0..4) {
            0 => (Trouble::Reset, 0),
            1 => (Trouble::Delay(self.between(20, 400)), self.between(4_000, 12_000)),
            2 => (Trouble::Cut, self.between(3_000, 20_000)),
            _ => (Trouble::Forget, self.between(3_000, 20_000)),
        }
    }

    fn process(&mut self) -> String {
        let names: Vec<String> = layout::processes().into_iter().map(|(name, _)| name).collect();
        self.one_of(&names)
    }

    /// Not the gateway: it has neither database nor NATS.
    fn replica(&mut self) -> String {
        let (kind, _) = self.one_of(&layout::TWICE);
        self.one_of(&layout::replicas(kind))
    }

    fn between(&mut self, from_ms: u64, to_ms: u64) -> u64 {
        self.rng.random_range(from_ms..to_ms)
    }

    fn one_of<T: Clone>(&mut self, these: &[T]) -> T {
        these.choose(&mut self.rng).cloned().expect("nobody draws from nothing")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_schedule_and_another_one_another() {
        assert_eq!(plan(7, 300), plan(7, 300));
        assert_ne!(plan(7, 300), plan(8, 300));
    }

    #[test]
    fn no_two_faults_hold_the_same_thing_at_once() {
        for seed in 0..50 {
            let planned = plan(seed, 300);
            for (index, one) in planned.iter().enumerate() {
                for other in &planned[..index] {
                    let apart = other.at_ms + other.lasts_ms < one.at_ms;
                    let held = other.fault.holds();
                    assert!(apart || one.fault.holds().iter().all(|wanted| !held.contains(wanted)), "{seed}");
                }
            }
        }
    }

    #[test]
    fn faults_overlap_and_end_with_the_time() {
        let planned = plan(1, 120);
        let ends = |fault: &Planned| fault.at_ms + fault.lasts_ms;
        assert!(planned.iter().all(|fault| ends(fault) <= 120_000));
        assert!(planned.windows(2).any(|two| two[1].at_ms < ends(&two[0])));
        assert!(planned.is_sorted_by_key(|fault| fault.at_ms));
    }

    #[test]
    fn a_minute_loses_power_and_every_freeze_is_longer_than_every_timeout() {
        for seed in 0..50 {
            for seconds in [60, 75, 130] {
                let planned = plan(seed, seconds);
                let freezes = planned.iter().filter(|fault| matches!(fault.fault, Fault::Freeze { .. }));
                let shortest = freezes.map(|freeze| freeze.lasts_ms).min();
                assert!(shortest.is_some_and(|shortest| shortest > 40_000), "{seed}, {seconds}");
                assert!(planned.iter().any(|fault| fault.fault == Fault::PowerLoss), "{seed}");
            }
        }
    }

    #[test]
    fn a_quarter_of_an_hour_has_every_kind() {
        let kinds: BTreeSet<String> = plan(1, 900).iter().map(|planned| planned.fault.kind()).collect();
        for kind in [
            "NATS restarted with an older copy",
            "NATS' disk full",
            "connections to PostgreSQL silent for ever",
        ] {
            assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
        }
        assert!(kinds.len() >= 27, "{kinds:?}");
    }

    #[test]
    fn the_runbooks_tell_of_every_kind_and_of_no_other() {
        let runbooks = include_str!("../../../docs/runbooks.md");
        let table = runbooks.split_once("\n| fault |").expect("a table of faults").1;
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let told: BTreeSet<String> =
            rows.filter_map(|row| row.split(" | ").next()?.strip_prefix("| ")).map(str::to_owned).collect();
        let kinds: BTreeSet<String> =
            (0..20).flat_map(|seed| plan(seed, 900)).map(|planned| planned.fault.kind()).collect();
        assert_eq!(told, kinds);
    }
}
