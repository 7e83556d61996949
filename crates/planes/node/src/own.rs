//! The node's own identity: key and certificate in memory, checked before they are used.

use bartizan_core::{SpiffeId, Timestamp};
use bartizan_crypto::KeyPair;
use bartizan_identity::{Refusal, TrustBundles, expect_peer, verify_peer};
use std::sync::Arc;

/// Why what control sent is not an identity for us.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// It would be refused by everybody, or is somebody else's.
    #[error("control sent an identity that does not hold: {0}")]
    Refused(#[from] Refusal),
    /// It is for a key that we do not have.
    #[error("control sent a certificate for another key")]
    OtherKey,
}

/// An identity in use. Cloning is cheap; the key is never copied.
#[derive(Clone)]
pub struct Own {
    key: Arc<KeyPair>,
    chain: Arc<[Vec<u8>]>,
    id: SpiffeId,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Own({}, until {} ms)", self.id, self.not_after.as_millis())
    }
}

impl Own {
    /// Takes a chain in, for the key it was asked for with: verified as any peer would, named `id`, for this very key.
    ///
    /// # Errors
    /// [`OwnError`].
    pub fn check(
        key: KeyPair,
        chain: Vec<Vec<u8>>,
        id: &SpiffeId,
        bundles: &TrustBundles,
        now: Timestamp,
    ) -> Result<Self, OwnError> {
        let slices: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let us = expect_peer(verify_peer(&slices, bundles, now)?, id)?;
        if us.spki() != key.public_spki() {
            return Err(OwnError::OtherKey);
        }
        let not_after = us.not_after();
        Ok(Self { key: Arc::new(key), chain: chain.into(), id: id.clone(), not_before: now, not_after })
    }

    /// The same, had at `at`: what comes out of a cache was not issued just now.
    #[must_use]
    pub(crate) fn got_at(mut self, at: Timestamp) -> Self {
        self.not_before = at;
        self
    }

    /// The private key.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// The name.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// When we got it.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Until when it counts.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether it counts at `now`.
    pub fn counts_at(&self, now: Timestamp) -> bool {
        now < self.not_after
    }
}
