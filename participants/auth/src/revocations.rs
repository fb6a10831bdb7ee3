//! The table of revocations: which tokens every process has to refuse, until when, and whether it was
//! told. Written in the transaction that ends a session or changes roles.

use chrono::TimeDelta;
use contracts::Timestamp;
use contracts::auth::{Revoked, SessionRevoked};
use messaging::broadcast::{StreamState, Told};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use service::config::SecurityConfig;
use uuid::Uuid;

use crate::sql::statement;

/// What is added to a token's life for clocks that differ and messages that are late.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// Rows that are told in one message.
const TOLD_AT_ONCE: usize = messaging::MAX_ITEMS;

/// Tokens that are refused.
#[derive(Debug, Clone, FromQueryResult)]
pub(crate) struct Revocation {
    /// A session, or a user if there are roles.
    pub(crate) about: Uuid,
    /// The user's roles from now on.
    pub(crate) roles: Option<Vec<String>>,
    pub(crate) revoked_at: Timestamp,
    pub(crate) until: Timestamp,
}

impl From<&Revocation> for SessionRevoked {
    fn from(row: &Revocation) -> Self {
        let revoked = match &row.roles {
            None => Revoked::Session { session_id: row.about },
            Some(roles) => Revoked::Roles { user_id: row.about, roles: roles.clone() },
        };
        Self { revoked, revoked_at: row.revoked_at, until: row.until }
    }
}

/// From when until when tokens are refused: no token of before lives longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Term {
    pub(crate) fn new(security: &SecurityConfig, now: Timestamp) -> Self {
        Self { from: now, until: now + length(security) }
    }

    /// Tokens that were issued before this are over.
    pub(crate) fn tokens_since(self) -> Timestamp {
        self.from - (self.until - self.from)
    }
}

/// How long a revocation matters.
pub(crate) fn length(security: &SecurityConfig) -> TimeDelta {
    TimeDelta::seconds(security.access_token_seconds.into()) + MARGIN
}

/// Revokes the tokens of a user that say other roles. The caller has locked the user's credentials, and
/// the time is the database's, so that of two changes the later one has the later time.
pub(crate) async fn of_roles(
    tx: &impl ConnectionTrait,
    user_id: Uuid,
    roles: &[String],
    length: TimeDelta,
) -> Result<Option<Revocation>, DbErr> {
    let sql = "INSERT INTO revocations AS r (about, roles, revoked_at, until) \
        VALUES ($1, $2, clock_timestamp(), clock_timestamp() + make_interval(secs => $3)) \
        ON CONFLICT (about) DO UPDATE SET roles = EXCLUDED.roles, until = EXCLUDED.until, \
        revoked_at = GREATEST(EXCLUDED.revoked_at, r.revoked_at + interval '1 microsecond'), \
        stream_created_at = NULL, sequence = NULL \
        RETURNING about, roles, revoked_at, until";
    let seconds = length.num_seconds() as f64;
    let values = [user_id.into(), roles.to_vec().into(), seconds.into()];
    Revocation::find_by_statement(statement(sql, values)).one(tx).await
}

/// Some that count at `now` and are not on the stream.
pub(crate) async fn untold(
    db: &impl ConnectionTrait,
    stream: StreamState,
    now: Timestamp,
) -> Result<Vec<Revocation>, DbErr> {
    let sql = format!(
        "SELECT about, roles, revoked_at, until FROM revocations WHERE until > $1 AND (sequence IS NULL \
         OR stream_created_at <> $2 OR sequence < $3 OR sequence > $4) ORDER BY until LIMIT {TOLD_AT_ONCE}"
    );
    let sequence = |sequence: u64| i64::try_from(sequence).unwrap_or(i64::MAX);
    let (first, last) = (sequence(stream.first_sequence), sequence(stream.last_sequence));
    let values = [now.into(), stream.created_at.into(), first.into(), last.into()];
    Revocation::find_by_statement(statement(&sql, values)).all(db).await
}

/// Notes where these were told; not for a row that has changed since.
pub(crate) async fn note(db: &impl ConnectionTrait, rows: &[Revocation], told: Told) -> Result<(), DbErr> {
    let sql = "UPDATE revocations AS r SET stream_created_at = $3, sequence = $4 \
        FROM UNNEST($1::uuid[], $2::timestamptz[]) AS told (about, revoked_at) \
        WHERE r.about = told.about AND r.revoked_at = told.revoked_at";
    let about: Vec<Uuid> = rows.iter().map(|row| row.about).collect();
    let revoked_at: Vec<Timestamp> = rows.iter().map(|row| row.revoked_at).collect();
    let sequence = i64::try_from(told.sequence).unwrap_or(i64::MAX);
    let values = [about.into(), revoked_at.into(), told.stream_created_at.into(), sequence.into()];
    db.execute_raw(statement(sql, values)).await.map(|_| ())
}
