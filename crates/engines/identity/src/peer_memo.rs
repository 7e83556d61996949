//! Remembers chains that were verified: a peer that comes back with the same certificates costs a hash, not signatures.
//!
//! The proof that a peer holds its key is another one, made anew in every handshake; and whether it is denied is asked anew by
//! whoever asks here. Only what was found good is kept.

use crate::bundle::TrustBundles;
use crate::limits::PEER_MEMO_MAX;
use crate::peer::{Refusal, VerifiedPeer, verify_peer};
use bartizan_core::Timestamp;
use bartizan_crypto::{cert, hash};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// A memory of verified chains under one set of roots; with another set it begins anew. Shared by threads.
#[derive(Debug, Default)]
pub struct PeerMemo(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    /// The roots. Weak: they are not kept in memory for this, and keep their address, so the same address is the same set.
    bundles: Weak<TrustBundles>,
    /// By the hash of the chain. Once there are [`PEER_MEMO_MAX`], they become the old ones, and those are forgotten.
    new: HashMap<[u8; 32], Held>,
    old: HashMap<[u8; 32], Held>,
}

#[derive(Clone, Debug)]
struct Held {
    peer: VerifiedPeer,
    /// When it was found good. A clock that was set back before this finds nothing.
    since: Timestamp,
}

impl PeerMemo {
    /// Judges a chain as [`verify_peer`] does.
    ///
    /// # Errors
    /// [`Refusal`], as there.
    pub fn verify(
        &self,
        chain: &[&[u8]],
        bundles: &Arc<TrustBundles>,
        now: Timestamp,
    ) -> Result<VerifiedPeer, Refusal> {
        // What is too large is not even hashed.
        let Ok(()) = cert::check_sizes(chain) else { return verify_peer(chain, bundles, now) };
        let key = key_of(chain);
        if let Some(peer) = self.memory(bundles).get(&key, bundles, now) {
            return Ok(peer);
        }
        let peer = verify_peer(chain, bundles, now)?;
        self.memory(bundles).put(key, Held { peer: peer.clone(), since: now });
        Ok(peer)
    }

    fn memory(&self, bundles: &Arc<TrustBundles>) -> MutexGuard<'_, Memory> {
        // Every change leaves it whole.
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.bundles.as_ptr() != Arc::as_ptr(bundles) {
            *memory = Memory { bundles: Arc::downgrade(bundles), ..Memory::default() };
        }
        memory
    }
}

impl Memory {
    fn get(&mut self, key: &[u8; 32], bundles: &TrustBundles, now: Timestamp) -> Option<VerifiedPeer> {
        if let Some(held) = self.old.remove(key) {
            self.put(*key, held);
        }
        let held = self.new.get(key)?;
        let holds = held.since <= now && now < held.peer.not_after() && root_holds(&held.peer, bundles, now);
        holds.then(|| held.peer.clone())
    }

    fn put(&mut self, key: [u8; 32], held: Held) {
        if self.new.len() >= PEER_MEMO_MAX {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(key, held);
    }
}

/// Whether the root that the chain led to is still in date: the chain's own end does not say.
fn root_holds(peer: &VerifiedPeer, bundles: &TrustBundles, now: Timestamp) -> bool {
    let roots = bundles.roots_at(peer.id().domain(), now);
    roots.is_ok_and(|roots| roots.iter().any(|root| hash::sha256(root) == *peer.root()))
}

/// A hash of all certificates and of where each ends.
fn key_of(chain: &[&[u8]]) -> [u8; 32] {
    let bytes = chain.iter().map(|der| der.len() + size_of::<u64>()).sum();
    let mut all = Vec::with_capacity(bytes);
    for der in chain {
        all.extend_from_slice(&(der.len() as u64).to_be_bytes());
        all.extend_from_slice(der);
    }
    hash::sha256(&all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_that_are_one_behind_the_other_differ_from_what_they_are_together() {
        let keys = [key_of(&[b"ab", b"c"]), key_of(&[b"a", b"bc"]), key_of(&[b"abc"]), key_of(&[b"abc", b""])];
        let distinct: std::collections::BTreeSet<_> = keys.into_iter().collect();
        assert_eq!(distinct.len(), 4);
    }
}
