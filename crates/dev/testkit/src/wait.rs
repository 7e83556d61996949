//! Waiting for a condition instead of for a time.

use std::time::{Duration, Instant};

/// How long a test waits for something that a loaded two-core machine may take a while for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Duration);

impl Default for Deadline {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

/// Asks `what` again and again until it answers `Some`.
///
/// # Panics
/// With `name` where the deadline passes first.
pub fn wait_for<T>(name: &str, deadline: Deadline, mut what: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = what() {
            return answer;
        }
        assert!(begun.elapsed() < deadline.0, "waited {:?} in vain for: {name}", deadline.0);
        std::thread::sleep(Duration::from_millis(50));
    }
}
