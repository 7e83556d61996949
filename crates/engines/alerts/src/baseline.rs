//! What is usual at this hour of this day of the week, from the weeks before: so that the rush of every Monday tells nobody, and three
//! times as much on a Sunday night does.
//!
//! Medians, which a single bad day does not move; what is asked for is far outside of what those hours ever were.

use crate::limits::{BASELINE_CALLS_MIN, BASELINE_NEAR_HOURS, BASELINE_SPREAD_MIN, BASELINE_WEEKS_MIN};

/// Hours of a week.
pub const WEEK_HOURS: usize = 168;
/// What a median distance from the median is multiplied with to be a standard deviation, where things are distributed normally.
const TO_DEVIATION: f64 = 1.4826;

/// An hour held against what is usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unusual {
    /// The median of such hours.
    pub usual: f64,
    /// How far they are from it: a standard deviation, made of what they were, of chance, and of a share that nobody minds.
    pub spread: f64,
    /// How many spreads the hour is away; above 0 where it has more.
    pub score: f64,
}

/// The last of these counts by the hour (the oldest first) held against those of earlier weeks at the same time. `None` where fewer weeks are
/// known than it takes, or where it is all too little.
pub fn unusual(hours: &[u64]) -> Option<Unusual> {
    let (now, before) = hours.split_last()?;
    let (mut same, mut around) = (Vec::new(), Vec::new());
    let mut weeks = 0;
    for week in 1.. {
        let Some(at) = before.len().checked_sub(week * WEEK_HOURS) else { break };
        // The hour itself and those around it: a rush does not come by the clock.
        let near = at.saturating_sub(BASELINE_NEAR_HOURS)..(at + BASELINE_NEAR_HOURS + 1).min(before.len());
        let near = &before[near];
        // A week in which nothing ran says nothing.
        if near.iter().any(|count| *count > 0) {
            weeks += 1;
            same.push(before[at] as f64);
            around.extend(near.iter().map(|count| *count as f64));
        }
    }
    if weeks < BASELINE_WEEKS_MIN {
        return None;
    }
    // What runs by the clock is seen in the hour itself, a rush that comes a little earlier in those around it.
    let (of_same, of_around) = (median(&mut same)?, median(&mut around)?);
    let (usual, alike) = if of_same > of_around { (of_same, same) } else { (of_around, around) };
    let now = *now as f64;
    if now.max(usual) < BASELINE_CALLS_MIN {
        return None;
    }
    let mut away: Vec<f64> = alike.iter().map(|it| (it - usual).abs()).collect();
    let seen = median(&mut away)? * TO_DEVIATION;
    let spread = (seen.powi(2) + usual.max(1.0) + (usual * BASELINE_SPREAD_MIN).powi(2)).sqrt();
    Some(Unusual { usual, spread, score: (now - usual) / spread })
}

fn median(all: &mut [f64]) -> Option<f64> {
    all.sort_by(f64::total_cmp);
    let (low, high) = (all.get(all.len().checked_sub(1)? / 2)?, all.get(all.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::UNUSUAL_ABOVE;
    use proptest::prelude::*;

    /// Numbers that look like chance, the same for a seed.
    struct Chance(u64);

    impl Chance {
        fn unit(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 11) as f64) / (1u64 << 53) as f64
        }

        /// Of the standard normal distribution (Box and Muller).
        fn normal(&mut self) -> f64 {
            let (a, b) = (self.unit().max(1e-300), self.unit());
            (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        }
    }

    /// Traffic with days, a week-end, growth, and more chance in it than that of single calls.
    fn traffic(seed: u64, weeks: usize, level: f64, jitter: f64, growth: f64) -> Vec<u64> {
        let mut chance = Chance(seed.wrapping_mul(2_654_435_761).wrapping_add(1));
        let hour = |n: usize| {
            let (of_day, day) = ((n % 24) as f64, n / 24 % 7);
            let daily = 0.15 + (std::f64::consts::PI * (of_day - 4.0) / 20.0).sin().max(0.0);
            let weekly = if day >= 5 { 0.4 } else { 1.0 };
            // A batch that runs on the first night of each week.
            let batch = if n % WEEK_HOURS == 2 { 3.0 } else { 0.0 };
            let mean = level * (daily * weekly + batch) * (1.0 + growth * n as f64 / WEEK_HOURS as f64);
            let noisy = mean * (jitter * chance.normal()).exp() + mean.sqrt() * chance.normal();
            noisy.max(0.0).round() as u64
        };
        (0..weeks * WEEK_HOURS).map(hour).collect()
    }

    fn scores(all: &[u64], from_week: usize) -> Vec<f64> {
        // As many hours as are kept.
        let hours = (from_week * WEEK_HOURS)..all.len();
        hours.filter_map(|n| unusual(&all[n.saturating_sub(743)..=n])).map(|it| it.score).collect()
    }

    #[test]
    fn four_weeks_of_seasonal_traffic_tell_hardly_anybody() {
        let (mut services, mut alerts, mut looked) = (0, 0, 0);
        for seed in 0..40 {
            for (level, jitter) in [(30.0, 0.1), (300.0, 0.15), (5_000.0, 0.2), (200_000.0, 0.1)] {
                let scores = scores(&traffic(seed, 8, level, jitter, 0.02), 4);
                let one = scores.iter().filter(|it| **it > UNUSUAL_ABOVE).count();
                assert!(one <= 4, "service {seed} of {level}: {one} within four weeks, one a week may be");
                (services, alerts, looked) = (services + 1, alerts + one, looked + scores.len());
            }
        }
        println!("{alerts} false alerts of {services} services within four weeks, {looked} hours were judged");
        assert!(alerts <= services / 4, "{alerts} of {services} services within four weeks");
        assert!(looked > services * 200, "{looked}");
    }

    #[test]
    fn a_surge_is_seen_where_the_same_count_is_usual_on_another_day() {
        for seed in 0..20 {
            let mut all = traffic(seed, 4, 5_000.0, 0.1, 0.0);
            // Sunday at four in the morning, as much as on any Wednesday at noon.
            let (night, noon) = (3 * WEEK_HOURS + 6 * 24 + 4, 3 * WEEK_HOURS + 2 * 24 + 14);
            let usual = unusual(&all[..=noon]).unwrap();
            assert!(usual.score.abs() < UNUSUAL_ABOVE, "{seed}: {usual:?}");
            all[night] = all[noon];
            let surge = unusual(&all[..=night]).unwrap();
            assert!(surge.score > UNUSUAL_ABOVE, "{seed}: {surge:?}");
        }
    }

    #[test]
    fn nothing_is_said_before_weeks_are_known_and_where_little_happens() {
        let all = traffic(1, 5, 5_000.0, 0.1, 0.0);
        assert_eq!(unusual(&[]), None);
        for hours in [1, 24, WEEK_HOURS, WEEK_HOURS * (BASELINE_WEEKS_MIN - 1)] {
            assert_eq!(unusual(&all[..hours]), None, "{hours} hours");
        }
        assert!(unusual(&all[..WEEK_HOURS * BASELINE_WEEKS_MIN + 2]).is_some());
        let mut quiet = vec![1; 4 * WEEK_HOURS];
        quiet.push(BASELINE_CALLS_MIN as u64 - 1);
        assert_eq!(unusual(&quiet), None);
        let mut silent = vec![0; 4 * WEEK_HOURS];
        silent.push(100_000);
        assert_eq!(unusual(&silent), None, "weeks in which nothing ran are no weeks");
    }

    #[test]
    fn one_bad_day_does_not_move_what_is_usual() {
        let mut all = traffic(3, 5, 5_000.0, 0.1, 0.0);
        let at = 4 * WEEK_HOURS + 2 * 24 + 14;
        let before = unusual(&all[..=at]).unwrap();
        for hour in 0..24 {
            all[3 * WEEK_HOURS + 2 * 24 + hour] *= 20;
        }
        let after = unusual(&all[..=at]).unwrap();
        assert!((after.usual / before.usual - 1.0).abs() < 0.25, "{before:?} {after:?}");
    }

    proptest! {
        #[test]
        fn more_calls_never_score_less(hours in prop::collection::vec(0u64..1_000_000_000, 1..800), more in 0u64..1_000_000) {
            let mut higher = hours.clone();
            *higher.last_mut().unwrap() += more;
            if let (Some(a), Some(b)) = (unusual(&hours), unusual(&higher)) {
                prop_assert!(b.score >= a.score && b.usual == a.usual);
                prop_assert!(a.score.is_finite() && a.spread >= 1.0);
            }
        }
    }
}
