//! What `up` shows: on a terminal one block that is redrawn in place with lines scrolling above it, else lines alone.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the spinner of a step turns.
const SPIN_EVERY: Duration = Duration::from_millis(100);
/// Size of a terminal that does not tell, in columns and lines: a printer's page.
const SIZE_UNKNOWN: (u16, u16) = (100, 40);

/// The screen. Writing never fails: there is nobody left to tell.
#[derive(Debug)]
pub(crate) struct Screen {
    bar: Option<ProgressBar>,
}

impl Screen {
    /// For the terminal that standard output is, or for lines where it is none or `lines_only`.
    pub(crate) fn start(lines_only: bool) -> Self {
        if lines_only || !std::io::stdout().is_terminal() {
            return Self::lines();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        Self { bar: Some(bar) }
    }

    /// For lines alone.
    pub(crate) fn lines() -> Self {
        Self { bar: None }
    }

    /// Whether there is a block to redraw.
    pub(crate) fn is_live(&self) -> bool {
        self.bar.is_some()
    }

    /// Columns and lines of the terminal.
    pub(crate) fn size() -> (u16, u16) {
        match rustix::termios::tcgetwinsize(std::io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => SIZE_UNKNOWN,
        }
    }

    /// Prints a line (or several) that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| write(text)),
            None => write(text),
        }
    }

    /// Shows that `name` is being worked on; [`Step::done`] replaces it by a line.
    pub(crate) fn step(&self, name: &'static str) -> Step<'_> {
        if let Some(bar) = &self.bar {
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_message(format!("{name:<10}"));
            bar.enable_steady_tick(SPIN_EVERY);
        }
        Step { screen: self, name, began: Instant::now() }
    }

    /// Redraws the block.
    pub(crate) fn show(&self, block: String) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_message(block);
        }
    }

    /// Takes the block away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.disable_steady_tick();
            bar.finish_and_clear();
        }
    }
}

/// A step that is under way.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    screen: &'a Screen,
    name: &'static str,
    began: Instant,
}

impl Step<'_> {
    /// Shows how far it is.
    pub(crate) fn progress(&self, text: &str) {
        if let Some(bar) = &self.screen.bar {
            bar.set_message(format!("{:<10} {text}", self.name));
        }
    }

    /// It is done, with this result.
    pub(crate) fn done(self, result: &str) {
        if let Some(bar) = &self.screen.bar {
            bar.set_message("");
        }
        self.screen.line(&format!("{:<10} {result}  ({} ms)", self.name, self.began.elapsed().as_millis()));
    }
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // A closed pipe or terminal is no reason to stop a fleet.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
