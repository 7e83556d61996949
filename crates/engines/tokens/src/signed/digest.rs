//! `Content-Digest` (RFC 9530): the header that stands for a body in a signature.

use super::{EventError, Message};
use bartizan_crypto::{base64, hash};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

/// The field's name.
pub(super) const FIELD: &str = "content-digest";

/// Checks that the body is the one that the field says, by each digest that is known; at least one has to be.
pub(super) fn check(message: &Message<'_>) -> Result<(), EventError> {
    let digests: Dictionary = Parser::new(message.only(FIELD)?).parse().map_err(|_| EventError::Unreadable(FIELD))?;
    let mut known = false;
    for (name, value) in &digests {
        let body = match name.as_str() {
            "sha-256" => hash::sha256(message.body).to_vec(),
            "sha-512" => hash::sha512(message.body).to_vec(),
            _ => continue,
        };
        let ListEntry::Item(item) = value else { return Err(EventError::Unreadable(FIELD)) };
        let BareItem::ByteSequence(shown) = &item.bare_item else { return Err(EventError::Unreadable(FIELD)) };
        if !hash::equal(&body, shown) {
            return Err(EventError::Digest);
        }
        known = true;
    }
    if known { Ok(()) } else { Err(EventError::Unreadable(FIELD)) }
}

/// The field's value for a body.
pub(super) fn of(body: &[u8]) -> String {
    format!("sha-256=:{}:", base64::encode(&hash::sha256(body)))
}
