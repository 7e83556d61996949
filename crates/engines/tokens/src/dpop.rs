//! Proofs of possession (RFC 9449): that whoever sends a request holds a certain key, now, and for this request.

use crate::claims::{needed_date, needed_id, needed_text, text};
use crate::error::{PublicReason, TokenError, foreign};
use crate::limits::{PROOF_AGE_MAX, SKEW};
pub use crate::replays::Replays as ProofReplays;
use crate::replays::Shown;
use crate::target_uri::normalise;
use bartizan_core::Timestamp;
use bartizan_crypto::jose::{Alg, EmbeddedKey, JoseError, Unverified};
use bartizan_crypto::{base64, hash};

/// The `typ` of a proof.
pub const TYP: &str = "dpop+jwt";
/// How proofs may be signed: what clients have, without the long hashes that nobody uses.
pub const ALGS: &[Alg] = &[Alg::Es256, Alg::Es384, Alg::EdDsa, Alg::Rs256, Alg::Ps256];

/// The request that a proof came with. It came in exactly one `DPoP` header; two are for the caller of this to refuse.
#[derive(Clone, Copy, Debug)]
pub struct ProofRequest<'a> {
    /// Its method, as it was sent.
    pub method: &'a str,
    /// Its address as clients write it, such as `https://api.bank.example/accounts`; a query does not count.
    pub uri: &'a str,
    /// The access token that came with it; none where a token is asked for.
    pub access_token: Option<&'a str>,
    /// The nonces that count now; empty where none is asked for.
    pub nonces: &'a [&'a str],
}

/// A key that was proven to be held by whoever sent a request. [`check_proof`] is the only constructor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofKey([u8; 32]);

impl ProofKey {
    /// Its thumbprint (RFC 7638), as `jkt` of a token has it.
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A proof that is good for a request, and may have been shown with it before. [`verify_proof`] is the only constructor.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedProof {
    thumbprint: [u8; 32],
    id: [u8; 32],
}

impl VerifiedProof {
    /// Takes it, where it is the first time that it is shown.
    ///
    /// # Errors
    /// [`ProofError::Replayed`], [`ProofError::NoRoom`].
    pub fn take(self, replays: &mut ProofReplays, now: Timestamp) -> Result<ProofKey, ProofError> {
        match replays.note(&self.id, now) {
            Shown::First => Ok(ProofKey(self.thumbprint)),
            Shown::Again => Err(ProofError::Replayed),
            Shown::NoRoom => Err(ProofError::NoRoom),
        }
    }
}

/// Why a proof is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Its text is none of a proof: no token, no public key in the header, or a private one.
    #[error("not a readable proof: {0}")]
    Form(#[from] JoseError),
    /// Another kind of token.
    #[error("the proof's `typ` is `{0}`, not `{TYP}`")]
    Typ(String),
    /// Signed with an algorithm that is not taken, or that its key is not for.
    #[error("proofs are not taken with {0} and this key")]
    Algorithm(Alg),
    /// A claim is missing, or of another type.
    #[error("claim `{claim}` {why}")]
    Claim {
        /// Which.
        claim: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The signature does not fit the key that it brings.
    #[error("the proof's signature is wrong")]
    Signature,
    /// It is for another method.
    #[error("the proof is for method `{0}`")]
    Method(String),
    /// It is for another address.
    #[error("the proof is for `{found}`, the request went to `{wanted}`")]
    Uri {
        /// What it says.
        found: String,
        /// Where the request went.
        wanted: String,
    },
    /// It was made too long ago; where it comes again, the client's clock is wrong.
    #[error("the proof was made {0} s ago; compare the client's clock")]
    Old(u64),
    /// It was made later than now.
    #[error("the proof will be made in {0} s; compare the client's clock")]
    Ahead(u64),
    /// It is for another access token than the one that came with it.
    #[error("the proof is for another access token")]
    OtherToken,
    /// It lacks the nonce, or has one that does not count any more; the answer brings another one.
    #[error("the proof has none of the nonces that count now")]
    Nonce,
    /// It was shown before.
    #[error("the proof was shown before")]
    Replayed,
    /// Too many proofs are remembered to tell whether it was shown before; the client may try again with a new one.
    #[error("too many proofs within {} s; none can be remembered", (PROOF_AGE_MAX + SKEW).as_secs())]
    NoRoom,
}

impl ProofError {
    /// What may be said to whoever sent it.
    pub fn public(&self) -> PublicReason {
        if *self == Self::Nonce { PublicReason::UseNonce } else { PublicReason::InvalidProof }
    }
}

/// [`verify_proof`], and that it is the first time.
///
/// # Errors
/// [`ProofError`]. A refused proof is not remembered, but for one that was good and shown before.
pub fn check_proof(
    proof: &str,
    request: &ProofRequest<'_>,
    replays: &mut ProofReplays,
    now: Timestamp,
) -> Result<ProofKey, ProofError> {
    verify_proof(proof, request, now)?.take(replays, now)
}

/// Checks a proof: form and key, kind, what it is for, its time, token and nonce, and signature. It counts for nothing until it is
/// taken; apart from that, so that those who share the memory of proofs do not wait for each other's signatures.
///
/// # Errors
/// [`ProofError`].
pub fn verify_proof(proof: &str, request: &ProofRequest<'_>, now: Timestamp) -> Result<VerifiedProof, ProofError> {
    let unverified = Unverified::parse(proof, EmbeddedKey::Required)?;
    let header = unverified.header();
    if !header.is_typ(TYP) {
        return Err(ProofError::Typ(foreign(header.typ.as_deref().unwrap_or_default())));
    }
    let jwk = header.jwk.as_ref().ok_or(ProofError::Algorithm(header.alg))?;
    let key = jwk.verify_key(header.alg).ok().filter(|_| ALGS.contains(&header.alg));
    let key = key.ok_or(ProofError::Algorithm(header.alg))?;
    let claims = unverified.unverified_claims()?;
    let jti = needed_id(&claims, "jti").map_err(of_claim)?;
    check_place(
        request,
        needed_text(&claims, "htm").map_err(of_claim)?,
        needed_text(&claims, "htu").map_err(of_claim)?,
    )?;
    check_time(needed_date(&claims, "iat").map_err(of_claim)?, now)?;
    if let Some(token) = request.access_token {
        let ath = needed_text(&claims, "ath").map_err(of_claim)?;
        if !hash::equal(ath.as_bytes(), base64::encode_url(&hash::sha256(token.as_bytes())).as_bytes()) {
            return Err(ProofError::OtherToken);
        }
    }
    let nonce = text(&claims, "nonce").map_err(of_claim)?;
    if !request.nonces.is_empty() && !nonce.is_some_and(|nonce| request.nonces.contains(&nonce)) {
        return Err(ProofError::Nonce);
    }
    unverified.verify(&key).map_err(|_| ProofError::Signature)?;
    let thumbprint = jwk.thumbprint();
    // Within one key: another client may draw the same `jti`.
    Ok(VerifiedProof { thumbprint, id: hash::sha256(&[&thumbprint, jti.as_bytes()].concat()) })
}

fn check_place(request: &ProofRequest<'_>, htm: &str, htu: &str) -> Result<(), ProofError> {
    if htm != request.method {
        return Err(ProofError::Method(foreign(htm)));
    }
    let (found, wanted) = (normalise(htu), normalise(request.uri));
    if found.is_some() && found == wanted {
        return Ok(());
    }
    Err(ProofError::Uri { found: foreign(htu), wanted: foreign(request.uri) })
}

fn check_time(iat: u64, now: Timestamp) -> Result<(), ProofError> {
    let now_s = now.as_secs();
    if iat > now_s.saturating_add(SKEW.as_secs()) {
        return Err(ProofError::Ahead(iat - now_s));
    }
    let age_s = now_s.saturating_sub(iat);
    if age_s > PROOF_AGE_MAX.as_secs() { Err(ProofError::Old(age_s)) } else { Ok(()) }
}

fn of_claim(error: TokenError) -> ProofError {
    match error {
        TokenError::Claim { claim, why } => ProofError::Claim { claim, why },
        TokenError::Form(error) => ProofError::Form(error),
        _ => ProofError::Claim { claim: "jti", why: "cannot be read" },
    }
}
