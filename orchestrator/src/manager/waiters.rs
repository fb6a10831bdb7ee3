//! Those who wait for a decision: handlers with `Prefer: wait`. The replica that decides wakes its own
//! with the row itself and tells the others the id; what is lost on the way costs a look at the end of
//! the wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use messaging::{Bus, Runtime, wake_subject};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Commits whose ids may wait to be told to other replicas; more are not told.
const TOLD_MAX: usize = 256;

/// Callers by the key they wait for.
pub(crate) struct Waiters<R> {
    waiting: Mutex<HashMap<Uuid, Vec<oneshot::Sender<Option<R>>>>>,
    tell: mpsc::Sender<Vec<Uuid>>,
}

/// One caller's wait; ends when it is dropped.
pub(crate) struct Waiting<R> {
    key: Uuid,
    woken: oneshot::Receiver<Option<R>>,
    waiters: Arc<Waiters<R>>,
}

impl<R> Waiting<R> {
    /// The decided row; `None` when the time is up, or when it must be read because another replica
    /// decided.
    pub(crate) async fn within(mut self, wait: Duration) -> Option<R> {
        tokio::time::timeout(wait, &mut self.woken).await.ok()?.ok()?
    }
}

impl<R> Drop for Waiting<R> {
    fn drop(&mut self) {
        self.woken.close();
        let mut waiting = self.waiters.lock();
        if let Some(callers) = waiting.get_mut(&self.key) {
            callers.retain(|caller| !caller.is_closed());
            if callers.is_empty() {
                waiting.remove(&self.key);
            }
        }
    }
}

impl<R: Clone + Send + 'static> Waiters<R> {
    pub(crate) fn new(workflow: &'static str, bus: Bus, runtime: &Runtime) -> Arc<Self> {
        let (tell, mut told) = mpsc::channel::<Vec<Uuid>>(TOLD_MAX);
        runtime.tasks.spawn(async move {
            let subject = wake_subject(workflow);
            while let Some(ids) = told.recv().await {
                bus.wake(&subject, &ids).await;
            }
        });
        Arc::new(Self { waiting: Mutex::default(), tell })
    }

    /// Where there are no other replicas to be told.
    pub(crate) fn alone() -> Arc<Self> {
        let (tell, _) = mpsc::channel(1);
        Arc::new(Self { waiting: Mutex::default(), tell })
    }

    pub(crate) fn wait_for(this: &Arc<Self>, key: Uuid) -> Waiting<R> {
        let (wake, woken) = oneshot::channel();
        this.lock().entry(key).or_default().push(wake);
        Waiting { key, woken, waiters: Arc::clone(this) }
    }

    /// These were decided here: wakes those who wait here, with the row where it changed, and tells the
    /// other replicas.
    pub(crate) fn decided(&self, rows: Vec<(Uuid, Option<R>)>) {
        if rows.is_empty() {
            return;
        }
        let ids = rows.iter().map(|(key, _)| *key).collect();
        let mut waiting = self.lock();
        for (key, row) in rows {
            for caller in waiting.remove(&key).into_iter().flatten() {
                let _ = caller.send(row.clone());
            }
        }
        drop(waiting);
        let _ = self.tell.try_send(ids);
    }

    /// These were decided somewhere: whoever still waits here has to look.
    fn look(&self, ids: &[Uuid]) {
        let mut waiting = self.lock();
        for caller in ids.iter().filter_map(|key| waiting.remove(key)).flatten() {
            let _ = caller.send(None);
        }
    }
}

impl<R> Waiters<R> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<oneshot::Sender<Option<R>>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what other replicas decided.
pub(crate) fn hear_others<R: Clone + Send + 'static>(
    workflow: &'static str,
    bus: Bus,
    waiters: Arc<Waiters<R>>,
    runtime: &Runtime,
) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let listen = async {
            match bus.woken(&wake_subject(workflow)).await {
                Ok(mut woken) => {
                    while let Some(ids) = woken.next().await {
                        waiters.look(&ids);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "waiters are not woken by other replicas; they look at the end");
                }
            }
        };
        shutdown.run_until_cancelled(listen).await;
    });
}
