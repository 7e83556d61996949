//! Links by which somebody sets a password, once: `ID.SECRET`, of which the database holds a hash.

use super::desk::{Desk, PeopleError};
use super::person::{Link, Person};
use crate::limits::LINK_TTL;
use bartizan_core::Timestamp;
use bartizan_crypto::{base64, hash, random};

/// A new link for the person of that id: its text, and what is kept of it.
pub(super) fn make(id: &str, now: Timestamp) -> (String, Link) {
    let secret = base64::encode_url(&random::bytes::<32>());
    let link = Link { sha256: sha256(&secret), until: now.plus(LINK_TTL) };
    (format!("{id}.{secret}"), link)
}

/// Whose link it is, where it can still be used.
pub(super) async fn whose(desk: &Desk, text: &str, now: Timestamp) -> Result<Option<Person>, PeopleError> {
    let Some((id, secret)) = text.split_once('.') else { return Ok(None) };
    let person = desk.person(id).await?;
    Ok(person.filter(|person| !person.record.disabled && opens(person.record.link.as_ref(), secret, now)))
}

/// Whether `text` fits what is kept.
pub(super) fn fits(link: Option<&Link>, text: &str, now: Timestamp) -> bool {
    text.split_once('.').is_some_and(|(_, secret)| opens(link, secret, now))
}

fn opens(link: Option<&Link>, secret: &str, now: Timestamp) -> bool {
    link.is_some_and(|link| now < link.until && hash::equal(link.sha256.as_bytes(), sha256(secret).as_bytes()))
}

fn sha256(secret: &str) -> String {
    hash::hex(&hash::sha256(secret.as_bytes()))
}
