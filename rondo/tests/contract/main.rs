//! The served API against its contract: the documents of both listeners, what every row answers in
//! practice, and the problems that every service tells alike.

mod access;
mod document;
mod problems;
#[path = "../system/processes.rs"]
#[expect(dead_code, reason = "shared with the tests of the whole system, which do more to processes")]
mod processes;
mod shape;
mod table;
mod walk;

use processes::{SERVICES, System};

/// The one process of these tests.
const ALL: &str = "all";

/// The whole system in one process.
async fn whole_system() -> System {
    let everything: Vec<&str> = SERVICES.into_iter().chain(["audit"]).collect();
    System::start(&[(ALL, &everything)]).await
}
