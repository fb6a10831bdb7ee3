//! A hold: what became of the money for one order. One row an order, also where nothing is held, or where
//! it was paid at once; it has all that a reply needs, so that a repeated command is answered the same for
//! ever, and whoever comes first, an order's saga or a payment, is the only one who takes money for it.

use contracts::{Amount, Timestamp};
use messaging::rows::sqlx;
use messaging::{record, record_as, word_column};
use uuid::Uuid;

use crate::derived_id::derived_id;

/// What was done for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The order.
    pub order_id: Uuid,
    /// What became of it.
    pub state: HoldState,
}

/// Where a hold is in its life. It ends once: in `Released` or `Captured`. From `Expired`, where billing
/// ended it on its own, it may still get to either. What was captured or paid may be `Refunded`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldState {
    /// The money waits.
    Held(Terms),
    /// It is available again.
    Released(Terms),
    /// It was taken.
    Captured(Terms),
    /// It was taken at once, by a payment, before its saga asked for it, if there is a saga.
    Paid(Terms),
    /// It was taken, and given back: the order was cancelled after it was confirmed, or paid and turned back.
    Refunded(Terms),
    /// Nobody asked for it in time: it is available again.
    Expired(Terms),
    /// There was not enough.
    Refused {
        /// What was asked for.
        asked: Asked,
        /// What was available then, in minor units.
        available: i64,
    },
    /// The undo came first: it will never be held.
    Cancelled,
}

/// What a hold was asked for; a repeat must ask for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whose money.
    pub user_id: Uuid,
    /// How much.
    pub amount: Amount,
}

/// A hold that was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// For what.
    pub asked: Asked,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Hold {
    /// The hold's own id.
    pub fn hold_id(&self) -> Uuid {
        derived_id(self.order_id, "hold")
    }
}

impl HoldState {
    /// What was asked for, where that is known.
    pub fn asked(&self) -> Option<&Asked> {
        match self {
            Self::Held(terms)
            | Self::Released(terms)
            | Self::Captured(terms)
            | Self::Paid(terms)
            | Self::Refunded(terms)
            | Self::Expired(terms) => Some(&terms.asked),
            Self::Refused { asked, .. } => Some(asked),
            Self::Cancelled => None,
        }
    }

    /// Whether what may come next changes an account.
    pub(crate) fn moves_money(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Captured(_) | Self::Paid(_) | Self::Expired(_))
    }
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Held,
    Released,
    Captured,
    Paid,
    Refunded,
    Expired,
    Refused,
    Cancelled,
}

word_column!(Word {
    Held => "held",
    Released => "released",
    Captured => "captured",
    Paid => "paid",
    Refunded => "refunded",
    Expired => "expired",
    Refused => "refused",
    Cancelled => "cancelled",
});

record! {
    struct HoldRow in "holds" {
        order_id: Uuid,
        fixed {
            user_id: Option<Uuid>,
            amount: Option<i64>,
            available: Option<i64>,
        }
        changing {
            state: Word,
            expires_at: Option<Timestamp>,
        }
    }
}

impl From<&Hold> for HoldRow {
    fn from(hold: &Hold) -> Self {
        let (state, expires_at, available) = match &hold.state {
            HoldState::Held(terms) => (Word::Held, Some(terms.expires_at), None),
            HoldState::Released(terms) => (Word::Released, Some(terms.expires_at), None),
            HoldState::Captured(terms) => (Word::Captured, Some(terms.expires_at), None),
            HoldState::Paid(terms) => (Word::Paid, Some(terms.expires_at), None),
            HoldState::Refunded(terms) => (Word::Refunded, Some(terms.expires_at), None),
            HoldState::Expired(terms) => (Word::Expired, Some(terms.expires_at), None),
            HoldState::Refused { available, .. } => (Word::Refused, None, Some(*available)),
            HoldState::Cancelled => (Word::Cancelled, None, None),
        };
        let asked = hold.state.asked();
        Self {
            order_id: hold.order_id,
            state,
            user_id: asked.map(|asked| asked.user_id),
            amount: asked.map(|asked| asked.amount.get()),
            expires_at,
            available,
        }
    }
}

impl TryFrom<HoldRow> for Hold {
    type Error = sqlx::Error;

    fn try_from(row: HoldRow) -> Result<Self, sqlx::Error> {
        let broken =
            || sqlx::Error::Decode(format!("the hold of order {} contradicts itself", row.order_id).into());
        let asked = || {
            let amount = row.amount.and_then(|amount| Amount::new(amount).ok());
            let (user_id, amount) = row.user_id.zip(amount).ok_or_else(broken)?;
            Ok::<_, sqlx::Error>(Asked { user_id, amount })
        };
        let terms = || {
            Ok::<_, sqlx::Error>(Terms { asked: asked()?, expires_at: row.expires_at.ok_or_else(broken)? })
        };
        let state = match row.state {
            Word::Held => HoldState::Held(terms()?),
            Word::Released => HoldState::Released(terms()?),
            Word::Captured => HoldState::Captured(terms()?),
            Word::Paid => HoldState::Paid(terms()?),
            Word::Refunded => HoldState::Refunded(terms()?),
            Word::Expired => HoldState::Expired(terms()?),
            Word::Refused => {
                HoldState::Refused { asked: asked()?, available: row.available.ok_or_else(broken)? }
            }
            Word::Cancelled => HoldState::Cancelled,
        };
        Ok(Self { order_id: row.order_id, state })
    }
}

record_as!(Hold { order_id } as HoldRow);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_its_row() {
        let asked = Asked { user_id: Uuid::from_u128(1), amount: Amount::new(5).unwrap() };
        let terms = Terms { asked, expires_at: Timestamp::default() };
        let states = [
            HoldState::Held(terms),
            HoldState::Released(terms),
            HoldState::Captured(terms),
            HoldState::Paid(terms),
            HoldState::Refunded(terms),
            HoldState::Expired(terms),
            HoldState::Refused { asked, available: 4 },
            HoldState::Cancelled,
        ];
        for state in states {
            let hold = Hold { order_id: Uuid::from_u128(2), state };
            assert_eq!(Hold::try_from(HoldRow::from(&hold)).unwrap(), hold);
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_not_believed() {
        let hold = Hold { order_id: Uuid::from_u128(2), state: HoldState::Cancelled };
        let row = HoldRow { state: Word::Held, ..HoldRow::from(&hold) };
        assert!(Hold::try_from(row).is_err());
    }
}
