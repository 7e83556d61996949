//! How many requests are under way, for each key. There is an entry only as long as one is, so what bounds requests bounds this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pieces with a lock each, a count: many times the threads that serve.
const SHARDS: usize = 32;

/// Counts of what is under way.
#[derive(Debug)]
pub struct Holds([Mutex<HashMap<u64, u32>>; SHARDS]);

impl Default for Holds {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub struct Hold {
    all: Arc<Holds>,
    key: u64,
}

impl Holds {
    /// One more for `key`, and how many more would be let through; `None` where there are `most` already.
    pub fn hold(self: &Arc<Self>, key: u64, most: u32) -> Option<(Hold, u32)> {
        let mut shard = self.shard(key);
        let count = shard.entry(key).or_insert(0);
        if *count >= most {
            if *count == 0 {
                shard.remove(&key);
            }
            return None;
        }
        *count += 1;
        let left = most - *count;
        Some((Hold { all: Arc::clone(self), key }, left))
    }

    /// How many are under way for `key`, a count.
    pub fn count(&self, key: u64) -> u32 {
        self.shard(key).get(&key).copied().unwrap_or_default()
    }

    /// How many keys have something under way, a count.
    pub fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, u32>> {
        // Every change leaves it whole.
        self.0[key as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut shard = self.all.shard(self.key);
        if let Some(count) = shard.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_said_and_one_more_once_one_is_through() {
        let holds = Arc::new(Holds::default());
        let (first, left) = holds.hold(7, 2).unwrap();
        assert_eq!(left, 1);
        let (second, _) = holds.hold(7, 2).unwrap();
        assert!(holds.hold(7, 2).is_none());
        assert!(holds.hold(8, 2).is_some(), "others have their own");
        drop(first);
        assert!(holds.hold(7, 2).is_some());
        drop(second);
        assert!(holds.is_empty(), "nothing is kept of what is through");
    }
}
