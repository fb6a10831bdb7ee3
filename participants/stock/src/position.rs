//! A position: what can be ordered, at which price, and how much of it there is.

use messaging::record;

record! {
    /// A row of `positions`. What is on hand is `available + reserved`. Setting the position changes that
    /// sum, and selling: it is what was put there, less what is sold.
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
            /// How many are promised to orders that are not sold yet; never below zero.
            reserved: i64,
        }
    }
}

/// The most on hand: far above what may be put there, for what was sold may come back. Below 2^53, so
/// that every JSON reader sees it exactly.
pub const MAX_ON_HAND: i64 = 9_000_000_000_000_000;

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

    /// The position when so many of its reserved ones are sold: they leave the shelf. `None` where fewer
    /// are reserved.
    #[must_use]
    pub fn selling(&self, quantity: i64) -> Option<Self> {
        let reserved = self.reserved.checked_sub(quantity).filter(|left| *left >= 0)?;
        Some(Self { reserved, ..self.clone() })
    }

    /// The position when so many that were sold are on the shelf again; `None` above [`MAX_ON_HAND`].
    #[must_use]
    pub fn taking_back(&self, quantity: i64) -> Option<Self> {
        let available = self.available.checked_add(quantity)?;
        let on_hand = available.checked_add(self.reserved)?;
        (on_hand <= MAX_ON_HAND).then(|| Self { available, ..self.clone() })
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

    #[test]
    fn what_is_sold_is_no_longer_on_hand() {
        let after = position(3, 2).selling(2).unwrap();
        assert_eq!((after.available, after.reserved), (3, 0));
        assert!(position(3, 2).selling(3).is_none(), "only what is reserved is sold");
    }

    #[test]
    fn what_comes_back_can_be_ordered_again_up_to_a_bound() {
        let after = position(3, 2).taking_back(4).unwrap();
        assert_eq!((after.available, after.reserved), (7, 2));
        assert!(position(MAX_ON_HAND - 3, 2).taking_back(1).is_some());
        assert!(position(MAX_ON_HAND - 3, 2).taking_back(2).is_none());
        assert!(position(i64::MAX, 0).taking_back(1).is_none());
    }
}
