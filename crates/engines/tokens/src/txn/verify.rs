//! Checks a transaction token with all its narrowings.

use super::delegation::Delegates;
use super::error::TxnError;
use super::mint::public_of;
use super::narrow::{BEFORE, JOINT, LINK_TYP, check_narrower, seed_of};
use super::token::{TYP, Txn, TxnToken, next, scopes};
use crate::access::check_dates;
use crate::claims::{audiences, needed_date, needed_text};
use crate::error::{TokenError, foreign};
use crate::limits::{NARROWINGS_MAX, TXN_TTL};
use bartizan_core::Timestamp;
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{EmbeddedKey, Jwk, Unverified};
use bartizan_crypto::limits::TOKEN_BYTES_MAX;
use bartizan_crypto::{base64, hash};
use serde_json::{Value, json};

/// Checks a chain: the token by the key that was delegated to its minter, each link by the key that the part before it names
/// and against what that part allows, and that the end was not cut off.
///
/// # Errors
/// [`TxnError`].
pub fn verify_txn(chain: &str, delegates: &Delegates, now: Timestamp) -> Result<TxnToken, TxnError> {
    if chain.len() > TOKEN_BYTES_MAX {
        return Err(TxnError::Chain("it is too long"));
    }
    let mut parts = chain.split(JOINT);
    let mut before = parts.next().unwrap_or_default();
    let mut token = verify_root(before, delegates, now)?;
    for part in parts {
        let Some(key) = token.next else { return Err(TxnError::Chain("something follows where it was closed")) };
        // A seed has no dots, a link has two.
        if !part.contains('.') {
            return end(chain, part, token, key);
        }
        token = verify_link(part, before, token, key)?;
        if now >= token.expires {
            let by_s = now.since(token.expires).as_secs();
            return Err(TokenError::Expired { issuer: token.minter.to_string(), by_s }.into());
        }
        before = part;
    }
    // Open, and without its seed: a link may have been left out.
    if token.is_open() { Err(TxnError::Chain("its end is missing")) } else { Ok(token) }
}

/// The seed stands last, and is the one of the key that the last part names.
fn end(chain: &str, seed: &str, token: TxnToken, key: [u8; 32]) -> Result<TxnToken, TxnError> {
    let is_last = chain.rsplit(JOINT).next().is_some_and(|last| std::ptr::eq(last, seed));
    if !is_last {
        return Err(TxnError::Chain("something follows its seed"));
    }
    if public_of(&seed_of(seed)?)? == key { Ok(token) } else { Err(TxnError::Chain("its end belongs to another part")) }
}

fn verify_root(text: &str, delegates: &Delegates, now: Timestamp) -> Result<TxnToken, TxnError> {
    let unverified = Unverified::parse(text, EmbeddedKey::Refused)?;
    check_typ(&unverified, TYP)?;
    let kid = unverified.header().kid.as_deref().unwrap_or_default();
    let delegate = delegates.find(kid, now).ok_or_else(|| TxnError::NotDelegated(foreign(kid)))?;
    unverified.verify(&delegate.key).map_err(|_| TxnError::Signature(foreign(kid)))?;
    let claims = unverified.unverified_claims()?;
    let said = needed_text(&claims, "iss")?;
    if said != delegate.id.as_str() {
        return Err(TxnError::OtherMinter { said: foreign(said), signed: delegate.id.to_string() });
    }
    let (issued, expires) = check_dates(&claims, said, TXN_TTL.as_secs(), now)?;
    let found = audiences(&claims)?;
    if found != [delegates.domain().as_str()] {
        return Err(TokenError::Audience { found, wanted: delegates.domain().to_string() }.into());
    }
    let expires = expires.min(delegate.expires);
    let next = next(&claims)?;
    let (minter, certificate) = (delegate.id.clone(), delegate.certificate.clone());
    Ok(TxnToken { minter, certificate, txn: Txn::read(&claims)?, issued, expires, narrowed: 0, next })
}

fn verify_link(text: &str, before: &str, token: TxnToken, key: [u8; 32]) -> Result<TxnToken, TxnError> {
    let link = token.narrowed + 1;
    if link > NARROWINGS_MAX {
        return Err(TxnError::Chain("it has too many links"));
    }
    let unverified = Unverified::parse(text, EmbeddedKey::Refused)?;
    check_typ(&unverified, LINK_TYP)?;
    let signature = || TxnError::Signature(format!("of link {link}"));
    let alg = unverified.header().alg;
    let key = public_key(key).and_then(|jwk| jwk.verify_key(alg).ok()).ok_or_else(signature)?;
    unverified.verify(&key).map_err(|_| signature())?;
    let claims = unverified.unverified_claims()?;
    if needed_text(&claims, BEFORE)? != base64::encode_url(&hash::sha256(before.as_bytes())) {
        return Err(TxnError::Chain("a link belongs behind another part"));
    }
    let (scopes, expires) = (scopes(&claims)?, Timestamp::from_secs(needed_date(&claims, "exp")?));
    check_narrower(&token, &scopes, expires, link)?;
    let next = next(&claims)?;
    // Everything else stays what the minter said.
    Ok(TxnToken { txn: Txn { scopes, ..token.txn }, expires, narrowed: link, next, ..token })
}

fn check_typ(unverified: &Unverified<'_>, wanted: &'static str) -> Result<(), TxnError> {
    if unverified.header().is_typ(wanted) {
        return Ok(());
    }
    let found = foreign(unverified.header().typ.as_deref().unwrap_or_default());
    Err(TokenError::Typ { found, wanted }.into())
}

fn public_key(bytes: [u8; 32]) -> Option<Jwk> {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64::encode_url(&bytes) });
    let Value::Object(jwk): Value = jwk else { return None };
    Jwk::parse(&jwk as &Object).ok()
}
