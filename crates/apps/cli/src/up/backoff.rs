//! How long to wait before a dead part is started again.

use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, BACKOFF_RESET_AFTER};
use std::time::Duration;

/// Pauses that double from [`BACKOFF_FIRST`] to [`BACKOFF_MAX`].
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: BACKOFF_FIRST }
    }
}

impl Backoff {
    /// The pause after a life of the given length; zero where the part did not even start.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= BACKOFF_RESET_AFTER {
            self.next = BACKOFF_FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(BACKOFF_MAX);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_bound_and_forgives_a_long_life() {
        let mut backoff = Backoff::default();
        let short = Duration::from_millis(1);
        let pauses: Vec<_> = (0..7).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.after(BACKOFF_RESET_AFTER), BACKOFF_FIRST);
        assert_eq!(backoff.after(short), BACKOFF_FIRST * 2);
    }
}
