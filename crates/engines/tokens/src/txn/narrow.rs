//! Narrowing: whoever holds an open token makes one that allows less, without asking anybody.
//!
//! A chain is a token and its links, with `~` between them, and at its end, while it is open, the seed of the key that signs
//! the next link. Each part says which key that is, so nobody can leave a link out: a chain that was cut short ends with a part
//! that names a key whose seed only the one before had. Source: the idea of biscuits (biscuitsec.org), with tokens as blocks.

use super::error::TxnError;
use super::mint::open;
use super::token::TxnToken;
use crate::limits::NARROWINGS_MAX;
use crate::scopes::Scopes;
use bartizan_core::{Secret, SpiffeId, Timestamp};
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{base64, hash, jose};
use serde_json::json;

/// What stands between the parts of a chain: a character that no token has.
pub(super) const JOINT: char = '~';
/// The `typ` of a link.
pub(super) const LINK_TYP: &str = "bartizan-narrowing+jwt";
/// What the header of a link says in `kid`: its key is the one that the part before it names.
pub(super) const LINK_KID: &str = "next";
/// The claim with the hash of the part before: a link belongs to one place.
pub(super) const BEFORE: &str = "bartizan_before";

/// What is to be left of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrower {
    /// Its scopes; each is one of the token's.
    pub scopes: Scopes,
    /// Its end; not after the token's.
    pub expires: Timestamp,
    /// Who narrowed it, for the log: it is said and not proven.
    pub by: SpiffeId,
}

/// Makes a narrower chain of an open one. `verified` is what [`super::verify_txn`] said of `chain`. With a `seed` (32
/// unpredictable bytes) the new one is open again.
///
/// # Errors
/// [`TxnError::Closed`], [`TxnError::Widens`], [`TxnError::Chain`], [`TxnError::Crypto`].
pub fn narrow(
    chain: &str,
    verified: &TxnToken,
    to: &Narrower,
    seed: Option<&Secret<[u8; 32]>>,
) -> Result<String, TxnError> {
    let next = verified.next.ok_or(TxnError::Closed("its minter, or the last who narrowed it, closed it"))?;
    if verified.narrowed >= NARROWINGS_MAX {
        return Err(TxnError::Closed("it was narrowed as often as it may be"));
    }
    check_narrower(verified, &to.scopes, to.expires, verified.narrowed + 1)?;
    let (parts, held) = chain.rsplit_once(JOINT).ok_or(TxnError::Chain("its seed is missing"))?;
    let held = seed_of(held)?;
    if super::mint::public_of(&held)? != next {
        return Err(TxnError::Chain("another chain was verified"));
    }
    let before = parts.rsplit(JOINT).next().unwrap_or_default();
    let mut claims = Object::new();
    claims.insert("scope".to_owned(), json!(to.scopes.to_string()));
    claims.insert("exp".to_owned(), json!(to.expires.as_secs()));
    claims.insert("by".to_owned(), json!(to.by.as_str()));
    claims.insert(BEFORE.to_owned(), json!(base64::encode_url(&hash::sha256(before.as_bytes()))));
    let tail = open(&mut claims, seed)?;
    let link = jose::sign(&TokenKey::ed25519_from_seed(&held)?, LINK_TYP, LINK_KID, &claims)?;
    Ok(format!("{parts}{JOINT}{link}{tail}"))
}

/// Whether scopes and end stay within what a token allows.
pub(super) fn check_narrower(of: &TxnToken, scopes: &Scopes, expires: Timestamp, link: usize) -> Result<(), TxnError> {
    if !scopes.are_within(&of.txn.scopes) {
        return Err(TxnError::Widens { link, what: "scopes" });
    }
    if expires > of.expires {
        return Err(TxnError::Widens { link, what: "life" });
    }
    Ok(())
}

/// The seed at the end of an open chain.
pub(super) fn seed_of(text: &str) -> Result<Secret<[u8; 32]>, TxnError> {
    let refuse = TxnError::Chain("its seed is not 32 bytes in base64url");
    let bytes = base64::decode_url(text).map_err(|_| refuse.clone())?;
    Ok(Secret::new(bytes.try_into().map_err(|_| refuse)?))
}
