//! A position: what can be ordered, at which price, and how much of it there is.

use messaging::record;

record! {
    /// A row of `positions`. What is on hand is `available + reserved`, and no command changes that sum.
    pub struct Position in "positions" {
        /// The position.
        position_id: Uuid,
        changing {
            /// What it is called.
            name: String,
            /// Of one, in minor units.
            price: i64,
            /// How many can be ordered; never below zero.
            available: i64,
            /// How many are promised to orders; never below zero.
            reserved: i64,
        }
    }
}

impl Position {
    /// The position when so many of it are reserved; `None` where there are fewer.
    #[must_use]
    pub fn reserving(&self, quantity: i64) -> Option<Self> {
        let available = self.available.checked_sub(quantity).filter(|left| *left >= 0)?;
        let reserved = self.reserved.checked_add(quantity)?;
        Some(Self { available, reserved, ..self.clone() })
    }

    /// The position when so many of its reserved ones are available again; `None` where fewer are
    /// reserved.
    #[must_use]
    pub fn releasing(&self, quantity: i64) -> Option<Self> {
        let reserved = self.reserved.checked_sub(quantity).filter(|left| *left >= 0)?;
        let available = self.available.checked_add(quantity)?;
        Some(Self { available, reserved, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn position(available: i64, reserved: i64) -> Position {
        Position { position_id: Uuid::nil(), name: "tea".into(), price: 5, available, reserved }
    }

    #[test]
    fn what_is_reserved_is_no_longer_available() {
        let after = position(3, 1).reserving(2).unwrap();
        assert_eq!((after.available, after.reserved), (1, 3));
        assert!(position(3, 1).reserving(4).is_none());
    }

    #[test]
    fn what_is_released_is_available_again() {
        let after = position(3, 2).releasing(2).unwrap();
        assert_eq!((after.available, after.reserved), (5, 0));
        assert!(position(3, 2).releasing(3).is_none());
    }
}
