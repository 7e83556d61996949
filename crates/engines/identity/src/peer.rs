//! Who is at the other end of a connection.

use crate::bundle::{NoRoots, TrustBundles};
use crate::svid;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::{SpiffeId, Timestamp};
use bartizan_crypto::cert::{self, Cert, Usage};
use bartizan_crypto::{PathError, hash};
use std::fmt;

/// A peer whose chain is an X.509-SVID that leads to a root of its own trust domain and was in date.
///
/// [`verify_peer`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPeer {
    id: SpiffeId,
    not_after: Timestamp,
    serial: String,
    issuer: Option<String>,
    spki: Vec<u8>,
    key: Fingerprint,
    issuers: Vec<Fingerprint>,
    root: Fingerprint,
    certificate: Fingerprint,
}

/// SHA-256 of a SubjectPublicKeyInfo, or of a whole root certificate.
pub type Fingerprint = [u8; 32];

impl VerifiedPeer {
    /// Its identity.
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// The earliest end of validity in its chain: what was concluded from it does not hold beyond.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Serial number of its leaf, lower-case hexadecimal.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// SHA-256 of the certificate that issued its leaf, lower-case hexadecimal; `None` where the leaf came alone.
    pub fn issuer_sha256(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// DER of its leaf's SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Fingerprint of its leaf's key.
    pub fn key(&self) -> &Fingerprint {
        &self.key
    }

    /// Fingerprints of the keys of all CAs that came along with the leaf.
    pub fn issuers(&self) -> &[Fingerprint] {
        &self.issuers
    }

    /// SHA-256 of its leaf certificate (DER), as tokens that are bound to it name it (`x5t#S256`, RFC 8705).
    pub fn certificate(&self) -> &Fingerprint {
        &self.certificate
    }

    /// Fingerprint of the root certificate that its chain led to.
    pub fn root(&self) -> &Fingerprint {
        &self.root
    }
}

/// Why a peer was refused: a cause to count by, and words for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The cause.
    pub failure: HandshakeFailure,
    /// What exactly was wrong. For the log; the peer is told nothing of it.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.failure.as_str(), self.detail)
    }
}

fn refuse<T>(failure: HandshakeFailure, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { failure, detail: detail.into() })
}

/// Judges the chain that a peer sent, leaf first; the same for both ends of a connection.
///
/// The order of the checks is by cost: sizes, then the leaf's own rules, then whether its trust domain is known, then
/// signatures. Dates come before signatures, so a stranger's expired certificate counts as expired. There is no tolerance
/// on `now`: leaves start `core::limits::CLOCK_SKEW` in the past instead.
///
/// # Errors
/// [`Refusal`]; anything that cannot be checked is refused.
pub fn verify_peer(chain: &[&[u8]], bundles: &TrustBundles, now: Timestamp) -> Result<VerifiedPeer, Refusal> {
    cert::check_sizes(chain).or_else(|e| refuse(failure_of(&e), e.to_string()))?;
    let (leaf, issuers) = chain.split_first().expect("an empty chain was refused above");
    let leaf = cert::read(leaf).or_else(|e| refuse(HandshakeFailure::BadSvid, e.to_string()))?;
    let id = svid::leaf_id(&leaf).or_else(|why| refuse(HandshakeFailure::BadSvid, why))?;

    let roots = bundles.roots_at(id.domain(), now).or_else(|why| refuse_for_roots(why, id.domain()))?;
    if !bundles.may_name(&id) {
        let detail = format!("`{}` may not have identities such as `{id}`", id.domain());
        return refuse(HandshakeFailure::ForeignDomain, detail);
    }
    let mut not_after = leaf.not_after();
    let mut fingerprints = Vec::with_capacity(issuers.len());
    for der in issuers {
        let issuer = read_issuer(der, id.domain())?;
        not_after = not_after.min(issuer.not_after());
        fingerprints.push(hash::sha256(issuer.spki()));
    }
    let root = cert::verify_path(chain, &roots, now, Usage::Peer).or_else(|e| refuse(failure_of(&e), e.to_string()))?;
    Ok(VerifiedPeer {
        id,
        not_after,
        serial: leaf.serial_hex().to_owned(),
        spki: leaf.spki().to_vec(),
        key: hash::sha256(leaf.spki()),
        issuer: issuers.first().map(|der| hash::hex(&hash::sha256(der))),
        issuers: fingerprints,
        root: hash::sha256(&roots[root]),
        certificate: hash::sha256(chain[0]),
    })
}

/// Passes `peer` on where it is the one that was dialled.
///
/// # Errors
/// [`Refusal`] with [`HandshakeFailure::WrongPeer`] where it is somebody else, however well verified.
pub fn expect_peer(peer: VerifiedPeer, expected: &SpiffeId) -> Result<VerifiedPeer, Refusal> {
    if peer.id() == expected {
        return Ok(peer);
    }
    refuse(HandshakeFailure::WrongPeer, format!("dialled `{expected}`, found `{}`", peer.id()))
}

fn refuse_for_roots<T>(why: NoRoots, domain: &str) -> Result<T, Refusal> {
    match why {
        NoRoots::UnknownDomain => {
            refuse(HandshakeFailure::ForeignDomain, format!("no trust bundle is held for `{domain}`"))
        }
        NoRoots::Expired => refuse(HandshakeFailure::Expired, format!("no root of `{domain}` is in date")),
        NoRoots::NotYetValid => {
            refuse(HandshakeFailure::NotYetValid, format!("no root of `{domain}` is valid yet; check the clock"))
        }
    }
}

/// Every certificate that came along has to be a fit issuer, also one that the path does not need.
fn read_issuer(der: &[u8], domain: &str) -> Result<Cert, Refusal> {
    let issuer = cert::read(der).or_else(|e| refuse(HandshakeFailure::UntrustedIssuer, e.to_string()))?;
    svid::check_issuer(&issuer, domain).or_else(|why| refuse(HandshakeFailure::UntrustedIssuer, why))?;
    Ok(issuer)
}

fn failure_of(error: &PathError) -> HandshakeFailure {
    match error {
        PathError::Empty => HandshakeFailure::NoCertificate,
        PathError::TooMany { .. } | PathError::TooLarge { .. } | PathError::Malformed { .. } => {
            HandshakeFailure::BadSvid
        }
        PathError::Expired { .. } => HandshakeFailure::Expired,
        PathError::NotYetValid { .. } => HandshakeFailure::NotYetValid,
        // The leaf's own rules were checked before: what is left to break are those for issuers.
        PathError::Untrusted { .. } | PathError::Misused { .. } => HandshakeFailure::UntrustedIssuer,
    }
}
