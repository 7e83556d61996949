//! Delegations: the trust domain's authority lets a gateway's own key mint for a while.
//!
//! A delegation is a signed token with the gateway's name and its public key. It ends soon, as a certificate does, so a
//! stolen key is worth little; what it minted ends with it.

use super::error::TxnError;
use crate::access::{check_dates, signed_by};
use crate::claims::{audiences, needed_text};
use crate::error::{TokenError, foreign};
use crate::issuer::Issuers;
use crate::limits::{DELEGATION_LIFE_MAX, DELEGATIONS_MAX, SKEW};
use bartizan_core::{SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::jose::json::Object;
use bartizan_crypto::jose::{self, EmbeddedKey, Jwk, Unverified, VerifyKey};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{CryptoError, base64};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The `typ` of a delegation.
pub const TYP: &str = "bartizan-delegation+jwt";

/// The claim with the certificate that a delegate showed. Ours, as delegations are.
const CERTIFICATE: &str = "bartizan_certificate";

/// The certificate that a delegate showed, by what a deny list can name it by; in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its serial number.
    pub serial: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key: String,
}

/// Lets `to` mint with `key` within `domain`, for `ttl` (at most [`DELEGATION_LIFE_MAX`]). Whether it may was decided before.
/// `shown` is how it proved who it is: who denies that certificate or its key means what was delegated by it too.
///
/// # Errors
/// [`CryptoError`] where signing fails.
pub fn delegate(
    authority: (&TokenKey, &str),
    domain: &TrustDomain,
    (to, key): (&SpiffeId, &Jwk),
    shown: Option<&Certificate>,
    ttl: Duration,
    now: Timestamp,
) -> Result<String, CryptoError> {
    let (signing, issuer) = authority;
    let mut claims = json!({
        "iss": issuer, "sub": to.as_str(), "aud": domain.as_str(),
        "iat": now.as_secs(), "exp": now.plus(ttl.min(DELEGATION_LIFE_MAX)).as_secs(),
        "cnf": { "jwk": key.to_json() },
    });
    if let Some(Certificate { serial, key }) = shown {
        claims[CERTIFICATE] = json!({ "serial": serial, "key": key });
    }
    jose::sign(signing, TYP, signing.public_jwk().kid().unwrap_or_default(), &claims)
}

/// Who may mint, with which key, until when.
#[derive(Clone, Debug)]
pub struct Delegate {
    /// Who.
    pub id: SpiffeId,
    /// Its key.
    pub key: VerifyKey,
    /// The certificate that it showed; `None` where the authority did not say.
    pub certificate: Option<Arc<Certificate>>,
    /// When it was delegated.
    pub issued: Timestamp,
    /// The first moment at which it may not any more.
    pub expires: Timestamp,
}

/// The delegations that are known within one trust domain.
#[derive(Clone, Debug)]
pub struct Delegates {
    domain: TrustDomain,
    /// By the thumbprint of the key, which is what `kid` of a minted token says.
    by_kid: BTreeMap<String, Delegate>,
    /// Whose delegations up to which moment do not count. Delegations travel with tokens, so those would come again.
    revoked: BTreeMap<SpiffeId, Timestamp>,
    /// The same for everybody, where too many were revoked to remember each.
    all_revoked: Timestamp,
}

impl Delegates {
    /// None so far.
    pub fn new(domain: TrustDomain) -> Self {
        Self { domain, by_kid: BTreeMap::new(), revoked: BTreeMap::new(), all_revoked: Timestamp::default() }
    }

    /// The trust domain that they are of.
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// Takes up a delegation. `authorities` holds the authorities of this trust domain, and nobody else.
    ///
    /// # Errors
    /// [`TxnError`]; those that are held stay.
    pub fn add(&mut self, authorities: &Issuers, delegation: &str, now: Timestamp) -> Result<&Delegate, TxnError> {
        let (kid, delegate) = self.read(authorities, delegation, now)?;
        self.by_kid.retain(|_, held| now < held.expires);
        if self.by_kid.len() >= DELEGATIONS_MAX && !self.by_kid.contains_key(&kid) {
            return Err(TxnError::TooMany);
        }
        if self.is_revoked(&delegate) {
            return Err(TxnError::DelegationRevoked(delegate.id));
        }
        let held = self.by_kid.entry(kid).or_insert_with(|| delegate.clone());
        if held.id != delegate.id {
            return Err(TxnError::OtherMinter { said: delegate.id.to_string(), signed: held.id.to_string() });
        }
        // An older delegation of the same key, shown again, changes nothing.
        if delegate.issued > held.issued {
            *held = delegate;
        }
        Ok(held)
    }

    /// From now on delegations to `id` that were made until `moment` do not count, those that are held and those that come again.
    pub fn revoke(&mut self, id: &SpiffeId, moment: Timestamp) {
        // What was delegated so long ago is over by itself.
        self.revoked.retain(|_, until| moment <= until.plus(DELEGATION_LIFE_MAX + SKEW));
        if self.revoked.len() < DELEGATIONS_MAX || self.revoked.contains_key(id) {
            let until = self.revoked.entry(id.clone()).or_insert(moment);
            *until = moment.max(*until);
        } else {
            self.all_revoked = moment.max(self.all_revoked);
        }
        let mut held = std::mem::take(&mut self.by_kid);
        held.retain(|_, delegate| !self.is_revoked(delegate));
        self.by_kid = held;
    }

    /// By the second, as delegations are dated: one that was made in the same second counts as made before.
    fn is_revoked(&self, delegate: &Delegate) -> bool {
        let until = self.revoked.get(&delegate.id).copied().unwrap_or_default().max(self.all_revoked);
        until > Timestamp::default() && delegate.issued.as_secs() <= until.as_secs()
    }

    /// Who may mint with the key of that name at `now`.
    pub fn find(&self, kid: &str, now: Timestamp) -> Option<&Delegate> {
        self.by_kid.get(kid).filter(|delegate| now < delegate.expires)
    }

    fn read(&self, authorities: &Issuers, delegation: &str, now: Timestamp) -> Result<(String, Delegate), TxnError> {
        let unverified = Unverified::parse(delegation, EmbeddedKey::Refused)?;
        let claims = unverified.unverified_claims()?;
        let (authority, _) = signed_by(authorities, &unverified, &claims)?;
        if !unverified.header().is_typ(TYP) {
            let found = foreign(unverified.header().typ.as_deref().unwrap_or_default());
            return Err(TokenError::Typ { found, wanted: TYP }.into());
        }
        let name = &authority.pins().issuer;
        let (issued, expires) = check_dates(&claims, name, DELEGATION_LIFE_MAX.as_secs(), now)?;
        let found = audiences(&claims)?;
        if found != [self.domain.as_str()] {
            return Err(TokenError::Audience { found, wanted: self.domain.to_string() }.into());
        }
        let id = SpiffeId::parse(needed_text(&claims, "sub")?).ok();
        let id = id.filter(|id| id.domain() == self.domain.as_str() && !id.path().is_empty());
        let id = id.ok_or(TokenError::Claim { claim: "sub", why: "is no SPIFFE ID of this trust domain" })?;
        let refuse = TokenError::Claim { claim: "cnf", why: "holds no public key for one algorithm" };
        let jwk = claims.get("cnf").and_then(|cnf| cnf.get("jwk")).and_then(Value::as_object);
        let jwk = jwk.and_then(|jwk| Jwk::parse(jwk).ok()).ok_or(refuse.clone())?;
        let [alg] = jwk.algs() else { return Err(refuse.into()) };
        let key = jwk.verify_key(*alg)?;
        let certificate = certificate(&claims)?.map(Arc::new);
        Ok((base64::encode_url(&jwk.thumbprint()), Delegate { id, key, certificate, issued, expires }))
    }
}

/// What is not said as it has to be is refused: nobody would find it on a deny list.
fn certificate(claims: &Object) -> Result<Option<Certificate>, TokenError> {
    let Some(said) = claims.get(CERTIFICATE) else { return Ok(None) };
    let hex = |name: &str| {
        let text = said.get(name)?.as_str()?;
        let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (!text.is_empty() && is_hex).then(|| text.to_owned())
    };
    let refuse = TokenError::Claim { claim: CERTIFICATE, why: "names no certificate" };
    Ok(Some(Certificate { serial: hex("serial").ok_or(refuse.clone())?, key: hex("key").ok_or(refuse)? }))
}
