//! What `rondo up` is doing: a spinner on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows one step after the other.
pub(crate) struct Progress {
    terminal: bool,
}

/// A step under way.
pub(crate) struct Step {
    name: String,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Looks whether anybody watches.
    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stdout().is_terminal() }
    }

    /// Begins a step.
    pub(crate) fn step(&self, name: impl Into<String>) -> Step {
        let name = name.into();
        let bar = self.terminal.then(|| {
            let style = ProgressStyle::with_template("  {spinner} {msg} {elapsed:.dim}");
            let bar = ProgressBar::new_spinner().with_message(name.clone());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Step { name, began: Instant::now(), bar }
    }
}

impl Step {
    /// It is done.
    #[expect(clippy::print_stdout, reason = "progress is for whoever started the program")]
    pub(crate) fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        println!("  {} ({:.1} s)", self.name, self.began.elapsed().as_secs_f64());
    }
}
