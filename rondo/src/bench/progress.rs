//! What the bench is doing, on the standard error stream: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows one step after the other.
pub(super) struct Progress {
    terminal: bool,
}

/// A step under way.
pub(super) struct Step {
    name: String,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    /// Says something that stays.
    #[expect(clippy::print_stderr, reason = "progress is for whoever started the program")]
    pub(super) fn note(&self, text: &str) {
        eprintln!("  {text}");
    }

    /// Begins a step of unknown length.
    pub(super) fn step(&self, name: impl Into<String>) -> Step {
        self.begin(name.into(), "  {spinner} {msg} {elapsed:.dim}", None)
    }

    /// Begins a step of a known length.
    pub(super) fn steps(&self, name: impl Into<String>, length: u64) -> Step {
        self.begin(name.into(), "  {spinner} {prefix} [{bar:30}] {pos}/{len} {msg}", Some(length))
    }

    fn begin(&self, name: String, template: &str, length: Option<u64>) -> Step {
        let bar = self.terminal.then(|| {
            let style = ProgressStyle::with_template(template);
            let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()).progress_chars("=> "));
            bar.set_prefix(name.clone());
            if length.is_none() {
                bar.set_message(name.clone());
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Step { name, began: Instant::now(), bar }
    }
}

impl Step {
    /// So far it has got.
    pub(super) fn at(&self, position: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(position);
        }
    }

    /// A word about it.
    pub(super) fn say(&self, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(message());
        }
    }

    /// It is done.
    #[expect(clippy::print_stderr, reason = "progress is for whoever started the program")]
    pub(super) fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("  {} ({:.1} s)", self.name, self.began.elapsed().as_secs_f64());
    }
}
