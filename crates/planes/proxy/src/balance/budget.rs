//! Retries cost what requests earn: in the long run they are at most the stated share of them.

use bartizan_core::edge::Share;

/// What one retry costs, in thousandths.
const RETRY: u64 = 1000;
/// Retries that an edge may begin with, a count: enough to find out that an instance is gone before anybody called.
const FIRST: u64 = 10;
/// Retries that may be saved up, a count: what a burst may come to.
const MOST: u64 = 100;

/// What may still be spent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    thousandths: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { thousandths: FIRST * RETRY }
    }
}

impl Budget {
    /// A request came.
    pub(super) fn earn(&mut self, share: Share) {
        self.thousandths = (self.thousandths + u64::from(share.thousandths())).min(MOST * RETRY);
    }

    /// Whether there may be one retry more; then it is paid for.
    pub(super) fn spend(&mut self, share: Share) -> bool {
        if share == Share::default() || self.thousandths < RETRY {
            return false;
        }
        self.thousandths -= RETRY;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_of_nothing_is_none() {
        let mut budget = Budget::default();
        assert!(!budget.spend(Share::default()));
        assert!(budget.spend(Share::per_mille(1)));
    }

    proptest! {
        #[test]
        fn retries_never_exceed_the_stated_share(
            share in 0u16..=1000, steps in prop::collection::vec(any::<bool>(), 0..2000)
        ) {
            let share = Share::per_mille(share);
            let (mut budget, mut requests, mut retries) = (Budget::default(), 0u64, 0u64);
            for is_request in steps {
                match is_request {
                    true => { budget.earn(share); requests += 1; }
                    false => retries += u64::from(budget.spend(share)),
                }
                prop_assert!(retries <= FIRST + share.of(requests));
            }
        }

        #[test]
        fn a_burst_after_a_long_time_is_bounded(requests in 0u64..100_000) {
            let mut budget = Budget::default();
            (0..requests).for_each(|_| budget.earn(Share::ALL));
            let burst = (0..1000).filter(|_| budget.spend(Share::ALL)).count();
            prop_assert!(burst as u64 <= MOST);
        }
    }
}
