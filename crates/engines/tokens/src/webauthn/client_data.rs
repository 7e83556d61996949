//! What the browser says (WebAuthn section 5.8.1): for what, in answer to which challenge, on whose page.

use super::Expected;
use super::error::WebauthnError;
use crate::limits::CLIENT_DATA_BYTES_MAX;
use bartizan_crypto::jose::json;
use bartizan_crypto::{base64, hash};
use serde_json::Value;

pub(super) const CREATE: &str = "webauthn.create";
pub(super) const GET: &str = "webauthn.get";

/// Checks it. The SHA-256 that a signature covers.
pub(super) fn check(bytes: &[u8], kind: &str, expected: &Expected<'_>) -> Result<[u8; 32], WebauthnError> {
    if bytes.len() > CLIENT_DATA_BYTES_MAX {
        return Err(WebauthnError::TooLong("client data"));
    }
    // Browsers may say more from one day to the next; what is there twice, or no JSON, they never send.
    let said = json::object(bytes).map_err(|_| WebauthnError::Malformed("client data"))?;
    let text = |key: &str| said.get(key).and_then(Value::as_str);
    if text("type") != Some(kind) {
        return Err(WebauthnError::Type);
    }
    let challenge = text("challenge").and_then(|text| base64::decode_url(text).ok());
    if !challenge.is_some_and(|challenge| hash::equal(&challenge, expected.challenge)) {
        return Err(WebauthnError::Challenge);
    }
    if text("origin") != Some(expected.origin) {
        return Err(WebauthnError::Origin);
    }
    match (said.get("crossOrigin"), said.get("topOrigin")) {
        (None | Some(Value::Bool(false)), None) => Ok(hash::sha256(bytes)),
        _ => Err(WebauthnError::CrossOrigin),
    }
}
