//! Telling people that a neighbour is away, without a line per waiting payment.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines. An outage of a minute is then a page of log, not a disk full of it.
const BETWEEN: Duration = Duration::from_secs(1);

/// What was said last, and how often nothing was said since.
static LAST: Mutex<(Option<Instant>, u64)> = Mutex::new((None, 0));

/// Prints `what` to standard error, unless something was printed less than a second ago.
pub(crate) fn complain(what: &str) {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    let (said, left_out) = &mut *last;
    if said.is_some_and(|said| said.elapsed() < BETWEEN) {
        *left_out += 1;
        return;
    }
    match std::mem::take(left_out) {
        0 => eprintln!("{what}"),
        more => eprintln!("{what} (and {more} times more of the kind)"),
    }
    *said = Some(Instant::now());
}
