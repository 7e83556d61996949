//! From counters that only grow, and begin anew with their process, to what was added since the last look.

use crate::tally::Tally;
use serde::{Deserialize, Serialize};

/// The counters of one process as they were looked at last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    process: u64,
    last: Tally,
}

impl Totals {
    /// What came since the last look at `process`; all of it where that was not looked at before.
    pub fn added(&mut self, process: u64, now: Tally) -> Tally {
        let before = if self.process == process { self.last } else { Tally::default() };
        *self = Self { process, last: now };
        // A counter that shrank is of another process that says it is this one: nothing is made up.
        Tally { bad: now.bad.saturating_sub(before.bad), all: now.all.saturating_sub(before.all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_new() {
        let mut totals = Totals::default();
        assert_eq!(totals.added(1, Tally::new(1, 10)), Tally::new(1, 10));
        assert_eq!(totals.added(1, Tally::new(2, 15)), Tally::new(1, 5));
        assert_eq!(totals.added(1, Tally::new(2, 15)), Tally::default());
        assert_eq!(totals.added(2, Tally::new(0, 4)), Tally::new(0, 4), "another process begins anew");
        assert_eq!(totals.added(2, Tally::new(0, 3)), Tally::default(), "counters do not shrink");
    }
}
