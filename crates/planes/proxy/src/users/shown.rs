//! What a client shows to say who it is for: an access token, alone or with a proof that it holds the token's key.

use crate::answer::Answer;
use crate::live::Proxy;
use crate::message::RequestHead;
use bartizan_core::Timestamp;
use bartizan_tokens::dpop::{ALGS, ProofError, ProofKey, ProofRequest, verify_proof};

/// The header with the proof (RFC 9449 section 4.1).
const PROOF: &str = "dpop";

/// A token that was shown.
#[derive(Debug)]
pub struct Shown {
    /// The token.
    pub token: String,
    /// The key that was proven to be the client's.
    pub key: Option<ProofKey>,
}

/// Why nothing counts as shown.
#[derive(Debug)]
pub enum NotShown {
    /// There is nothing, or more than one thing.
    Missing,
    /// The proof is refused.
    Proof(ProofError),
}

/// Reads what was shown, in the one place that is not written into logs.
///
/// # Errors
/// [`NotShown`].
pub fn read(head: &RequestHead, proxy: &Proxy, now: Timestamp) -> Result<Shown, NotShown> {
    let value = head.fields.only("authorization").ok_or(NotShown::Missing)?;
    let (scheme, token) = value.split_once(' ').ok_or(NotShown::Missing)?;
    let token = token.trim_start_matches(' ').to_owned();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Shown { token, key: None });
    }
    if !scheme.eq_ignore_ascii_case("dpop") {
        return Err(NotShown::Missing);
    }
    let proof = head.fields.only(PROOF).ok_or(NotShown::Missing)?;
    let key = prove(head, (proof, &token), proxy, now).map_err(NotShown::Proof)?;
    Ok(Shown { token, key: Some(key) })
}

fn prove(
    head: &RequestHead,
    (proof, token): (&str, &str),
    proxy: &Proxy,
    now: Timestamp,
) -> Result<ProofKey, ProofError> {
    let uri = address(head);
    let request = ProofRequest { method: head.method.as_str(), uri: &uri, access_token: Some(token), nonces: &[] };
    let verified = verify_proof(proof, &request, now)?;
    // Poisoned means that a worker died while it noted a proof: that one may be missing, the others are there.
    let mut taken = proxy.proofs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    verified.take(&mut taken, now)
}

/// The request's address as its client wrote it. What went to the gateway went over TLS.
fn address(head: &RequestHead) -> String {
    let host = head.authority().or_else(|| head.fields.get("host"));
    let host = host.and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default();
    format!("https://{host}{}", head.path())
}

/// Takes it off the request: what goes on is ours.
pub fn take_off(head: &mut RequestHead) {
    head.fields.remove("authorization");
    head.fields.remove(PROOF);
}

/// 401 with both ways to get in.
pub fn missing() -> Answer {
    Answer::new(401, "token_missing", "this is for users who show a token")
        .with_challenge(format!("Bearer, {}", with_proof()))
}

/// The way with a proof, as a challenge (RFC 9449 section 7.1).
pub fn with_proof() -> String {
    let names: Vec<&str> = ALGS.iter().map(|alg| alg.as_str()).collect();
    format!("DPoP algs=\"{}\"", names.join(" "))
}
