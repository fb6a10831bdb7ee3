//! Opens a user's account: when the user registers, or on first use.

use contracts::Timestamp;
use uuid::Uuid;

use crate::account::Account;
use crate::set::Set;

/// Asks for an account to be there.
#[derive(Debug, Clone)]
pub struct OpenAccount {
    /// Whose.
    pub user_id: Uuid,
}

pub(crate) fn decide(set: &mut Set, user_id: Uuid, now: Timestamp) -> Account {
    set.account(user_id, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Books, USER, at};

    #[test]
    fn it_is_opened_once() {
        let mut books = Books::default();
        let first = decide(&mut books.set, USER, at(0));
        assert_eq!(decide(&mut books.set, USER, at(1)), first);
        books.deposit(5);
        assert_eq!(decide(&mut books.set, USER, at(2)).balance, 5);
    }
}
