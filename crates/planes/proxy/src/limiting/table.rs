//! Whose number it is: a table of fixed size from keys to numbers, of which a larger one means that more was used.
//!
//! A key has eight places where it may stand. Where all are taken, a new key takes the place with the least used, and *its number
//! with it* (as Space-Saving counts, Metwally 2005): so a number may be too large, by the least of eight, and is never too small. Who
//! comes with many names to have his own forgotten gains nothing, and whoever used much is never the one that goes.

use std::sync::{Mutex, PoisonError};

/// Pieces with a lock each, a count: many times the threads that serve.
const SHARDS: usize = 32;
/// Places where one key may stand, a count: 128 bytes, two lines of the cache.
const WAYS: usize = 8;

/// Numbers by key.
#[derive(Debug)]
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    sets: usize,
}

/// Key and number; key 0 is a place that is free.
type Shard = Vec<[u64; 2]>;

impl Table {
    /// With room for `entries` keys or a few more; 16 bytes each.
    pub fn new(entries: usize) -> Self {
        let sets = entries.div_ceil(SHARDS * WAYS).next_power_of_two();
        // Pages of zeros, which the system gives as they are written to.
        let shards = (0..SHARDS).map(|_| Mutex::new(vec![[0; 2]; sets * WAYS])).collect();
        Self { shards, sets }
    }

    /// Lets `change` have the number of `key`, and keeps what it leaves. Keys have to be hashes that nobody outside can foretell.
    pub fn with<R>(&self, key: u64, change: impl FnOnce(&mut u64) -> R) -> R {
        let key = key.max(1);
        // Every change leaves it whole.
        let mut shard = self.shards[(key >> 59) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let first = (key as usize & (self.sets - 1)) * WAYS;
        let set = &mut shard[first..first + WAYS];
        let place = set.iter().position(|entry| entry[0] == key).unwrap_or_else(|| least(set));
        let mut number = set[place][1];
        let result = change(&mut number);
        // Whoever was refused and has no place gets none.
        if set[place][0] == key || number != set[place][1] {
            set[place] = [key, number];
        }
        result
    }

    /// Lets `change` have the number of `key`, where it has a place.
    pub fn with_known(&self, key: u64, change: impl FnOnce(&mut u64)) {
        let key = key.max(1);
        let mut shard = self.shards[(key >> 59) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let first = (key as usize & (self.sets - 1)) * WAYS;
        if let Some(entry) = shard[first..first + WAYS].iter_mut().find(|entry| entry[0] == key) {
            change(&mut entry[1]);
        }
    }
}

/// The place with the least used; a free one has nothing used.
fn least(set: &[[u64; 2]]) -> usize {
    set.iter().enumerate().min_by_key(|(_, entry)| entry[1]).map_or(0, |(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiting::Gcra;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const NS: u64 = 1_000_000_000;

    fn mixed(n: u64) -> u64 {
        // SplitMix64: spreads as the real hash does.
        let z = (n.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn names_by_the_thousand_do_not_get_a_heavy_user_forgotten() {
        let (table, gcra) = (Table::new(256), Gcra::new(1, 1, 10));
        let take = |key: u64, now| table.with(mixed(key), |state| gcra.take(state, now, 1).passed);
        assert_eq!((0..50).filter(|_| take(0, NS)).count(), 10);
        for other in 1..100_000 {
            take(other, NS);
            if other % 1000 == 0 {
                assert!(!take(0, NS), "forgotten after {other} others");
            }
        }
    }

    #[test]
    fn those_who_use_little_are_let_through_while_others_come_with_many_names() {
        // 1 unit a second, 10 at once, and room for 4,096: new names come at an eighth of what the room can bear.
        let (table, gcra) = (Table::new(4096), Gcra::new(1, 1, 10));
        let take = |key: u64, now| table.with(mixed(key), |state| gcra.take(state, now, 1).passed);
        let mut refused = 0;
        for second in 1..60 {
            for n in 0..512 {
                take(1000 + second * 512 + n, second * NS + n);
            }
            refused += (0..100).filter(|honest| !take(*honest, second * NS + 600)).count();
        }
        assert_eq!(refused, 0);
    }

    proptest! {
        /// However many names there are for how little room: nobody gets more than their own.
        #[test]
        fn nobody_gets_more_than_their_own(keys in prop::collection::vec((0u64..600, 0u64..NS), 1..3000)) {
            let (table, gcra) = (Table::new(1), Gcra::new(2, 1, 3));
            let (mut now, mut taken) = (NS, HashMap::<u64, u64>::new());
            let began = now;
            for (key, pause) in keys {
                now += pause / 100;
                if table.with(mixed(key), |state| gcra.take(state, now, 1).passed) {
                    *taken.entry(key).or_default() += 1;
                }
            }
            let most = 3 + (now - began) * 2 / NS;
            prop_assert!(taken.values().all(|count| *count <= most), "{taken:?} of {most}");
        }
    }
}
