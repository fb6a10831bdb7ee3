//! The table of sessions: one per login, with the refresh token that was given out last.

use contracts::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use uuid::Uuid;

use crate::credentials::Credentials;
use crate::refresh_token::RefreshToken;
use crate::revocations::{Revocation, Term};
use crate::sql::statement;

/// A session that begins.
pub(crate) struct NewSession {
    pub(crate) session_id: Uuid,
    pub(crate) token: RefreshToken,
    pub(crate) begins_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// A session that was found by a token of its own.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Session {
    pub(crate) session_id: Uuid,
    pub(crate) user_id: Uuid,
    refresh_hash: Vec<u8>,
    expires_at: Timestamp,
}

/// What a token of a session is worth.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It is the last that was given out.
    Current,
    /// It was used before: two hold tokens of the session, and one of them is not the user.
    Used,
    /// The session has come to its end.
    Over,
}

impl Session {
    /// What this token, by which the session was found, is worth at `now`.
    pub(crate) fn worth(&self, token: &RefreshToken, now: Timestamp) -> Worth {
        match (self.expires_at > now, self.refresh_hash == token.hash()) {
            (false, _) => Worth::Over,
            (true, true) => Worth::Current,
            (true, false) => Worth::Used,
        }
    }
}

/// Begins a session of a user whose password was right, and returns the roles of this moment. Nothing if
/// the password was set anew meanwhile: whoever sets it waits for us, or we see what was set.
pub(crate) async fn begin(
    db: &impl ConnectionTrait,
    credentials: &Credentials,
    session: &NewSession,
) -> Result<Option<Vec<String>>, DbErr> {
    let sql = "WITH owner AS (SELECT user_id, roles FROM credentials WHERE user_id = $2 AND password_hash = $3 FOR SHARE), \
        begun AS (INSERT INTO sessions \
            (session_id, user_id, family_hash, refresh_hash, created_at, refreshed_at, expires_at) \
            SELECT $1, user_id, $4, $5, $6, $6, $7 FROM owner) \
        SELECT roles FROM owner";
    let values = [
        session.session_id.into(),
        credentials.user_id.into(),
        credentials.password_hash.clone().into(),
        session.token.family_hash().into(),
        session.token.hash().into(),
        session.begins_at.into(),
        session.expires_at.into(),
    ];
    db.query_one_raw(statement(sql, values)).await?.map(|row| row.try_get_by_index(0)).transpose()
}

/// The session that a token belongs to, locked until the transaction ends: of two who bring the same
/// token at once the second sees what the first has done.
pub(crate) async fn lock(tx: &impl ConnectionTrait, token: &RefreshToken) -> Result<Option<Session>, DbErr> {
    let sql = "SELECT session_id, user_id, refresh_hash, expires_at FROM sessions \
        WHERE family_hash = $1 FOR UPDATE";
    Session::find_by_statement(statement(sql, [token.family_hash().into()])).one(tx).await
}

/// Gives a session its next token.
pub(crate) async fn renew(
    tx: &impl ConnectionTrait,
    session_id: Uuid,
    next: &RefreshToken,
    now: Timestamp,
) -> Result<(), DbErr> {
    let sql = "UPDATE sessions SET refresh_hash = $2, refreshed_at = $3 WHERE session_id = $1";
    tx.execute_raw(statement(sql, [session_id.into(), next.hash().into(), now.into()])).await.map(|_| ())
}

/// Ends a session; its tokens are revoked. Ended again, it is the same.
pub(crate) async fn end(
    db: &impl ConnectionTrait,
    session_id: Uuid,
    term: Term,
) -> Result<Revocation, DbErr> {
    let sql = "WITH ended AS (DELETE FROM sessions WHERE session_id = $1) \
        INSERT INTO revocations (about, revoked_at, until) VALUES ($1, $2, $3) ON CONFLICT (about) DO NOTHING";
    db.execute_raw(statement(sql, [session_id.into(), term.from.into(), term.until.into()])).await?;
    Ok(Revocation { about: session_id, roles: None, revoked_at: term.from, until: term.until })
}

/// Ends all sessions of a user; those are revoked whose last token may still be valid.
pub(crate) async fn end_all(
    tx: &impl ConnectionTrait,
    user_id: Uuid,
    term: Term,
) -> Result<Vec<Revocation>, DbErr> {
    let sql = "WITH ended AS (DELETE FROM sessions WHERE user_id = $1 RETURNING session_id, refreshed_at) \
        INSERT INTO revocations (about, revoked_at, until) \
        SELECT session_id, $2, $3 FROM ended WHERE refreshed_at > $4 \
        ON CONFLICT (about) DO NOTHING RETURNING about, roles, revoked_at, until";
    let values = [user_id.into(), term.from.into(), term.until.into(), term.tokens_since().into()];
    Revocation::find_by_statement(statement(sql, values)).all(tx).await
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_token_is_current_until_the_next_one_is_given_out_or_the_session_is_over() {
        let (token, now) = (RefreshToken::first(), chrono::Utc::now());
        let (session_id, user_id) = (Uuid::now_v7(), Uuid::now_v7());
        let mut session = Session { session_id, user_id, refresh_hash: token.hash(), expires_at: now };
        assert_eq!(session.worth(&token, now), Worth::Over);
        session.expires_at += TimeDelta::seconds(1);
        assert_eq!(session.worth(&token, now), Worth::Current);
        let next = token.next();
        session.refresh_hash = next.hash();
        assert_eq!((session.worth(&token, now), session.worth(&next, now)), (Worth::Used, Worth::Current));
    }
}
