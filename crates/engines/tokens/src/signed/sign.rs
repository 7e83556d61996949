//! How a sender signs a message (RFC 9421), so that it can be tried out without one.

use super::message::{base, name_of};
use super::{EventError, Message, digest};
use bartizan_crypto::jws::TokenKey;
use bartizan_crypto::{CryptoError, base64};
use sfv::{Dictionary, ListEntry, Parser};

/// Why a message cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The name of the key cannot stand in a field.
    #[error("the name of a key is of letters, digits, `-`, `_`, `.` and `:`")]
    KeyId,
    /// The message has something that no field can have.
    #[error(transparent)]
    Message(#[from] EventError),
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] CryptoError),
}

/// The fields that a sender adds to `message`: the body's digest, what is covered, and the signature by `key`, which the receiver knows as
/// `key_id`, at `created_s`, seconds since 1970. `nonce` makes equal messages of one second differ.
///
/// # Errors
/// [`SignError`].
pub fn sign_message(
    (key, key_id): (&TokenKey, &str),
    message: &Message<'_>,
    (created_s, nonce): (u64, &str),
) -> Result<Vec<(&'static str, String)>, SignError> {
    let is_name =
        |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.:".contains(&it));
    if !is_name(key_id) || !is_name(nonce) {
        return Err(SignError::KeyId);
    }
    let digest = digest::of(message.body);
    let query = if message.target.contains('?') { " \"@query\"" } else { "" };
    let alg = name_of(key.alg()).ok_or(CryptoError::UnsupportedKey)?;
    let input = format!(
        "sig=(\"@method\" \"@authority\" \"@path\"{query} \"content-digest\");created={created_s};keyid=\"{key_id}\";alg=\"{alg}\";nonce=\"{nonce}\""
    );
    let field = |name: &str| if name == digest::FIELD { vec![digest.as_bytes()] } else { (message.field)(name) };
    let read: Dictionary = Parser::new(&input).parse().map_err(|_| SignError::KeyId)?;
    let Some(ListEntry::InnerList(covered)) = read.get("sig") else { return Err(SignError::KeyId) };
    let base = base(&Message { field: &field, ..*message }, covered)?;
    let signature = format!("sig=:{}:", base64::encode(&key.sign(base.as_bytes())?));
    Ok(vec![(digest::FIELD, digest.clone()), (super::message::INPUT, input), (super::message::SIGNATURE, signature)])
}
