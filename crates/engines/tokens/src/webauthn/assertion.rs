//! That somebody holds a passkey (WebAuthn section 7.2).

use super::Expected;
use super::auth_data::AuthData;
use super::client_data::{self, GET};
use super::error::WebauthnError;
use crate::limits::SIGNATURE_BYTES_MAX;
use bartizan_crypto::raw_key::RawKey;

/// What a browser sends after `navigator.credentials.get`.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `authenticatorData`.
    pub auth_data: &'a [u8],
    /// `signature`.
    pub signature: &'a [u8],
}

/// The credential, as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its public key.
    pub key: &'a RawKey,
    /// How often it had signed.
    pub counter: u32,
    /// Whether it may be copied, which never changes.
    pub backup_eligible: bool,
}

/// What to keep from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asserted {
    /// How often it signed.
    pub counter: u32,
    /// Whether it was copied.
    pub backed_up: bool,
    /// Whether the authenticator knew who was there.
    pub verified: bool,
}

/// Checks it.
///
/// # Errors
/// [`WebauthnError`].
pub fn check(sent: &Assertion<'_>, known: &Known<'_>, expected: &Expected<'_>) -> Result<Asserted, WebauthnError> {
    let hashed = client_data::check(sent.client_data, GET, expected)?;
    let AuthData { verified, backup_eligible, backed_up, counter, made } = AuthData::read(sent.auth_data, expected)?;
    if made.is_some() || backup_eligible != known.backup_eligible {
        return Err(WebauthnError::Flags);
    }
    if sent.signature.len() > SIGNATURE_BYTES_MAX {
        return Err(WebauthnError::TooLong("signature"));
    }
    let signed = [sent.auth_data, &hashed].concat();
    known.key.verify(&signed, sent.signature).map_err(|_| WebauthnError::Signature)?;
    // One that counts has to go on counting (section 6.1.1).
    if (counter != 0 || known.counter != 0) && counter <= known.counter {
        return Err(WebauthnError::Counter);
    }
    Ok(Asserted { counter, backed_up, verified })
}
