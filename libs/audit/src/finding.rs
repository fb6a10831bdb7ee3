//! A rule that is broken, how often, and where for example.

use std::fmt;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What should be true.
    pub rule: &'static str,
    /// How many rows or orders break it.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not so, {} times: {}; for example {}", self.count, self.rule, self.examples.join("; "))
    }
}
