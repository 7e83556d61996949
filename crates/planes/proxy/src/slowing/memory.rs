//! What is remembered of callers: places of a fixed number, eight of them for each caller.
//!
//! Where all eight are taken, a new caller gets the place of whoever came least of late, *with what was learned and used there*. So
//! names that come once take one place from each other and not from those who come often, and nobody gains by being forgotten: where
//! there is no room, there is no beginning anew either.

use super::{Allowance, Turn, Usual};
use std::sync::{Mutex, PoisonError};

/// Pieces with a lock each, a count: many times the threads that serve.
const SHARDS: usize = 32;
/// Places where one caller may stand, a count.
const WAYS: usize = 8;

/// What is usual, by caller.
#[derive(Debug)]
pub struct Memory {
    shards: Box<[Mutex<Vec<Place>>]>,
    sets: usize,
}

/// Key and what is known; key 0 is a place that is free.
type Place = (u64, Usual);

impl Memory {
    /// With room for `callers` or a few more; 48 bytes each.
    pub fn new(callers: usize) -> Self {
        let sets = callers.div_ceil(SHARDS * WAYS).next_power_of_two();
        let shards = (0..SHARDS).map(|_| Mutex::new(vec![Place::default(); sets * WAYS])).collect();
        Self { shards, sets }
    }

    /// A request of `key`, a hash that nobody outside can foretell; also what is known of it then.
    pub fn comes(&self, key: u64, by: &Allowance, now_ns: u64) -> (Turn, Usual) {
        let key = key.max(1);
        let mut shard = self.shard(key);
        let first = self.first(key);
        let set = &mut shard[first..first + WAYS];
        let place = set.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            let place = least(set, now_ns);
            set[place] = (key, set[place].1.inherited());
            place
        });
        let turn = set[place].1.comes(by, now_ns);
        (turn, set[place].1)
    }

    /// Gives back what a request of `key` took, where it has a place still.
    pub fn give_back(&self, key: u64, unit_ns: u64) {
        let key = key.max(1);
        let mut shard = self.shard(key);
        let first = self.first(key);
        if let Some((_, known)) = shard[first..first + WAYS].iter_mut().find(|(known, _)| *known == key) {
            known.give_back(unit_ns);
        }
    }

    fn shard(&self, key: u64) -> std::sync::MutexGuard<'_, Vec<Place>> {
        // Every change leaves it whole.
        self.shards[(key >> 59) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn first(&self, key: u64) -> usize {
        (key as usize & (self.sets - 1)) * WAYS
    }
}

/// A free place, or that of whoever came least of late.
fn least(set: &[Place], now_ns: u64) -> usize {
    let rank = |(key, known): &Place| if *key == 0 { -1.0 } else { known.lately_at(now_ns) };
    let least = set.iter().enumerate().min_by(|(_, a), (_, b)| rank(a).total_cmp(&rank(b)));
    least.map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::limit::Per;
    use bartizan_core::slow_down::SlowDown;

    const SECOND: u64 = 1_000_000_000;

    fn by() -> Allowance {
        Allowance::of(&SlowDown { least: 1, ..SlowDown::per(Per::Address) })
    }

    fn mixed(n: u64) -> u64 {
        // SplitMix64: spreads as the real hash does.
        let z = (n.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn whoever_comes_ten_times_as_often_cannot_have_itself_forgotten_by_coming_with_other_names() {
        let memory = Memory::new(256);
        let mut usual = None;
        for n in 0..300 * 20 {
            usual = memory.comes(1, &by(), n * SECOND / 20).1.allowance(&by());
        }
        assert!(usual.is_some());
        // In each second 200 requests under its own name, and a thousand new names.
        let (mut slowed, mut name) = (0, 1_000);
        for second in 300..330 {
            for n in 0..200 {
                let now = second * SECOND + n * SECOND / 200;
                slowed += u64::from(memory.comes(1, &by(), now).0 != Turn::Now);
                for _ in 0..5 {
                    name += 1;
                    memory.comes(mixed(name), &by(), now);
                }
            }
        }
        assert!(slowed > 4_500, "{slowed} of 6000");
    }

    #[test]
    fn whoever_was_away_while_names_came_does_not_begin_anew() {
        let memory = Memory::new(1);
        for n in 0..300 * 20 {
            memory.comes(mixed(n % 500), &by(), n * SECOND / 20);
        }
        // All places are taken and known; nobody gets one in which nothing is known.
        for name in 10_000..20_000 {
            let known = memory.comes(mixed(name), &by(), 400 * SECOND).1;
            assert!(known.allowance(&by()).is_some(), "{name} begins anew");
        }
    }

    #[test]
    fn others_are_not_slowed_down_by_one_who_comes_too_often() {
        let memory = Memory::new(4096);
        for n in 0..300 * 20 {
            (0..10).for_each(|caller| _ = memory.comes(mixed(caller), &by(), n * SECOND / 20));
        }
        for n in 0..60 * 200 {
            let now = 300 * SECOND + n * SECOND / 200;
            memory.comes(mixed(0), &by(), now);
            if n % 10 == 0 {
                assert!((1..10).all(|caller| memory.comes(mixed(caller), &by(), now).0 == Turn::Now));
            }
        }
    }
}
