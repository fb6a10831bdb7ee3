//! Pauses of whole workflows and participants: rows, remembered by every process and read anew once a
//! second, so that a pause is in effect everywhere within about that. Where one holds, the saga about to
//! send is paused by it, and stands still until the row is gone: then the sweep resumes it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contracts::Timestamp;
use messaging::rows::select;
use messaging::{Runtime, heard, record, until_answered};
use saga::{Action, Effect, Input, PausedBy};
use sea_orm::{DatabaseConnection, DbErr};
use tokio::time::MissedTickBehavior;

const READ_EVERY: Duration = Duration::from_secs(1);
/// More pauses than there are workflows and participants are not to be expected.
const PAUSES_MAX: u32 = 1_000;

record! {
    /// A pause of a workflow or of a participant.
    pub struct PauseRow in "pauses" {
        /// Its id.
        pause_id: Uuid,
        fixed {
            /// `workflow` or `participant`.
            scope: String,
            /// Of the workflow or participant.
            name: String,
            /// When it began.
            since: Timestamp,
            /// Who paused.
            actor: String,
            /// Why.
            reason: String,
        }
    }
}

/// The pauses that hold, as last read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Vec<PauseRow>);

/// The pauses that a process knows of.
#[derive(Debug, Default)]
pub struct KnownPauses(RwLock<Arc<Held>>);

/// The pauses that hold, kept fresh.
pub(crate) struct Pauses {
    known: Arc<KnownPauses>,
    db: DatabaseConnection,
}

impl PauseRow {
    /// As what it is a saga's pause.
    pub(crate) fn paused_by(&self) -> PausedBy {
        if self.scope == "workflow" { PausedBy::Workflow } else { PausedBy::Participant(self.name.clone()) }
    }

    /// What pauses a saga that would send.
    pub(crate) fn as_input(&self) -> Input {
        Input::Operator {
            action: Action::Pause(self.paused_by()),
            by: self.actor.clone(),
            reason: self.reason.clone(),
        }
    }
}

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pause that keeps a workflow from sending to a participant.
    pub(crate) fn of(&self, workflow: &str, participant: &str) -> Option<&PauseRow> {
        let holds = |pause: &&PauseRow| match pause.scope.as_str() {
            "workflow" => pause.name == workflow,
            _ => pause.name == participant,
        };
        self.0.iter().find(holds)
    }

    /// Whether this must not be sent now.
    pub(crate) fn holds_back(&self, workflow: &str, effect: &Effect) -> bool {
        matches!(effect, Effect::Send(send) if self.of(workflow, send.participant).is_some())
    }

    /// The pause of which nothing that is to be sent is free; none where nothing is to be sent.
    pub(crate) fn holding_all(&self, workflow: &str, effects: &[Effect]) -> Option<&PauseRow> {
        let mut first = None;
        for effect in effects {
            if let Effect::Send(send) = effect {
                let pause = self.of(workflow, send.participant)?;
                first.get_or_insert(pause);
            }
        }
        first
    }
}

impl Pauses {
    /// Reads them, and goes on reading.
    pub(crate) async fn start(db: DatabaseConnection, runtime: &Runtime) -> Result<Arc<Self>, DbErr> {
        let pauses = Arc::new(Self { known: Arc::default(), db });
        until_answered(async || pauses.read_again().await).await?;
        let (reading, shutdown) = (Arc::clone(&pauses), runtime.shutdown.clone());
        runtime.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(READ_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = reading.read_again().await {
                    tracing::debug!(%error, "the pauses were not read; those known still hold");
                }
            }
        });
        Ok(pauses)
    }

    /// What is known now.
    pub(crate) fn held(&self) -> Arc<Held> {
        self.known.held()
    }

    /// What is known, from now on too.
    pub(crate) fn known(&self) -> Arc<KnownPauses> {
        Arc::clone(&self.known)
    }

    /// Reads them now.
    pub(crate) async fn read_again(&self) -> Result<(), DbErr> {
        let wanted = select(format!("true ORDER BY scope, name LIMIT {PAUSES_MAX}"));
        self.known.learn(heard(wanted.read(&self.db)).await?);
        Ok(())
    }
}

impl KnownPauses {
    /// What is known now.
    pub(crate) fn held(&self) -> Arc<Held> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These hold now, and no others.
    pub fn learn(&self, pauses: Vec<PauseRow>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Held(pauses));
    }
}
