//! Two instances are drawn, the less loaded one is taken: nearly as good as knowing all loads, at the price of two looks.
//!
//! The own zone comes first while enough of it is well; then all zones; then those that were put out, since trying one of
//! them is better than trying nobody.

use super::outlier::Health;
use std::time::Duration;

/// Share of the own zone's instances that has to be well, in percent, for it to take all of its callers' load.
const ENOUGH_PERCENT: usize = 70;

/// One instance, as it is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// How it has done.
    pub(super) health: Health,
    /// Calls under way.
    pub(super) load: u32,
    /// Its part of the load; at least 1.
    pub(super) weight: u16,
    /// It is in the caller's zone.
    pub(super) near: bool,
    /// This request was there already.
    pub(super) tried: bool,
}

/// The number of the instance to take; `None` where there is none at all.
pub(super) fn choose<I>(all: I, now: Duration, random: u64) -> Option<usize>
where
    I: Iterator<Item = Candidate> + Clone,
{
    let well = |it: &Candidate| !it.health.is_out(now);
    let near = all.clone().filter(|it| it.near);
    let near_well = near.clone().filter(well).count();
    let enough = near_well > 0 && near_well * 100 >= near.count() * ENOUGH_PERCENT;
    let tiers: [&dyn Fn(&Candidate) -> bool; 4] =
        [&|it| enough && it.near && well(it) && !it.tried, &|it| well(it) && !it.tried, &|it| !it.tried, &|_| true];
    tiers.iter().find_map(|fits| draw(all.clone(), fits, random))
}

fn draw<I>(all: I, fits: &dyn Fn(&Candidate) -> bool, random: u64) -> Option<usize>
where
    I: Iterator<Item = Candidate> + Clone,
{
    let among = all.enumerate().filter(|(_, it)| fits(it));
    let weight = |it: &Candidate| u64::from(it.weight.max(1));
    let sum: u64 = among.clone().map(|(_, it)| weight(&it)).sum();
    if sum == 0 {
        return None;
    }
    let (first, one) = nth(among.clone(), (random & 0xffff_ffff) % sum)?;
    let rest = sum - weight(&one);
    if rest == 0 {
        return Some(first);
    }
    let (second, other) = nth(among.filter(|(number, _)| *number != first), (random >> 32) % rest)?;
    // Load in relation to weight, crosswise, so that nothing is divided.
    let (a, b) = ((u64::from(one.load) + 1) * weight(&other), (u64::from(other.load) + 1) * weight(&one));
    Some(if b < a { second } else { first })
}

/// The one in whose part of the sum of weights `at` lies.
fn nth(among: impl Iterator<Item = (usize, Candidate)>, at: u64) -> Option<(usize, Candidate)> {
    let mut left = at;
    for (number, it) in among {
        let weight = u64::from(it.weight.max(1));
        if left < weight {
            return Some((number, it));
        }
        left -= weight;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::edge::Outlier;
    use proptest::prelude::*;

    const NOW: Duration = Duration::from_secs(1);

    fn one(near: bool, load: u32) -> Candidate {
        Candidate { health: Health::default(), load, weight: 1, near, tried: false }
    }

    fn out(mut it: Candidate) -> Candidate {
        let settings = Outlier { failures: 1, ..Outlier::default() };
        assert!(it.health.ended(&settings, true, true, NOW));
        it
    }

    /// A few thousand draws of a generator that is no better than it has to be.
    fn counts(all: &[Candidate]) -> Vec<usize> {
        let (mut counts, mut seed) = (vec![0; all.len()], 7u64);
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            counts[choose(all.iter().copied(), NOW, seed ^ (seed >> 33)).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn who_is_taken() {
        let (near, far) = (one(true, 0), one(false, 0));
        let tried = |it| Candidate { tried: true, ..it };
        for (all, taken, why) in [
            (vec![], vec![], "nobody"),
            (vec![near], vec![0], "the only one"),
            (vec![out(near)], vec![0], "the only one, though out"),
            (vec![tried(near)], vec![0], "the only one, though tried"),
            (vec![far, near], vec![1], "the own zone first"),
            (vec![far, out(near)], vec![0], "nobody of the own zone is well"),
            (vec![far, near, out(near)], vec![0, 1], "half of the own zone is not enough"),
            (vec![far, near, near, near, out(near)], vec![1, 2, 3], "three of four are"),
            (vec![far, tried(near)], vec![0], "was there already"),
            (vec![out(far), tried(near)], vec![0], "better one that is out than the same again"),
            (vec![one(false, 9), one(false, 0)], vec![1], "the less loaded of two"),
        ] {
            let seen: Vec<usize> = match all.is_empty() {
                true => Vec::new(),
                false => {
                    counts(&all).iter().enumerate().filter(|(_, count)| **count > 0).map(|(number, _)| number).collect()
                }
            };
            assert_eq!(seen, taken, "{why}");
            assert_eq!(choose(all.iter().copied(), NOW, 3).is_none(), all.is_empty());
        }
    }

    #[test]
    fn weights_are_parts_of_the_load() {
        let weighted = |weight, load| Candidate { weight, ..one(false, load) };
        // Loads as they are once each has its part: then draws keep to the weights.
        let counts = counts(&[weighted(1, 10), weighted(3, 32)]);
        assert!(counts[1] > counts[0] * 2, "{counts:?}");
        let even = super::tests::counts(&[one(false, 0); 4]);
        assert!(even.iter().all(|count| (2000..3000).contains(count)), "{even:?}");
    }

    proptest! {
        #[test]
        fn one_that_is_well_and_untried_is_taken_where_there_is_one(
            kinds in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), 0u32..9, 0u16..9), 1..20),
            random: u64,
        ) {
            let all: Vec<Candidate> = kinds.into_iter().map(|(near, is_out, tried, load, weight)| {
                let it = Candidate { tried, weight, ..one(near, load) };
                if is_out { out(it) } else { it }
            }).collect();
            let taken = choose(all.iter().copied(), NOW, random).unwrap();
            let good = |it: &Candidate| !it.tried && !it.health.is_out(NOW);
            prop_assert_eq!(good(&all[taken]), all.iter().any(good));
        }
    }
}
