//! The table of sessions: one per login, known by the hash of its refresh token.

use contracts::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A session that begins.
pub(crate) struct NewSession {
    pub(crate) session_id: Uuid,
    /// What the client keeps; the database has only its hash.
    pub(crate) refresh_token: SecretString,
    refresh_hash: Vec<u8>,
}

impl NewSession {
    /// A session with a refresh token of 256 random bits.
    pub(crate) fn new() -> Self {
        let token: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        let refresh_hash = Sha256::digest(&token).to_vec();
        Self { session_id: Uuid::now_v7(), refresh_token: token.into(), refresh_hash }
    }
}

/// Stores a session; the user's sessions that are over go at the same time.
pub(crate) async fn store(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    session: &NewSession,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbErr> {
    let sql = "WITH over AS (DELETE FROM sessions WHERE user_id = $2 AND expires_at < $4) \
        INSERT INTO sessions (session_id, user_id, refresh_hash, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5)";
    let hash = session.refresh_hash.clone();
    let values = [session.session_id.into(), user_id.into(), hash.into(), now.into(), expires_at.into()];
    db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await.map(|_| ())
}
