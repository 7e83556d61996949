//! How fast an error budget burns, and whether somebody has to know.
//!
//! Several windows and rates as in the SRE Workbook (Beyer et al. 2018, chapter 5): a long window says that it matters, a
//! short one that it still goes on. Rates alone page for a lone failure in a quiet hour, since one of one is 100 %. So a long
//! window has to be sure as well: had it failed at just the rate that is put up with, and once more besides, so many failures
//! would come about in at most [`DOUBT_MAX`] of all cases (upper tail of Poisson's distribution).

use crate::limits::{DOUBT_MAX, FAILURES_AT_HAND};
use crate::objective::Objective;
use crate::series::Series;
use crate::tally::Tally;
use bartizan_core::Timestamp;
pub use bartizan_core::alerts::Urgency;
use std::time::Duration;

/// A pair of windows, and how fast a budget may burn in both: 1 uses it up in just the objective's window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// The window that has to be sure.
    pub long: Duration,
    /// The one that shows that it goes on.
    pub short: Duration,
    /// Multiple of the rate that uses up the budget in time.
    pub rate: f64,
    /// Who is told.
    pub urgency: Urgency,
}

const HOUR: u64 = 3600;

/// The four pairs of the SRE Workbook, for windows of a month.
pub const PACES: [Pace; 4] = [
    Pace::new(HOUR, 300, 14.4, Urgency::Page),
    Pace::new(6 * HOUR, 1800, 6.0, Urgency::Page),
    Pace::new(24 * HOUR, 2 * HOUR, 3.0, Urgency::Ticket),
    Pace::new(72 * HOUR, 6 * HOUR, 1.0, Urgency::Ticket),
];

/// The pairs for an objective of this window: each burns the same part of the budget before somebody is told, and none is told of
/// what would not use it up.
pub fn paces(window: Duration) -> [Pace; 4] {
    let part = window.as_secs_f64() / MONTH.as_secs_f64();
    PACES.map(|pace| Pace { rate: (pace.rate * part).max(1.0), ..pace })
}

/// The window for which [`PACES`] are.
const MONTH: Duration = Duration::from_secs(30 * 24 * HOUR);

/// How one pair of windows stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burn {
    /// Which pair.
    pub pace: Pace,
    /// What was counted in the long window.
    pub long: Tally,
    /// And in the short one.
    pub short: Tally,
    /// The rate in the long window; `None` where nothing was counted.
    pub rate: Option<f64>,
    /// Chance that as many fail while all is within bounds, 0 to 1.
    pub doubt: f64,
    /// Whether somebody has to know.
    pub alight: bool,
}

impl Pace {
    const fn new(long: u64, short: u64, rate: f64, urgency: Urgency) -> Self {
        Self { long: Duration::from_secs(long), short: Duration::from_secs(short), rate, urgency }
    }

    /// How the budget of `objective` burns in these windows.
    pub fn burn(self, objective: &Objective, series: &Series, now: Timestamp) -> Burn {
        self.burnt(objective, series, now, now)
    }

    /// How it burnt `at` some time before `now`.
    pub fn burnt(self, objective: &Objective, series: &Series, now: Timestamp, at: Timestamp) -> Burn {
        let (long, short) = (series.between(now, at, self.long), series.between(now, at, self.short));
        // At 1 and more all of them may fail, and nothing burns too fast.
        let bearable = objective.bad_max * self.rate;
        let too_many = |tally: Tally| tally.ratio().map(|bad| bad >= bearable.min(1.0) && tally.bad > 0);
        let doubt = doubt(long, bearable);
        // Where nobody calls for a while, nothing says that it is over.
        let goes_on = too_many(short).unwrap_or(true);
        let alight = too_many(long) == Some(true) && goes_on && doubt <= DOUBT_MAX;
        let rate = long.ratio().map(|bad| if bad == 0.0 { 0.0 } else { bad / objective.bad_max });
        Burn { pace: self, long, short, rate: rate.map(|rate| rate.min(f64::MAX)), doubt, alight }
    }
}

/// The most urgent pair that is alight.
pub fn worst(objective: &Objective, series: &Series, now: Timestamp) -> Option<Burn> {
    let all = paces(objective.window).map(|pace| pace.burn(objective, series, now));
    all.into_iter().filter(|burn| burn.alight).max_by_key(|burn| burn.pace.urgency)
}

/// Chance of at least `bad` failures, where `bearable` of all fail and [`FAILURES_AT_HAND`] besides.
fn doubt(tally: Tally, bearable: f64) -> f64 {
    let mean = tally.all as f64 * bearable.min(1.0) + FAILURES_AT_HAND;
    poisson_at_least(tally.bad, mean)
}

/// P(X >= k) for a Poisson variable of this mean, to about six digits.
fn poisson_at_least(k: u64, mean: f64) -> f64 {
    let (k, spread) = (k as f64, mean.sqrt());
    if k <= mean - 12.0 * spread || k == 0.0 {
        return 1.0;
    }
    if k >= mean + 12.0 * spread + 60.0 {
        return 0.0;
    }
    if mean > 1e7 {
        // So many that the normal distribution is exact enough, and a sum would take long.
        return normal_above((k - 0.5 - mean) / spread);
    }
    // Terms rise up to the mean and fall after it, so a sum from k on ends soon.
    let mut term = (k * mean.ln() - mean - ln_factorial(k)).exp();
    let (mut sum, mut n) = (0.0, k);
    while n <= mean || term > sum * 1e-9 {
        sum += term;
        n += 1.0;
        term *= mean / n;
    }
    sum.min(1.0)
}

/// ln(n!), by Stirling's series; exact to 1e-9 from 0 on.
pub(crate) fn ln_factorial(n: f64) -> f64 {
    if n < 16.0 {
        return (2..=n as u64).map(|i| (i as f64).ln()).sum();
    }
    let series = 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    n * n.ln() - n + 0.5 * (std::f64::consts::TAU * n).ln() + series
}

/// P(Z > z) of the standard normal distribution, to 1e-7: Abramowitz and Stegun, 26.2.17.
fn normal_above(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let terms = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let poly = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let tail = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * poly;
    if z >= 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_secs(1_700_000_000)
    }

    /// One call every `every` seconds for `long` seconds until now, of which those of the last `bad` seconds fail.
    fn calls(every: u64, long: u64, bad: u64) -> Series {
        let mut series = Series::default();
        for back in (0..long / every).rev() {
            let back = back * every;
            series.add(now().minus(Duration::from_secs(back)), Tally::new(u64::from(back < bad), 1));
        }
        series
    }

    fn told(target: f64, series: &Series) -> Option<Urgency> {
        worst(&Objective { bad_max: target, window: MONTH }, series, now()).map(|burn| burn.pace.urgency)
    }

    #[test]
    fn tails_are_those_of_the_distribution() {
        // scipy.stats.poisson.sf(k - 1, mean)
        for (k, mean, expected) in [
            (0, 1.0, 1.0),
            (1, 1.0, 0.632_120_558_8),
            (3, 1.0, 0.080_301_397_1),
            (4, 1.0, 0.018_988_156_9),
            (15, 6.0, 0.001_400_353_0),
            (120, 100.0, 0.028_235_5),
            (10_300, 10_000.0, 0.001_419_8),
            (10, 1000.0, 1.0),
            (5000, 1000.0, 0.0),
        ] {
            let it = poisson_at_least(k, mean);
            assert!((it - expected).abs() < 2e-5, "{k} {mean}: {it}");
        }
        let large = poisson_at_least(20_010_000, 2e7);
        assert!((large - 0.012_68).abs() < 2e-4, "{large}");
    }

    #[test]
    fn shorter_windows_tell_of_the_same_part_of_the_budget() {
        let week = paces(Duration::from_secs(7 * 86_400));
        let rates: Vec<String> = week.iter().map(|pace| format!("{:.2}", pace.rate)).collect();
        assert_eq!(rates, ["3.36", "1.40", "1.00", "1.00"]);
        assert_eq!(paces(MONTH), PACES);
    }

    #[test]
    fn a_lone_failure_in_a_quiet_hour_tells_nobody() {
        for target in [0.01, 0.001, 0.0001] {
            assert_eq!(told(target, &calls(1800, 3600, 1)), None, "one of two calls");
            assert_eq!(told(target, &calls(60, 3600, 1)), None, "one of sixty");
            let mut lone = Series::default();
            lone.add(now(), Tally::new(1, 1));
            assert_eq!(told(target, &lone), None, "one of one");
        }
    }

    #[test]
    fn a_long_outage_with_little_traffic_pages() {
        assert_eq!(told(0.001, &calls(600, 5 * 86_400, 3600)), Some(Urgency::Page), "six calls in an hour");
        assert_eq!(told(0.001, &calls(3600, 20 * 86_400, 6 * 3600)), Some(Urgency::Page), "one an hour, for six hours");
        assert_eq!(told(0.0001, &calls(600, 5 * 86_400, 3600)), Some(Urgency::Page));
    }

    #[test]
    fn an_outage_with_much_traffic_pages_within_minutes() {
        assert_eq!(told(0.001, &calls(1, 86_400, 120)), Some(Urgency::Page));
        assert_eq!(told(0.001, &calls(1, 86_400, 3)), None, "three of 3,600, where 52 would be too many");
    }

    #[test]
    fn what_is_over_pages_nobody() {
        let mut series = calls(1, 3600, 1800);
        assert_eq!(told(0.001, &series), Some(Urgency::Page));
        let later = |minutes: u64| now().plus(Duration::from_secs(60 * minutes));
        for minute in 1..=31 {
            series.add(later(minute), Tally::new(0, 60));
        }
        let objective = Objective { bad_max: 0.001, window: MONTH };
        let worst = worst(&objective, &series, later(31)).map(|burn| burn.pace.urgency);
        assert_eq!(worst, Some(Urgency::Ticket), "the budget was still used");
    }

    #[test]
    fn a_slow_leak_is_a_ticket() {
        let mut series = Series::default();
        for minute in (0..3 * 1440).rev() {
            let bad = u64::from(minute % 5 == 0);
            series.add(now().minus(Duration::from_secs(60 * minute)), Tally::new(bad, 100));
        }
        // 0.2 % where 0.1 % is allowed: twice the rate over three days.
        assert_eq!(told(0.001, &series), Some(Urgency::Ticket));
        assert_eq!(told(0.004, &series), None);
    }

    #[test]
    fn an_objective_that_allows_nothing_pages_for_a_handful() {
        assert_eq!(told(0.0, &Series::default()), None);
        let mut series = Series::default();
        series.add(now(), Tally::new(4, 1000));
        assert_eq!(told(0.0, &series), Some(Urgency::Page));
    }
}
