//! What was prepared for the calls seen so far, bounded and shared between workers.

use crate::judge::Outcome;
use crate::limits;
use bartizan_core::{Action, Decision};
use cedar_policy::{EntityUid, PolicySet};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A kind of call, in the numbers that an engine gives to names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) principal: u32,
    pub(crate) resource: u32,
    pub(crate) route: Option<u32>,
    pub(crate) action: Action,
}

/// What is known of a kind of call before a particular one is seen.
#[derive(Clone)]
pub(crate) enum Slot {
    /// No policy about it looks at method or path: it is decided.
    Settled(Arc<Decision>),
    /// It depends on the particular call.
    Open(Arc<Prepared>),
}

/// What has to be evaluated for each call of a kind.
pub(crate) struct Prepared {
    /// What became of the policies that look at neither method nor path.
    pub(crate) known: Outcome,
    /// The other policies that can be about it.
    pub(crate) policies: PolicySet,
    pub(crate) principal: EntityUid,
    pub(crate) resource: EntityUid,
}

/// Prepared calls, by kind.
#[derive(Default)]
pub(crate) struct Slots {
    shards: [RwLock<HashMap<Key, Slot>>; limits::SLOT_SHARDS],
}

impl Slots {
    pub(crate) fn get(&self, key: Key) -> Option<Slot> {
        self.shard(key).read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    /// Two workers may prepare the same call at once; both slots say the same, so the later one stays.
    pub(crate) fn put(&self, key: Key, slot: Slot) {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= limits::SLOTS_MAX / limits::SLOT_SHARDS {
            shard.clear();
        }
        shard.insert(key, slot);
    }

    fn shard(&self, key: Key) -> &RwLock<HashMap<Key, Slot>> {
        // Callers differ most: in a sidecar, the resource is always the same.
        let number = key.principal.wrapping_mul(5).wrapping_add(key.resource).wrapping_add(key.action as u32);
        &self.shards[number as usize % limits::SLOT_SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::snapshot::Epoch;
    use bartizan_core::{Denial, Verdict};

    #[test]
    fn forgets_rather_than_grows() {
        let slots = Slots::default();
        let decision = Decision {
            verdict: Verdict::Deny,
            policies: Vec::new(),
            reason: None,
            public: false,
            denial: Denial::Unexpected,
            epoch: Epoch(1),
        };
        let slot = Slot::Settled(Arc::new(decision));
        for principal in 0..10_000 {
            let key = Key { principal, resource: 0, route: None, action: Action::Read };
            slots.put(key, slot.clone());
            assert!(slots.get(key).is_some());
        }
        let held: usize = slots.shards.iter().map(|shard| shard.read().unwrap().len()).sum();
        assert!(held <= limits::SLOTS_MAX, "{held}");
    }
}
