//! Vouchers: a node's signed word that the process behind a key is a certain service on its host.
//!
//! A voucher is JSON of a signed text, a signature and the node's chain. It counts for one key, one service, a minute, and
//! once: whoever accepts it keeps its nonce in [`Nonces`].

use crate::bundle::TrustBundles;
use crate::limits::{NONCES_MAX, VOUCHER_BYTES_MAX};
use crate::peer::{Refusal, VerifiedPeer, verify_peer};
use bartizan_core::limits::{CLOCK_SKEW, VOUCHER_TTL};
use bartizan_core::{Role, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{CryptoError, KeyPair, base64, hash, key};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};

/// Stands before the signed text, so that no other signature of a node's key can be taken for a voucher.
const PURPOSE: &[u8] = b"bartizan voucher v1\n";

/// A voucher as it travels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Voucher {
    /// JSON of a [`Claim`], exactly the bytes that were signed (after [`PURPOSE`]).
    claim: String,
    /// The node's signature, base64.
    signature: String,
    /// The node's chain, leaf first, DER in base64.
    chain: Vec<String>,
}

/// What the node says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    /// Who the process is.
    service: SpiffeId,
    /// SHA-256 of its SubjectPublicKeyInfo, base64.
    key_sha256: String,
    /// 16 random bytes, base64.
    nonce: String,
    /// When the voucher stops to count.
    expires: Timestamp,
}

/// A voucher that was checked. [`check`] is the only constructor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vouched {
    /// The service that the node vouches for; of the asked trust domain.
    pub service: SpiffeId,
    /// SHA-256 of the key's SubjectPublicKeyInfo.
    pub key_sha256: [u8; 32],
    /// What makes the voucher unique; goes into [`Nonces::take`].
    pub nonce: [u8; 16],
    /// When the voucher stops to count.
    pub expires: Timestamp,
    /// The node that signed it.
    pub node: VerifiedPeer,
}

impl Vouched {
    /// Whether the voucher is for this key (DER of a SubjectPublicKeyInfo).
    pub fn is_for(&self, spki: &[u8]) -> bool {
        hash::equal(&self.key_sha256, &hash::sha256(spki))
    }
}

/// Why a voucher was refused. A new one has to be asked of the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoucherError {
    /// Not a voucher at all.
    #[error("not a voucher: {0}")]
    Malformed(String),
    /// Longer than [`VOUCHER_BYTES_MAX`].
    #[error("voucher of {bytes} bytes is longer than {VOUCHER_BYTES_MAX}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The signer's chain does not count.
    #[error("the voucher's signer is refused")]
    Signer(#[source] Refusal),
    /// The signer is somebody, but no node of this trust domain.
    #[error("`{signer}` is not a node of `{domain}`, only nodes may vouch")]
    NotANode {
        /// Who signed.
        signer: SpiffeId,
        /// Where it would have to be a node.
        domain: TrustDomain,
    },
    /// The signature does not fit.
    #[error("the voucher's signature is wrong")]
    Signature,
    /// It is for something that is no service of this trust domain.
    #[error("the voucher is for `{service}`, which is no service of `{domain}`")]
    NotAService {
        /// What it is for.
        service: SpiffeId,
        /// Where it would have to be a service.
        domain: TrustDomain,
    },
    /// It ran out.
    #[error("the voucher ran out {} ms ago", now.since(*expires).as_millis())]
    Expired {
        /// When it ran out.
        expires: Timestamp,
        /// The moment of asking.
        now: Timestamp,
    },
    /// It claims to count for longer than `VOUCHER_TTL`.
    #[error("the voucher claims to count for {} s, more than {}", expires.since(*now).as_secs(), VOUCHER_TTL.as_secs())]
    TooLong {
        /// When it would run out.
        expires: Timestamp,
        /// The moment of asking.
        now: Timestamp,
    },
}

/// Vouches, as the node that holds `node_key` and `node_chain`, for the process that holds the key `spki`.
///
/// `nonce` is 16 random bytes. The text counts for `VOUCHER_TTL` from `now`.
///
/// # Errors
/// [`CryptoError`] where signing fails.
pub fn make(
    node_key: &KeyPair,
    node_chain: &[Vec<u8>],
    service: &SpiffeId,
    spki: &[u8],
    nonce: [u8; 16],
    now: Timestamp,
) -> Result<String, CryptoError> {
    let claim = json(&Claim {
        service: service.clone(),
        key_sha256: base64::encode(&hash::sha256(spki)),
        nonce: base64::encode(&nonce),
        expires: now.plus(VOUCHER_TTL),
    });
    let signature = base64::encode(&node_key.sign(&signed_bytes(&claim))?);
    let chain = node_chain.iter().map(|der| base64::encode(der)).collect();
    Ok(json(&Voucher { claim, signature, chain }))
}

/// Checks a voucher: size, signer (a node of `domain`, in date), signature, end, and that it is for a service of `domain`.
///
/// Not checked here, since it needs more than the text: that it is for the key at hand ([`Vouched::is_for`]), that it
/// was not used before ([`Nonces::take`]), and that this node may vouch for this service.
///
/// # Errors
/// [`VoucherError`].
pub fn check(
    text: &str,
    bundles: &TrustBundles,
    domain: &TrustDomain,
    now: Timestamp,
) -> Result<Vouched, VoucherError> {
    if text.len() > VOUCHER_BYTES_MAX {
        return Err(VoucherError::TooLarge { bytes: text.len() });
    }
    let Voucher { claim, signature, chain } = parse(text)?;
    let chain = chain.iter().map(|text| decode("chain", text)).collect::<Result<Vec<_>, _>>()?;
    let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
    let node = verify_peer(&chain, bundles, now).map_err(VoucherError::Signer)?;
    if !matches!(node.id().role_in(domain), Some(Role::Node(_))) {
        return Err(VoucherError::NotANode { signer: node.id().clone(), domain: domain.clone() });
    }
    let signature = decode("signature", &signature)?;
    key::verify(node.spki(), &signed_bytes(&claim), &signature).map_err(|_| VoucherError::Signature)?;

    let Claim { service, key_sha256, nonce, expires } = parse(&claim)?;
    if now >= expires {
        return Err(VoucherError::Expired { expires, now });
    }
    if expires > now.plus(VOUCHER_TTL).plus(CLOCK_SKEW) {
        return Err(VoucherError::TooLong { expires, now });
    }
    if !matches!(service.role_in(domain), Some(Role::Service(_))) {
        return Err(VoucherError::NotAService { service, domain: domain.clone() });
    }
    let key_sha256 = exactly("key_sha256", &key_sha256)?;
    let nonce = exactly("nonce", &nonce)?;
    Ok(Vouched { service, key_sha256, nonce, expires, node })
}

fn signed_bytes(claim: &str) -> Vec<u8> {
    [PURPOSE, claim.as_bytes()].concat()
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("strings and numbers become JSON")
}

fn parse<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, VoucherError> {
    serde_json::from_str(text).map_err(|e| VoucherError::Malformed(e.to_string()))
}

fn decode(what: &str, text: &str) -> Result<Vec<u8>, VoucherError> {
    base64::decode(text).map_err(|e| VoucherError::Malformed(format!("{what}: {e}")))
}

fn exactly<const N: usize>(what: &str, text: &str) -> Result<[u8; N], VoucherError> {
    decode(what, text)?.try_into().map_err(|_| VoucherError::Malformed(format!("{what}: expected {N} bytes")))
}

/// Nonces of accepted vouchers, kept until the voucher would be refused by its age alone.
#[derive(Debug, Default)]
pub struct Nonces {
    seen: HashSet<[u8; 16]>,
    by_end: BTreeSet<(Timestamp, [u8; 16])>,
}

/// Why a nonce was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// A voucher with this nonce was accepted before.
    #[error("the voucher was used before")]
    Used,
    /// [`NONCES_MAX`] are remembered; the voucher may be sent again in a minute, or a new one.
    #[error("{NONCES_MAX} vouchers were accepted within a minute, no more are until some run out")]
    Full,
}

impl Nonces {
    /// Remembers the nonce of a voucher that is about to be honoured.
    ///
    /// # Errors
    /// [`NonceError`]; then it must not be honoured.
    pub fn take(&mut self, vouched: &Vouched, now: Timestamp) -> Result<(), NonceError> {
        // A little longer than needed, for a clock that is set back.
        while let Some(&(end, nonce)) = self.by_end.first().filter(|(end, _)| *end <= now) {
            self.by_end.remove(&(end, nonce));
            self.seen.remove(&nonce);
        }
        if self.seen.contains(&vouched.nonce) {
            return Err(NonceError::Used);
        }
        if self.seen.len() >= NONCES_MAX {
            return Err(NonceError::Full);
        }
        self.seen.insert(vouched.nonce);
        self.by_end.insert((vouched.expires.plus(CLOCK_SKEW), vouched.nonce));
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }
}
