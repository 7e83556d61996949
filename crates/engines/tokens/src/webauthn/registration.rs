//! A new passkey (WebAuthn section 7.1).

use super::Expected;
use super::auth_data::AuthData;
use super::cbor::{self, Value};
use super::client_data::{self, CREATE};
use super::error::WebauthnError;
use crate::limits::ATTESTATION_BYTES_MAX;
use bartizan_crypto::raw_key::RawKey;

/// What a browser sends after `navigator.credentials.create`.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `attestationObject`.
    pub attestation: &'a [u8],
}

/// A credential to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its name.
    pub id: Vec<u8>,
    /// Its public key.
    pub key: RawKey,
    /// How often it signed so far; 0 for those that do not count.
    pub counter: u32,
    /// Whether the authenticator may copy it to other devices.
    pub backup_eligible: bool,
    /// Whether it has.
    pub backed_up: bool,
    /// Whether the authenticator knew who was there.
    pub verified: bool,
}

/// Checks it.
///
/// # Errors
/// [`WebauthnError`].
pub fn register(sent: &Registration<'_>, expected: &Expected<'_>) -> Result<Registered, WebauthnError> {
    client_data::check(sent.client_data, CREATE, expected)?;
    if sent.attestation.len() > ATTESTATION_BYTES_MAX {
        return Err(WebauthnError::TooLong("attestation"));
    }
    let malformed = || WebauthnError::Malformed("attestation");
    let Ok((said @ Value::Map(_), [])) = cbor::read(sent.attestation) else { return Err(malformed()) };
    let of = |key| said.get(&Value::Text(key));
    // Nothing was asked for, so a browser takes out what an authenticator says of itself.
    match (of("fmt"), of("attStmt")) {
        (Some(Value::Text("none")), Some(Value::Map(statement))) if statement.is_empty() => {}
        (Some(Value::Text(_)), Some(Value::Map(_))) => return Err(WebauthnError::Attestation),
        _ => return Err(malformed()),
    }
    let Some(Value::Bytes(auth_data)) = of("authData") else { return Err(malformed()) };
    let AuthData { verified, backup_eligible, backed_up, counter, made } = AuthData::read(auth_data, expected)?;
    let (id, key) = made.ok_or(WebauthnError::Flags)?;
    Ok(Registered { id: id.to_vec(), key, counter, backup_eligible, backed_up, verified })
}
