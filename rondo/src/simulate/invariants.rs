//! What must always be true. `steps` looks at every row that a commit changes; `orders` and `sagas` look at
//! everything of which nothing is under way.

pub(super) mod orders;
pub(super) mod sagas;
pub(super) mod steps;

use std::fmt;

/// Something that must always be true was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The rule: the same for the same mistake.
    pub(super) rule: &'static str,
    /// What broke it.
    pub(super) detail: String,
}

impl Broken {
    pub(super) fn new(rule: &'static str, detail: impl Into<String>) -> Self {
        Self { rule, detail: detail.into() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.detail)
    }
}
