//! A memory of tokens that were found good: showing one again costs a hash and a look-up instead of a signature.
//!
//! What may have changed since is checked at every hit: its time, audience and binding, and, whenever the list of revocations
//! is another one, whether it was revoked. A token that was revoked is forgotten and comes back only through a full check, which
//! judges it by the list as well. Refusals are not remembered: who sends rubbish pays for it by rate limits, not by our memory.
//!
//! Bounded by [`CACHE_ENTRIES_MAX`] tokens and [`CACHE_BYTES_MAX`] bytes of their text, in two generations: when the young one
//! holds half of either, it becomes the old one and the old one is dropped. What was used in between stays.

use crate::access::{AccessToken, Presented, verify_access};
use crate::error::TokenError;
use crate::issuer::Issuers;
use crate::limits::{CACHE_BYTES_MAX, CACHE_ENTRIES_MAX};
use crate::revocation::Revocations;
use bartizan_core::Timestamp;
use bartizan_crypto::hash;
use bartizan_crypto::limits::TOKEN_BYTES_MAX;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Whose tokens are believed, and which of them not any more.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The issuers.
    pub issuers: &'a Issuers,
    /// The revocations in force.
    pub revocations: &'a Revocations,
}

/// SHA-256 of the token, then that of the client certificate that it was shown with, or zeros.
type Key = [u8; 64];
type Generation = HashMap<Key, Entry, BuildHasherDefault<FirstBytes>>;

#[derive(Debug)]
struct Entry {
    token: Arc<AccessToken>,
    text_bytes: usize,
    /// The list by which it was last judged.
    judged_at: u64,
}

/// Tokens that were found good. One for each worker, so that nobody waits for anybody.
#[derive(Debug, Default)]
pub struct TokenCache {
    young: Generation,
    old: Generation,
    young_bytes: usize,
    /// The set of issuers by which everything here was verified; with another one all is forgotten.
    issuers_version: u64,
    /// The latest list of revocations that was ever seen.
    latest_epoch: u64,
    hits: u64,
    misses: u64,
}

impl TokenCache {
    /// Checks a token that was shown to `audience`, as [`verify_access`] does, and by the revocations.
    ///
    /// # Errors
    /// [`TokenError`]. [`TokenError::OldRevocations`] where the list is older than one that was in force before: by it, what
    /// was revoked since would be good again.
    pub fn verify(
        &mut self,
        trust: Trust<'_>,
        shown: &Presented<'_>,
        audience: &str,
        now: Timestamp,
    ) -> Result<Arc<AccessToken>, TokenError> {
        self.follow(trust)?;
        // Longer ones are refused by the check below, and are not worth a hash.
        if shown.token.len() > TOKEN_BYTES_MAX {
            return verify_access(trust.issuers, shown, audience, now).map(Arc::new);
        }
        let key = key_of(shown);
        if let Some(token) = self.recall(&key, trust.revocations)? {
            self.hits += 1;
            return token.check(shown, audience, now).map(|()| token);
        }
        self.misses += 1;
        let token = Arc::new(verify_access(trust.issuers, shown, audience, now)?);
        trust.revocations.judge(&token)?;
        let text_bytes = shown.token.len();
        let judged_at = trust.revocations.epoch();
        self.put(key, Entry { token: Arc::clone(&token), text_bytes, judged_at });
        Ok(token)
    }

    /// How many tokens are held.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often a token was known, and how often it was not.
    pub fn counts(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }

    /// Takes up other issuers and another list, or refuses to go back.
    fn follow(&mut self, trust: Trust<'_>) -> Result<(), TokenError> {
        let given = trust.revocations.epoch();
        if given < self.latest_epoch {
            return Err(TokenError::OldRevocations { given, seen: self.latest_epoch });
        }
        self.latest_epoch = given;
        if self.issuers_version != trust.issuers.version() {
            *self = Self {
                issuers_version: trust.issuers.version(),
                latest_epoch: given,
                hits: self.hits,
                misses: self.misses,
                ..Self::default()
            };
        }
        Ok(())
    }

    /// The token of that key where it is known, judged by the list in force; forgotten where that revokes it.
    fn recall(&mut self, key: &Key, revocations: &Revocations) -> Result<Option<Arc<AccessToken>>, TokenError> {
        if let Some(entry) = self.young.get_mut(key) {
            if entry.judged_at == revocations.epoch() {
                return Ok(Some(Arc::clone(&entry.token)));
            }
            if let Err(revoked) = revocations.judge(&entry.token) {
                self.young.remove(key);
                self.old.remove(key);
                return Err(revoked);
            }
            entry.judged_at = revocations.epoch();
            return Ok(Some(Arc::clone(&entry.token)));
        }
        let Some(mut entry) = self.old.remove(key) else { return Ok(None) };
        if entry.judged_at != revocations.epoch() {
            revocations.judge(&entry.token)?; // it was taken out, so that refusing forgets it
            entry.judged_at = revocations.epoch();
        }
        let token = Arc::clone(&entry.token);
        self.put(*key, entry);
        Ok(Some(token))
    }

    fn put(&mut self, key: Key, entry: Entry) {
        let is_full = self.young.len() >= CACHE_ENTRIES_MAX / 2;
        if is_full || self.young_bytes + entry.text_bytes > CACHE_BYTES_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += entry.text_bytes;
        self.young.insert(key, entry);
    }
}

fn key_of(shown: &Presented<'_>) -> Key {
    let mut key = [0; 64];
    key[..32].copy_from_slice(&hash::sha256(shown.token.as_bytes()));
    if let Some(certificate) = shown.certificate {
        key[32..].copy_from_slice(certificate);
    }
    key
}

/// Takes eight bytes of a key as they are: they are a hash already, of texts that only an issuer can make.
#[derive(Debug, Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // The length comes first, by `write_usize`; only the bytes themselves count.
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}
