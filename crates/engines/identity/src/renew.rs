//! When a certificate is to be replaced.

use bartizan_core::Timestamp;

/// Share of a certificate's life after which it is renewed. With [`SPREAD`] never later than half: whenever control goes away, what
/// is held lasts for another half of its life, and some seconds to come by the next one.
const RENEW_AFTER: f64 = 0.45;
/// How far around [`RENEW_AFTER`] renewals are spread, either way and as a share of it, so that a fleet started at once does not renew at once.
const SPREAD: f64 = 0.1;

/// The moment to renew: a little before half life, at 40.5 to 49.5 % of it all, by `jitter` (a random number from 0 to 1).
///
/// A `jitter` outside of that range counts as the nearer end, one that is no number as the middle.
pub fn renew_at(not_before: Timestamp, not_after: Timestamp, jitter: f64) -> Timestamp {
    let jitter = if jitter.is_nan() { 0.5 } else { jitter.clamp(0.0, 1.0) };
    let share = RENEW_AFTER * (1.0 + SPREAD * (2.0 * jitter - 1.0));
    not_before.plus(not_after.since(not_before).mul_f64(share))
}

/// Whether a certificate that is held, and is valid from `not_before`, is from a clock that was ahead and went back since: peers
/// whose clocks are right refuse it, and it has to be replaced at once.
pub fn is_from_ahead(not_before: Timestamp, now: Timestamp) -> bool {
    // What is issued begins `CLOCK_SKEW` in the past, and is taken once it has begun: clocks that differ by less never meet this.
    now < not_before
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::limits::LEAF_TTL;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn renews_a_little_before_half_life() {
        let at = |jitter| renew_at(Timestamp::from_secs(1000), Timestamp::from_secs(4600), jitter).as_secs();
        assert_eq!((at(0.0), at(0.5), at(1.0)), (2458, 2620, 2782));
        assert_eq!((at(-7.0), at(f64::NAN), at(7.0)), (2458, 2620, 2782));
    }

    #[test]
    fn half_an_hour_without_control_is_survived_whenever_it_begins() {
        let (begin, end) = (Timestamp::from_secs(0), Timestamp::from_millis(LEAF_TTL.as_millis() as u64));
        for jitter in 0..=100 {
            // Right before it would have been renewed.
            let left = end.since(renew_at(begin, end, f64::from(jitter) / 100.0));
            assert!(left >= LEAF_TTL / 2 + Duration::from_secs(15), "{left:?} are left at {jitter} %");
        }
    }

    #[test]
    fn what_has_not_begun_though_it_is_held_is_from_ahead() {
        let now = Timestamp::from_secs(10_000);
        assert!(!is_from_ahead(now.minus(Duration::from_secs(60)), now) && !is_from_ahead(now, now));
        assert!(is_from_ahead(now.plus(Duration::from_millis(1)), now));
    }

    proptest! {
        #[test]
        fn renews_within_life_whatever_the_numbers(start in 0..u64::MAX, life in 0..u64::from(u32::MAX), jitter: f64) {
            let not_before = Timestamp::from_millis(start);
            let not_after = Timestamp::from_millis(start.saturating_add(life));
            let at = renew_at(not_before, not_after, jitter);
            prop_assert!(not_before <= at && at <= not_after);
        }
    }
}
