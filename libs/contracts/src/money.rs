//! Money: integers in minor units, never fractions; every sum checked.

use serde::{Deserialize, Serialize};

/// The largest amount of one operation, in minor units: 10^12.
pub const MAX_AMOUNT: i64 = 1_000_000_000_000;

/// An amount of one operation in minor units: 1 to [`MAX_AMOUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Amount(i64);

/// The number is not an [`Amount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountError;

impl std::fmt::Display for AmountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an amount is a whole number from 1 to {MAX_AMOUNT}, in minor units")
    }
}

impl std::error::Error for AmountError {}

impl Amount {
    /// Checks the bounds.
    ///
    /// # Errors
    /// Below 1 or above [`MAX_AMOUNT`].
    pub const fn new(minor_units: i64) -> Result<Self, AmountError> {
        if 1 <= minor_units && minor_units <= MAX_AMOUNT { Ok(Self(minor_units)) } else { Err(AmountError) }
    }

    /// Minor units.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Amount {
    type Error = AmountError;
    fn try_from(minor_units: i64) -> Result<Self, AmountError> {
        Self::new(minor_units)
    }
}

impl From<Amount> for i64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_bounded() {
        assert_eq!(Amount::new(0), Err(AmountError));
        assert_eq!(Amount::new(-1), Err(AmountError));
        assert_eq!(Amount::new(MAX_AMOUNT + 1), Err(AmountError));
        assert_eq!(Amount::new(MAX_AMOUNT).map(Amount::get), Ok(MAX_AMOUNT));
        assert!(serde_json::from_str::<Amount>("0").is_err());
    }
}
