//! A rule that is broken, how often, and where.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// How many places a line for people names.
const SHOWN_MAX: usize = 5;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Finding {
    /// What should be true.
    #[schema(value_type = String)]
    pub rule: &'static str,
    /// How many rows or orders break it.
    pub count: u64,
    /// Which: all of them up to a thousand.
    pub examples: Vec<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<&str> = self.examples.iter().take(SHOWN_MAX).map(String::as_str).collect();
        write!(f, "not so, {} times: {}; for example {}", self.count, self.rule, shown.join("; "))
    }
}
