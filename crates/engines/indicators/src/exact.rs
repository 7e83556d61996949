//! Whether two counts differ by chance, exactly also where they are small: intervals for shares of a few in a thousand are narrower than
//! they say until some dozens were counted.
//!
//! Had both the same share, each bad one of all would be of the first with the chance that any of all calls is: how many are follows the
//! binomial distribution, whatever the share (Przyborowski and Wilenski, Biometrika 31 (1940), 313–323; larger shares make it more careful).

use crate::burn::ln_factorial;
use crate::tally::Tally;

/// Chance that so many or more of the bad ones of both are the first's, where both have the same share.
pub(crate) fn chance(first: Tally, second: Tally) -> f64 {
    let part = first.all as f64 / (first.all + second.all).max(1) as f64;
    binomial_at_least(first.bad, first.bad + second.bad, part)
}

/// P(X >= k) for so many tries, each with chance `p`; 1 where no fewer are expected.
fn binomial_at_least(k: u64, tries: u64, p: f64) -> f64 {
    let (k, n) = (k as f64, tries as f64);
    if k <= n * p || k == 0.0 {
        return 1.0;
    }
    if p <= 0.0 {
        return 0.0;
    }
    // From k on, past the mean, each term is smaller than the one before, by more and more.
    let ln_choose = ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    let mut term = (ln_choose + k * p.ln() + (n - k) * (1.0 - p).ln()).exp();
    let (mut sum, mut at) = (0.0, k);
    while at <= n && term > sum * 1e-9 {
        sum += term;
        term *= (n - at) / (at + 1.0) * p / (1.0 - p);
        at += 1.0;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against sums of its terms as fractions of whole numbers.
    #[test]
    fn tails_are_those_of_the_binomial_distribution() {
        for (k, n, p, expected) in [
            (3, 3, 0.5, 0.125),
            (8, 27, 0.1, 0.003_871_41),
            (12, 50, 0.1, 0.003_219_92),
            (120, 1_000, 0.1, 0.021_996_14),
        ] {
            let found = binomial_at_least(k, n, p);
            assert!((found / expected - 1.0).abs() < 1e-3, "{k} of {n} at {p}: {found} for {expected}");
        }
        assert_eq!((binomial_at_least(0, 9, 0.5), binomial_at_least(1, 9, 0.0)), (1.0, 0.0));
        assert_eq!(binomial_at_least(10, 1_000, 0.1), 1.0, "no more than are expected");
    }

    #[test]
    fn few_of_few_are_chance_and_many_of_many_are_not() {
        assert!(chance(Tally::new(3, 570), Tally::new(2, 5_400)) > 1e-3);
        assert!(chance(Tally::new(100, 1_000), Tally::new(100, 10_000)) < 1e-9);
        assert_eq!(chance(Tally::default(), Tally::default()), 1.0);
    }
}
