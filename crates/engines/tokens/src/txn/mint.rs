//! Mints transaction tokens with a delegated key.

use super::error::TxnError;
use super::narrow::JOINT;
use super::token::{NEXT, TYP, Txn};
use crate::limits::TXN_TTL;
use bartizan_core::{Secret, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{CryptoError, base64, jose};
use serde_json::json;
use std::time::Duration;

/// Who mints: a gateway with a key that was delegated to it.
#[derive(Clone, Copy, Debug)]
pub struct Minter<'a> {
    /// Its key.
    pub key: &'a TokenKey,
    /// Its name, as the delegation has it.
    pub id: &'a SpiffeId,
    /// The trust domain.
    pub domain: &'a TrustDomain,
    /// The end of the delegation.
    pub until: Timestamp,
}

/// Makes a token for `ttl`, at most [`TXN_TTL`] and never longer than the delegation. With a `seed` (32 unpredictable bytes) it is
/// left open: whoever holds its text may narrow it.
///
/// # Errors
/// [`TxnError::DelegationOver`], [`TxnError::Crypto`].
pub fn mint(
    minter: &Minter<'_>,
    txn: &Txn,
    ttl: Duration,
    seed: Option<&Secret<[u8; 32]>>,
    now: Timestamp,
) -> Result<String, TxnError> {
    let expires = now.plus(ttl.min(TXN_TTL)).min(minter.until).as_secs();
    if expires <= now.as_secs() {
        return Err(TxnError::DelegationOver);
    }
    let mut claims = Object::new();
    txn.write(&mut claims);
    claims.insert("iss".to_owned(), json!(minter.id.as_str()));
    claims.insert("aud".to_owned(), json!(minter.domain.as_str()));
    claims.insert("iat".to_owned(), json!(now.as_secs()));
    claims.insert("exp".to_owned(), json!(expires));
    let tail = open(&mut claims, seed)?;
    let jwk = minter.key.public_jwk();
    let token = jose::sign(minter.key, TYP, jwk.kid().unwrap_or_default(), &claims)?;
    Ok(format!("{token}{tail}"))
}

/// Puts the key of the next link into the claims; answers what follows the token so that its holder can sign it.
pub(super) fn open(claims: &mut Object, seed: Option<&Secret<[u8; 32]>>) -> Result<String, CryptoError> {
    let Some(seed) = seed else { return Ok(String::new()) };
    let key = public_of(seed)?;
    claims.insert(NEXT.to_owned(), json!(base64::encode_url(&key)));
    Ok(format!("{JOINT}{}", base64::encode_url(seed.expose())))
}

/// The public key of a seed.
pub(super) fn public_of(seed: &Secret<[u8; 32]>) -> Result<[u8; 32], CryptoError> {
    let key = TokenKey::ed25519_from_seed(seed)?;
    let spki = key.public_spki();
    spki.last_chunk().copied().ok_or(CryptoError::UnsupportedKey)
}
