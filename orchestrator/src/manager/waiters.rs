//! Those who wait for a decision: handlers with `Prefer: wait`. The replica that decides wakes its own
//! with the row itself and tells the others the id; these read all that they were told in one statement.
//! What is lost on the way costs a look at the end of the wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use messaging::rows::{Hold, Record, Rows, Transaction};
use messaging::{Bus, Runtime, wake_subject};
use sea_orm::DatabaseConnection;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

/// Commits whose ids may wait to be told to other replicas; more are not told.
const TOLD_MAX: usize = 256;

/// A database that takes longer holds up nobody who could be woken by the next words.
const READ_WITHIN: Duration = Duration::from_secs(1);

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
    /// decided and its row could not be read with the others.
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

    /// Those of these for which somebody waits here.
    fn waited_for(&self, ids: Vec<Uuid>) -> Vec<Uuid> {
        let waiting = self.lock();
        ids.into_iter().filter(|key| waiting.contains_key(key)).collect()
    }
}

impl<R: Record + Clone> Waiters<R> {
    /// These were decided somewhere: wakes those who wait here, with what was read of them.
    async fn look(&self, ids: Vec<Uuid>, reader: &DatabaseConnection) {
        let wanted = self.waited_for(ids);
        if wanted.is_empty() {
            return;
        }
        let mut tx = Transaction::Optimistic(reader.get_postgres_connection_pool().clone());
        // Who gets no row looks for himself.
        let read = Rows::<R>::load(&mut tx, &wanted, Hold::Unlocked);
        let rows = tokio::time::timeout(READ_WITHIN, read).await.ok().and_then(Result::ok);
        let mut waiting = self.lock();
        for key in wanted {
            let row = rows.as_ref().and_then(|rows| rows.get(key));
            for caller in waiting.remove(&key).into_iter().flatten() {
                let _ = caller.send(row.cloned());
            }
        }
    }
}

impl<R> Waiters<R> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<oneshot::Sender<Option<R>>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what other replicas decided. What comes while it reads is read together.
pub(crate) fn hear_others<R: Record + Clone + 'static>(
    workflow: &'static str,
    bus: Bus,
    waiters: Arc<Waiters<R>>,
    reader: DatabaseConnection,
    runtime: &Runtime,
) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let listen = async {
            match bus.woken(&wake_subject(workflow)).await {
                Ok(mut woken) => {
                    while let Some(mut ids) = woken.next().await {
                        while let Some(Some(more)) = woken.next().now_or_never() {
                            ids.extend(more);
                        }
                        waiters.look(ids, &reader).await;
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
