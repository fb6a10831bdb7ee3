//! Does to the system what is planned, when it is planned, and takes it back; keeps processes running meanwhile, as a
//! cluster would.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;
use sandbox::{Flow, Proxy};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::customers::{Customer, one_of};
use super::fault::{Fault, Store, Trouble};
use super::plan::Planned;
use super::process::CrashAt;
use super::system::System;
use super::{layout, poison, wire};

/// How often NATS' store is copied, for a fault that brings an older one back.
const COPY_EVERY: Duration = Duration::from_secs(20);
/// How often processes that have ended are looked for.
const KEEP_EVERY: Duration = Duration::from_millis(300);

/// What became of a fault.
enum Became {
    Done,
    /// And why.
    NotInjected(&'static str),
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Injected {
    /// By kind.
    pub(super) faults: BTreeMap<String, u64>,
    /// Planned, and not done: with the reason.
    pub(super) missed: BTreeMap<String, u64>,
    /// Processes that ended though nobody had told them to.
    pub(super) ended_by_themselves: Vec<String>,
    /// Deaths at points, and on the one order.
    pub(super) deaths_as_planned: u64,
    /// Told to stop, and still there 20 s later.
    pub(super) not_stopped_in_time: u64,
}

/// Has the system in its hands.
pub(super) struct Injector {
    pub(super) system: Arc<System>,
    injected: std::sync::Mutex<Injected>,
    /// Orders what a participant crashes on.
    cursed: Mutex<Customer>,
    position: uuid::Uuid,
}

impl Injector {
    /// `cursed` orders `position`, which nobody else does.
    pub(super) fn new(system: Arc<System>, cursed: Customer, position: uuid::Uuid) -> Self {
        Self { system, injected: std::sync::Mutex::default(), cursed: Mutex::new(cursed), position }
    }

    fn note(&self, note: impl FnOnce(&mut Injected)) {
        note(&mut self.injected.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was done so far.
    pub(super) fn take(&self) -> Injected {
        std::mem::take(&mut self.injected.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows a plan to its end; afterwards nothing of it is left.
    pub(super) async fn follow(&self, plan: &[Planned], say: impl Fn(&Planned)) {
        let began = Instant::now();
        let say = &say;
        let all = plan.iter().map(|planned| async move {
            sleep_until(began + Duration::from_millis(planned.at_ms)).await;
            say(planned);
            let ends_at = began + Duration::from_millis(planned.at_ms + planned.lasts_ms);
            let kind = planned.fault.kind();
            match self.inject(&planned.fault, ends_at).await {
                Ok(Became::Done) => self.note(|all| *all.faults.entry(kind).or_default() += 1),
                Ok(Became::NotInjected(why)) => self.missed(&kind, why),
                Err(error) => self.missed(&kind, &format!("{error:#}")),
            }
        });
        futures::future::join_all(all).await;
    }

    fn missed(&self, kind: &str, why: &str) {
        tracing::warn!(kind, why, "a fault was not injected");
        self.note(|all| *all.missed.entry(format!("{kind}: {why}")).or_default() += 1);
    }

    /// One fault, from its begin to its end.
    async fn inject(&self, fault: &Fault, ends_at: Instant) -> anyhow::Result<Became> {
        match fault {
            Fault::Kill { .. } | Fault::Stop { .. } | Fault::Freeze { .. } | Fault::CrashAt { .. } => {
                self.on_a_process(fault, ends_at).await?;
            }
            Fault::CrashOnOrder { participant } => self.crash_on_order(participant, ends_at).await?,
            Fault::RestartNats { store, killed } => self.restart_nats(*store, *killed, ends_at).await?,
            Fault::FreezeNats => {
                let nats = self.system.nats.lock().await;
                nats.freeze().await?;
                sleep_until(ends_at).await;
                nats.thaw();
            }
            Fault::FillDisk => return self.fill_disk(ends_at).await,
            Fault::RestartPostgres { crashed } => {
                let mut postgres = self.system.postgres.lock().await;
                if *crashed {
                    postgres.kill().await?;
                } else {
                    postgres.stop().await?;
                }
                sleep_until(ends_at).await;
                postgres.restart().await?;
            }
            Fault::FreezePostgres => {
                let postgres = self.system.postgres.lock().await;
                postgres.freeze().await?;
                sleep_until(ends_at).await;
                postgres.thaw();
            }
            Fault::PowerLoss => self.power_loss(ends_at).await?,
            Fault::DeleteStream { stream } => {
                return Ok(self.told_jetstream(&format!("STREAM.DELETE.{stream}")).await);
            }
            Fault::DeleteConsumer { stream, consumer } => {
                return Ok(self.delete_consumers(stream, consumer).await);
            }
            Fault::Connections { trouble, .. } | Fault::AllConnections { trouble, .. } => {
                disturb(self.ways(fault), *trouble, ends_at).await;
            }
            Fault::Poison { subject, poison } => {
                let payload = poison::message(subject, *poison);
                if !wire::publish(self.system.nats_address, subject, &payload).await {
                    return Ok(Became::NotInjected("NATS was away"));
                }
            }
        }
        Ok(Became::Done)
    }

    /// The ways that a fault disturbs.
    fn ways(&self, fault: &Fault) -> Vec<&Proxy> {
        let ways = self.system.proxies.iter();
        let met = ways.filter(|((process, server), _)| match fault {
            Fault::Connections { process: meant, server: to, .. } => process == meant && server == to,
            Fault::AllConnections { server: to, .. } => server == to,
            _ => false,
        });
        met.map(|(_, proxy)| proxy).collect()
    }

    async fn on_a_process(&self, fault: &Fault, ends_at: Instant) -> anyhow::Result<()> {
        let (Fault::Kill { process }
        | Fault::Stop { process }
        | Fault::Freeze { process }
        | Fault::CrashAt { process, .. }) = fault
        else {
            return Ok(());
        };
        let process = self.system.processes.get(process).context("no such process")?;
        // Nobody else touches it meanwhile, not even who keeps it running: but one that is to die by itself.
        let mut held = process.lock().await;
        match fault {
            Fault::Stop { .. } => {
                let stopped = held.stop().await;
                self.note(|all| all.not_stopped_in_time += u64::from(!stopped));
            }
            Fault::Freeze { .. } => {
                held.signal(Signal::SIGSTOP);
                sleep_until(ends_at).await;
                held.signal(Signal::SIGCONT);
                return Ok(());
            }
            Fault::CrashAt { process, point, nth } => {
                held.kill().await;
                let kind = process.split('-').next().unwrap_or_default();
                held.arm(CrashAt::Once(format!("{kind}:{point}:{nth}")));
                return held.start();
            }
            _ => held.kill().await,
        }
        sleep_until(ends_at).await;
        held.start()
    }

    /// Every process of the participant dies whenever it meets the order.
    async fn crash_on_order(&self, participant: &str, ends_at: Instant) -> anyhow::Result<()> {
        let mut cursed = self.cursed.lock().await;
        let words = if participant == "stock" { self.position } else { cursed.asker.user_id };
        for name in layout::replicas(participant) {
            let mut process = self.system.processes.get(&name).context("no such process")?.lock().await;
            process.kill().await;
            process.arm(CrashAt::Always(format!("{participant}:on:{words}")));
            process.start()?;
        }
        cursed.order(one_of(self.position), &CancellationToken::new()).await;
        sleep_until(ends_at).await;
        for name in layout::replicas(participant) {
            let mut process = self.system.processes.get(&name).context("no such process")?.lock().await;
            process.kill().await;
            process.disarm();
            process.start()?;
        }
        Ok(())
    }

    /// What the machine's memory still had to write is written: nothing here cuts a machine's power.
    async fn power_loss(&self, ends_at: Instant) -> anyhow::Result<()> {
        let (mut nats, mut postgres) = (self.system.nats.lock().await, self.system.postgres.lock().await);
        let mut processes = futures::future::join_all(self.system.processes.values().map(Mutex::lock)).await;
        let killed = futures::future::join_all(processes.iter_mut().map(|process| process.kill()));
        let (_, nats_killed, postgres_killed) = tokio::join!(killed, nats.kill(), postgres.kill());
        sleep_until(ends_at).await;
        nats_killed.and(postgres_killed)?;
        // Services come up when they like, also before what they need.
        for process in &mut processes {
            process.start()?;
        }
        drop(processes);
        let (nats, postgres) = tokio::join!(nats.restart(), postgres.restart());
        Ok(nats.and(postgres)?)
    }

    /// Has the server itself do something that no service asked it to.
    async fn told_jetstream(&self, what: &str) -> Became {
        // Nobody stops or freezes it meanwhile, to copy its store.
        let _nats = self.system.nats.lock().await;
        match wire::command(self.system.nats_address, &format!("$JS.API.{what}")).await {
            true => Became::Done,
            false => Became::NotInjected("there was none"),
        }
    }

    /// Of a workflow also those that its processes have for themselves.
    async fn delete_consumers(&self, stream: &str, name: &str) -> Became {
        let all = wire::consumers(self.system.nats_address, stream).await;
        let of_process = format!("{name}-");
        let mut became = Became::NotInjected("there was none");
        for consumer in all.iter().filter(|one| *one == name || one.starts_with(&of_process)) {
            if let Became::Done = self.told_jetstream(&format!("CONSUMER.DELETE.{stream}.{consumer}")).await {
                became = Became::Done;
            }
        }
        became
    }

    async fn restart_nats(&self, store: Store, killed: bool, ends_at: Instant) -> anyhow::Result<()> {
        let mut nats = self.system.nats.lock().await;
        if killed {
            nats.kill().await?;
        } else {
            nats.stop().await?;
        }
        match store {
            Store::Same => {}
            Store::Empty => self.system.disk.empty()?,
            Store::OlderCopy => self.system.disk.bring_copy_back()?,
        }
        sleep_until(ends_at).await;
        nats.restart().await?;
        Ok(())
    }

    /// A server that has met a full disk turns JetStream off: whoever makes room starts it again.
    async fn fill_disk(&self, ends_at: Instant) -> anyhow::Result<Became> {
        if !self.system.disk.mounted {
            return Ok(Became::NotInjected("nothing can be mounted here: that needs root"));
        }
        let mut nats = self.system.nats.lock().await;
        self.system.disk.fill()?;
        sleep_until(ends_at).await;
        self.system.disk.free();
        nats.restart().await?;
        Ok(Became::Done)
    }

    /// Starts what has ended, and copies NATS' store, until told to stop.
    pub(super) async fn keep(&self, stop: &CancellationToken) {
        let mut copied = None;
        while stop.run_until_cancelled(sleep(KEEP_EVERY)).await.is_some() {
            for process in self.system.processes.values() {
                // One that a fault holds is that fault's.
                let Ok(mut process) = process.try_lock() else { continue };
                match process.keep() {
                    Ok(Some(ended)) if ended.as_planned => self.note(|all| all.deaths_as_planned += 1),
                    Ok(Some(ended)) => {
                        let words = format!("{} ended by itself: {}", ended.name, ended.status);
                        tracing::warn!(words);
                        self.note(|all| all.ended_by_themselves.push(words));
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "a process"),
                }
            }
            if copied.is_none_or(|at: Instant| at.elapsed() > COPY_EVERY) && self.copy_store().await {
                copied = Some(Instant::now());
            }
        }
    }

    /// As it is at one moment: the server stands still meanwhile. Not while a fault has it.
    async fn copy_store(&self) -> bool {
        let Ok(nats) = self.system.nats.try_lock() else { return false };
        let copied = match nats.freeze().await {
            Ok(()) => self.system.disk.keep_copy(),
            Err(error) => Err(error.into()),
        };
        nats.thaw();
        copied.inspect_err(|error| tracing::warn!(%error, "no copy of the store")).is_ok()
    }
}

async fn disturb(proxies: Vec<&Proxy>, trouble: Trouble, ends_at: Instant) {
    let flow = match trouble {
        Trouble::Reset => {
            proxies.iter().for_each(|proxy| proxy.reset());
            return;
        }
        Trouble::Delay(by_ms) => Flow::Delayed(Duration::from_millis(by_ms)),
        Trouble::Cut | Trouble::Forget => Flow::Cut,
    };
    proxies.iter().for_each(|proxy| proxy.set(flow));
    sleep_until(ends_at).await;
    for proxy in proxies {
        if trouble == Trouble::Forget {
            proxy.forget();
        }
        proxy.set(Flow::Open);
    }
}
