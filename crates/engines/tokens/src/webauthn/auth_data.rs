//! What the authenticator says (WebAuthn section 6.1): for whom, who was there, how often it signed, and a new key.

use super::Expected;
use super::cbor::{self, Value};
use super::cose;
use super::error::WebauthnError;
use crate::limits::{AUTH_DATA_BYTES_MAX, CREDENTIAL_ID_BYTES_MAX};
use bartizan_crypto::hash;
use bartizan_crypto::raw_key::RawKey;

const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;
/// Hash, flags, counter.
const HEAD_BYTES: usize = 37;
const AAGUID_BYTES: usize = 16;

/// It, checked as far as it can be without a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AuthData<'a> {
    pub(super) verified: bool,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    pub(super) counter: u32,
    /// Name and key of a new credential; in a registration, and there alone.
    pub(super) made: Option<(&'a [u8], RawKey)>,
}

impl<'a> AuthData<'a> {
    /// Reads it whole.
    pub(super) fn read(bytes: &'a [u8], expected: &Expected<'_>) -> Result<Self, WebauthnError> {
        if bytes.len() > AUTH_DATA_BYTES_MAX {
            return Err(WebauthnError::TooLong("authenticator data"));
        }
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(malformed)?;
        if !hash::equal(&head[..32], &hash::sha256(expected.rp_id.as_bytes())) {
            return Err(WebauthnError::RelyingParty);
        }
        let has = |flag: u8| head[32] & flag != 0;
        let counter = head[33..].iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        let (made, rest) = if has(ATTESTED) {
            let (made, rest) = made(rest)?;
            (Some(made), rest)
        } else {
            (None, rest)
        };
        let rest = if has(EXTENSIONS) { extensions(rest)? } else { rest };
        if !rest.is_empty() {
            return Err(malformed());
        }
        if !has(PRESENT) {
            return Err(WebauthnError::NotPresent);
        }
        if expected.verified && !has(VERIFIED) {
            return Err(WebauthnError::NotVerified);
        }
        let (backup_eligible, backed_up) = (has(BACKUP_ELIGIBLE), has(BACKED_UP));
        if backed_up && !backup_eligible {
            return Err(WebauthnError::Flags);
        }
        Ok(Self { verified: has(VERIFIED), backup_eligible, backed_up, counter, made })
    }
}

type Made<'a> = (&'a [u8], RawKey);

fn made(bytes: &[u8]) -> Result<(Made<'_>, &[u8]), WebauthnError> {
    let (_maker, rest) = bytes.split_at_checked(AAGUID_BYTES).ok_or_else(malformed)?;
    let (len, rest) = rest.split_first_chunk::<2>().ok_or_else(malformed)?;
    let len = usize::from(u16::from_be_bytes(*len));
    if len == 0 || len > CREDENTIAL_ID_BYTES_MAX {
        return Err(malformed());
    }
    let (id, rest) = rest.split_at_checked(len).ok_or_else(malformed)?;
    let (key, rest) = cbor::read(rest).map_err(|_| malformed())?;
    Ok(((id, cose::key(&key)?), rest))
}

fn extensions(bytes: &[u8]) -> Result<&[u8], WebauthnError> {
    match cbor::read(bytes) {
        Ok((Value::Map(_), rest)) => Ok(rest),
        _ => Err(malformed()),
    }
}

fn malformed() -> WebauthnError {
    WebauthnError::Malformed("authenticator data")
}
