//! Signed snapshots: what control sends to proxies, and what proxies find on their disk after a restart.

use crate::bundle::TrustBundles;
use crate::peer::{Refusal, verify_peer};
use bartizan_core::limits::SNAPSHOT_BYTES_MAX;
use bartizan_core::snapshot::{Envelope, Epoch, Kind, Signed};
use bartizan_core::{Role, SpiffeId, TrustDomain};
use bartizan_crypto::{CryptoError, KeyPair, base64, key};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Why a snapshot was refused, or not made. The one held before stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Cut short, not JSON, fields missing, doubled or unknown; refused whole.
    #[error("not a readable snapshot: {0}")]
    Malformed(String),
    /// Longer than `SNAPSHOT_BYTES_MAX`.
    #[error("snapshot of {bytes} bytes is longer than {SNAPSHOT_BYTES_MAX}")]
    TooLarge {
        /// Its length as JSON.
        bytes: usize,
    },
    /// It is about something else than was asked for.
    #[error("expected a snapshot of kind `{}`, found `{}`", wanted.as_str(), found.as_str())]
    WrongKind {
        /// What was asked for.
        wanted: Kind,
        /// What it is.
        found: Kind,
    },
    /// It is for another trust domain.
    #[error("the snapshot is for trust domain `{found}`, this is `{wanted}`")]
    WrongDomain {
        /// Ours.
        wanted: TrustDomain,
        /// Its.
        found: TrustDomain,
    },
    /// It is older than what was held already. Worth an alert: somebody may be replaying.
    #[error("epoch {} is older than {}, which is held", offered.0, held.0)]
    Rollback {
        /// Its number.
        offered: Epoch,
        /// The newest number known.
        held: Epoch,
    },
    /// The signer's chain does not count, or did not when the snapshot was made.
    #[error("the snapshot's signer is refused")]
    Signer(#[source] Refusal),
    /// The signer is somebody, but no control of this trust domain.
    #[error("`{signer}` is not control of `{domain}`, only control may sign snapshots")]
    NotControl {
        /// Who signed.
        signer: SpiffeId,
        /// Where it would have to be control.
        domain: TrustDomain,
    },
    /// The signature does not fit the text.
    #[error("the snapshot's signature is wrong")]
    Signature,
    /// Signing failed; only [`sign`] says so.
    #[error("the snapshot could not be signed")]
    Crypto(#[source] CryptoError),
}

/// Signs a snapshot with control's own identity: `key`, and its `chain`, leaf first, DER.
///
/// # Errors
/// [`EnvelopeError::TooLarge`], [`EnvelopeError::Crypto`]; [`EnvelopeError::Malformed`] for epoch 0, which means "none
/// yet", and for a payload that does not become JSON.
pub fn sign<P: Serialize>(signed: &Signed<P>, key: &KeyPair, chain: &[Vec<u8>]) -> Result<Envelope, EnvelopeError> {
    sign_within(SNAPSHOT_BYTES_MAX, signed, key, chain)
}

/// What counts is the length of what travels: the body with its quotes escaped, the signature and the chain.
fn sign_within<P: Serialize>(
    bytes_max: usize,
    signed: &Signed<P>,
    key: &KeyPair,
    chain: &[Vec<u8>],
) -> Result<Envelope, EnvelopeError> {
    check_epoch(signed.epoch)?;
    let body = serde_json::to_string(signed).map_err(malformed)?;
    let signature = base64::encode(&key.sign(body.as_bytes()).map_err(EnvelopeError::Crypto)?);
    let envelope = Envelope { body, signature, chain: chain.iter().map(|der| base64::encode(der)).collect() };
    let bytes = to_json(&envelope).len();
    if bytes > bytes_max {
        return Err(EnvelopeError::TooLarge { bytes });
    }
    Ok(envelope)
}

/// The envelope as it travels and lies on disk; what [`open`] reads.
pub fn to_json(envelope: &Envelope) -> Vec<u8> {
    serde_json::to_vec(envelope).expect("strings become JSON")
}

/// Opens a snapshot of `kind` for `domain`.
///
/// The signer is judged at the moment the snapshot was made, so that one from disk counts after its signer's certificate
/// has run out. `newest_held` is the highest epoch ever held of this kind; an older snapshot is refused, the same one is
/// not. `bundles` are those in force, also where the snapshot itself brings new ones. The payload is not looked at before
/// the signature was found good.
///
/// # Errors
/// [`EnvelopeError`].
pub fn open<P: DeserializeOwned>(
    json: &[u8],
    kind: Kind,
    domain: &TrustDomain,
    bundles: &TrustBundles,
    newest_held: Epoch,
) -> Result<Signed<P>, EnvelopeError> {
    if json.len() > SNAPSHOT_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { bytes: json.len() });
    }
    let envelope: Envelope = serde_json::from_slice(json).map_err(malformed)?;
    let header: Signed<IgnoredAny> = serde_json::from_str(&envelope.body).map_err(malformed)?;
    if header.kind != kind {
        return Err(EnvelopeError::WrongKind { wanted: kind, found: header.kind });
    }
    if header.trust_domain != *domain {
        return Err(EnvelopeError::WrongDomain { wanted: domain.clone(), found: header.trust_domain });
    }
    check_epoch(header.epoch)?;
    if header.epoch < newest_held {
        return Err(EnvelopeError::Rollback { offered: header.epoch, held: newest_held });
    }
    check_signature(&envelope, &header, domain, bundles)?;
    serde_json::from_str(&envelope.body).map_err(malformed)
}

fn check_signature(
    envelope: &Envelope,
    header: &Signed<IgnoredAny>,
    domain: &TrustDomain,
    bundles: &TrustBundles,
) -> Result<(), EnvelopeError> {
    let decode = |text: &String| base64::decode(text).map_err(|e| EnvelopeError::Malformed(e.to_string()));
    let chain = envelope.chain.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let signer = verify_peer(&chain, bundles, header.issued_at).map_err(EnvelopeError::Signer)?;
    if signer.id().role_in(domain) != Some(Role::Control) {
        return Err(EnvelopeError::NotControl { signer: signer.id().clone(), domain: domain.clone() });
    }
    let signature = decode(&envelope.signature)?;
    key::verify(signer.spki(), envelope.body.as_bytes(), &signature).map_err(|_| EnvelopeError::Signature)
}

fn check_epoch(epoch: Epoch) -> Result<(), EnvelopeError> {
    if epoch == Epoch(0) {
        return Err(EnvelopeError::Malformed("epoch 0 means that there is no snapshot yet".to_owned()));
    }
    Ok(())
}

fn malformed(error: serde_json::Error) -> EnvelopeError {
    EnvelopeError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;

    #[test]
    fn measures_what_travels_and_not_the_payload() {
        let trust_domain = TrustDomain::parse("bank.test").unwrap();
        let issued_at = Timestamp::from_secs(1);
        let payload = "\"".repeat(1000);
        let signed = Signed { kind: Kind::Policies, epoch: Epoch(1), issued_at, trust_domain, payload };
        let key = KeyPair::generate().unwrap();
        // A quote is two bytes in the body and four in the envelope.
        let too_small = sign_within(4000, &signed, &key, &[]);
        assert!(matches!(too_small, Err(EnvelopeError::TooLarge { bytes }) if bytes > 4000), "{too_small:?}");
        let chain = vec![vec![0; 750]];
        sign_within(5000, &signed, &key, &[]).unwrap();
        assert!(sign_within(5000, &signed, &key, &chain).is_err(), "the chain counts as well");
    }
}
