//! Public keys of passkeys (RFC 9053): ES256 on P-256, EdDSA on Ed25519, with exactly the parameters that these have.

use super::cbor::Value;
use super::error::WebauthnError;
use bartizan_crypto::raw_key::RawKey;

// Labels of RFC 9052 table 4, RFC 9053 tables 18 to 20.
const KTY: i64 = 1;
const ALG: i64 = 3;
const CRV: i64 = -1;
const X: i64 = -2;
const Y: i64 = -3;
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const OKP: i64 = 1;
const EC2: i64 = 2;
const P256: i64 = 1;
const ED25519: i64 = 6;

/// The key that a map holds.
pub(super) fn key(map: &Value<'_>) -> Result<RawKey, WebauthnError> {
    let refuse = || WebauthnError::Key;
    let Value::Map(pairs) = map else { return Err(refuse()) };
    let number = |label: i64| match map.get(&Value::Int(label)) {
        Some(Value::Int(number)) => Ok(*number),
        _ => Err(refuse()),
    };
    let coordinate = |label: i64| match map.get(&Value::Int(label)) {
        Some(Value::Bytes(bytes)) => <&[u8; 32]>::try_from(*bytes).map_err(|_| refuse()),
        _ => Err(refuse()),
    };
    match (number(KTY)?, number(ALG)?, number(CRV)?, pairs.len()) {
        (EC2, ES256, P256, 5) => RawKey::p256(coordinate(X)?, coordinate(Y)?).map_err(|_| refuse()),
        (OKP, EDDSA, ED25519, 4) => RawKey::ed25519(coordinate(X)?).map_err(|_| refuse()),
        _ => Err(refuse()),
    }
}
