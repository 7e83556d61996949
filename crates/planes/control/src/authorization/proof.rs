//! Proofs that whoever asks holds a key (RFC 9449): each with a nonce of ours, each once.
//!
//! Nonces are made of the time and a key of this process, so nobody remembers them; after a restart the earlier ones count no more, and
//! with them every proof that was shown to the process before.

use super::answer::Refusal;
use axum::http::{HeaderMap, HeaderName};
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::{base64, random, seal};
use bartizan_tokens::dpop::{ProofError, ProofRequest, check_proof};
use bartizan_tokens::limits::NONCE_PERIOD;
use bartizan_tokens::{ProofReplays, PublicReason};
use std::sync::{Mutex, PoisonError};

/// Where a proof comes.
pub(super) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// Where the nonce of the next one goes out.
pub(super) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Bytes of a nonce: nobody guesses one.
const NONCE_BYTES: usize = 16;

/// What is remembered of proofs.
#[derive(Debug)]
pub(super) struct Proofs {
    key: Secret<[u8; 32]>,
    /// Those that count now: each answer says one, and making it takes longer than everything else about it.
    nonces: Mutex<Nonces>,
    replays: Mutex<ProofReplays>,
}

#[derive(Clone, Debug, Default)]
struct Nonces {
    period: u64,
    current: String,
    earlier: String,
}

/// The request that a proof came with.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub(super) method: &'a str,
    /// The whole address.
    pub(super) uri: &'a str,
    /// The access token that came along.
    pub(super) token: Option<&'a str>,
}

impl Default for Proofs {
    fn default() -> Self {
        Self { key: Secret::new(random::bytes()), nonces: Mutex::default(), replays: Mutex::default() }
    }
}

impl Proofs {
    /// The nonce for the next proof.
    pub(super) fn nonce(&self, now: Timestamp) -> String {
        self.nonces(now).current
    }

    fn nonces(&self, now: Timestamp) -> Nonces {
        let period = now.as_secs() / NONCE_PERIOD.as_secs();
        let mut held = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        if held.period != period {
            *held = Nonces { period, current: self.of(period), earlier: self.of(period.saturating_sub(1)) };
        }
        held.clone()
    }

    fn of(&self, period: u64) -> String {
        let derived = seal::derive(&self.key, format!("nonce of proofs|{period}").as_bytes());
        base64::encode_url(&derived.expose()[..NONCE_BYTES])
    }

    /// The thumbprint of the key that was proven to be held; `None` where no proof came.
    pub(super) fn check(&self, headers: &HeaderMap, at: At<'_>, now: Timestamp) -> Result<Option<[u8; 32]>, Refusal> {
        let mut shown = headers.get_all(&DPOP).iter();
        let Some(proof) = shown.next() else { return Ok(None) };
        let refuse = |reason: PublicReason, detail: String| {
            Refusal::bad(reason.code(), reason.text(), detail).with(DPOP_NONCE, self.nonce(now))
        };
        let invalid = |detail: &str| refuse(PublicReason::InvalidProof, detail.to_owned());
        if shown.next().is_some() {
            return Err(invalid("two proofs came with one request"));
        }
        let proof = proof.to_str().map_err(|_| invalid("the proof is no text"))?;
        let Nonces { current, earlier, .. } = self.nonces(now);
        let nonces = [current.as_str(), earlier.as_str()];
        let request = ProofRequest { method: at.method, uri: at.uri, access_token: at.token, nonces: &nonces };
        // Every change leaves it whole.
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        match check_proof(proof, &request, &mut replays, now) {
            Ok(key) => Ok(Some(*key.thumbprint())),
            Err(ProofError::NoRoom) => Err(Refusal::too_often()),
            Err(error) => Err(refuse(error.public(), error.to_string())),
        }
    }
}
