//! The gateway's own key for transaction tokens, and control's word that it may mint.

use crate::limits::TXN_TTL;
use bartizan_core::user::User;
use bartizan_core::{RequestId, Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{CryptoError, random};
use bartizan_tokens::txn::{Minter, TxnError, mint};
use bartizan_tokens::txn_of;
use std::sync::Arc;

/// A key with its delegation.
#[derive(Debug)]
pub struct Minting {
    key: Arc<TokenKey>,
    delegation: String,
    /// The end of the delegation.
    pub until: Timestamp,
}

impl Minting {
    /// With the delegation that control gave for `key`.
    pub fn new(key: Arc<TokenKey>, delegation: String, until: Timestamp) -> Self {
        Self { key, delegation, until }
    }

    /// A key, and its public half as control wants it.
    ///
    /// # Errors
    /// [`CryptoError`] where the library has no key to give.
    pub fn key() -> Result<(Arc<TokenKey>, String), CryptoError> {
        // The cheaper of the two to sign with: each user has a token made every second.
        let key = Arc::new(TokenKey::generate_ed25519()?);
        let jwk = serde_json::Value::Object(key.public_jwk().to_json()).to_string();
        Ok((key, jwk))
    }

    /// By which its key counts.
    pub fn delegation(&self) -> &str {
        &self.delegation
    }

    /// A token for what `user` asks, named after the request that it is first used for.
    ///
    /// # Errors
    /// [`TxnError`], where the delegation is over.
    pub fn mint(
        &self,
        user: &User,
        request: RequestId,
        (id, domain): (&SpiffeId, &TrustDomain),
        now: Timestamp,
    ) -> Result<String, TxnError> {
        let minter = Minter { key: &self.key, id, domain, until: self.until };
        // Left open: whoever hands it on may hand on less of it.
        let seed = Secret::new(random::bytes());
        mint(&minter, &txn_of(user, request, id), TXN_TTL, Some(&seed), now)
    }
}
