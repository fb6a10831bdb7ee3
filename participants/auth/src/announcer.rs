//! Tells every process what was revoked: at once, and again when the stream is new or has lost something.
//! The table is the truth; whatever is not noted there as told is told by whichever replica looks first.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use contracts::auth::{RevocationsComplete, SessionRevoked};
use messaging::broadcast::{Broadcast, BroadcastError, StreamState, Told};
use messaging::{Bus, heard, topology};
use sea_orm::{DatabaseConnection, DbErr};
use service::House;
use service::token::Revocations;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::NAME;
use crate::revocations::{self, Revocation};

/// How often the table and the stream are looked at: what another replica committed and could not tell is
/// told within this.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Where handlers bring what they revoked, after their commit.
pub(crate) struct Announcer {
    /// This process' own: it refuses at once, whether NATS is there or not.
    known: Revocations,
    news: Arc<Notify>,
}

impl Announcer {
    /// Starts to tell, until the process stops.
    pub(crate) fn start(house: &House, bus: Bus, db: DatabaseConnection) -> Self {
        let news = Arc::new(Notify::new());
        // Longer than a token's life by the same margin, so nothing is too old that still counts.
        let age_max = revocations::length(&house.config.security).to_std().unwrap_or_default();
        let broadcast = Broadcast::new(NAME, bus, topology::sessions(age_max));
        let teller = Teller { broadcast, db, complete: None };
        let (shutdown, wake) = (house.shutdown.clone(), Arc::clone(&news));
        house.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut teller = teller;
            loop {
                tokio::select! {
                    // First, so that a stopping process still tells what it has committed.
                    biased;
                    () = wake.notified() => {}
                    () = shutdown.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                teller.try_round().await;
            }
        });
        Self { known: house.tokens.revocations().clone(), news }
    }

    /// Refuses these tokens here and, as soon as it can be told, everywhere.
    pub(crate) fn announce(&self, revoked: &[Revocation]) {
        if revoked.is_empty() {
            return;
        }
        revoked.iter().for_each(|row| self.known.learn(&row.into()));
        self.news.notify_one();
    }
}

struct Teller {
    broadcast: Broadcast,
    db: DatabaseConnection,
    /// Where it was said that all is told.
    complete: Option<Told>,
}

#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error(transparent)]
    Broadcast(#[from] BroadcastError),
}

impl Teller {
    async fn try_round(&mut self) {
        if !self.broadcast.is_possible() {
            return;
        }
        match self.round().await {
            Ok(()) => {}
            Err(TellError::Broadcast(error)) => self.broadcast.warn_of(&error),
            Err(error) => tracing::warn!(%error, "revocations were not looked through; trying again"),
        }
    }

    /// Tells all that is not on the stream, and then that this is all.
    async fn round(&mut self) -> Result<(), TellError> {
        let mut stream = self.broadcast.state().await?;
        loop {
            let rows = heard(revocations::untold(&self.db, stream, Utc::now())).await?;
            if rows.is_empty() {
                break;
            }
            self.tell(&rows, &mut stream).await?;
        }
        if self.complete.is_none_or(|told| !stream.has(told)) {
            let sequence = self.broadcast.tell(&[RevocationsComplete { at: Utc::now() }]).await?;
            self.complete = Some(Told { stream_created_at: stream.created_at, sequence });
        }
        Ok(())
    }

    async fn tell(&self, rows: &[Revocation], stream: &mut StreamState) -> Result<(), TellError> {
        let events: Vec<SessionRevoked> = rows.iter().map(Into::into).collect();
        let sequence = self.broadcast.tell(&events).await?;
        let told = Told { stream_created_at: stream.created_at, sequence };
        heard(revocations::note(&self.db, rows, told)).await?;
        stream.last_sequence = stream.last_sequence.max(sequence);
        Ok(())
    }
}
