//! Where a user lives, as far as events have told.
//!
//! Events are heard in any order and more than once: what a recipient is in the end depends only on which
//! events happened, not on when they came.

use contracts::Timestamp;
use messaging::record;

record! {
    /// A row of `recipients`.
    #[derive(PartialEq)]
    pub struct Recipient in "recipients" {
        /// The user.
        user_id: Uuid,
        changing {
            /// The postal address, if the profile has one.
            address: Option<String>,
            /// When the youngest event happened that is heard so far.
            changed_at: Timestamp,
        }
    }
}
