//! HTTP message signatures (RFC 9421), as far as a receiver of events needs them.
//!
//! A signature has to cover the method, the address (`@target-uri`, or `@authority` and `@path`, with `@query` where there is one)
//! and the body's digest, and to say when it was made and by which key. What it covers besides has to be there too.

use super::{Clock, EventError, Key, Message, Verified, digest};
use crate::error::foreign;
use crate::limits::{EVENT_COMPONENTS_MAX, EVENT_SIGNATURES_MAX};
use bartizan_crypto::hash;
use bartizan_crypto::jose::Alg;
use sfv::{BareItem, Dictionary, InnerList, ListEntry, ListSerializer, Parameters, Parser};

pub(super) const INPUT: &str = "signature-input";
pub(super) const SIGNATURE: &str = "signature";

/// The name of an algorithm there (RFC 9421 section 6.2.2); `None` for those that it does not know.
pub(super) const fn name_of(alg: Alg) -> Option<&'static str> {
    match alg {
        Alg::EdDsa => Some("ed25519"),
        Alg::Es256 => Some("ecdsa-p256-sha256"),
        Alg::Es384 => Some("ecdsa-p384-sha384"),
        Alg::Rs256 => Some("rsa-v1_5-sha256"),
        Alg::Ps512 => Some("rsa-pss-sha512"),
        Alg::Es512 | Alg::Rs384 | Alg::Rs512 | Alg::Ps256 | Alg::Ps384 => None,
    }
}

/// What the signatures by keys of the sender sign. Where none is good, what was wrong with the first.
pub(super) fn verify(keys: &[Key], message: &Message<'_>, clock: Clock) -> Result<Verified, EventError> {
    let inputs = dictionary(message, INPUT)?;
    let signatures = dictionary(message, SIGNATURE)?;
    let (mut good, mut first): (Option<Verified>, _) = (None, None);
    for (label, input) in inputs.iter().take(EVENT_SIGNATURES_MAX) {
        let judged = match (input, signatures.get(label)) {
            (ListEntry::InnerList(covered), Some(ListEntry::Item(item))) => match &item.bare_item {
                BareItem::ByteSequence(signature) => one(keys, message, (covered, signature), clock),
                _ => Err(EventError::Unreadable(SIGNATURE)),
            },
            (_, None) => Err(EventError::Unsigned(SIGNATURE)),
            _ => Err(EventError::Unreadable(INPUT)),
        };
        match (judged, &mut good) {
            (Ok(one), None) => good = Some(one),
            // Whoever takes one of them away would show it once more.
            (Ok(one), Some(good)) => {
                good.ids.extend(one.ids);
                good.signed_at = good.signed_at.min(one.signed_at);
            }
            (Err(error), _) => _ = first.get_or_insert(error),
        }
    }
    good.ok_or_else(|| first.unwrap_or(EventError::Unsigned(INPUT)))
}

fn dictionary(message: &Message<'_>, field: &'static str) -> Result<Dictionary, EventError> {
    Parser::new(message.only(field)?).parse().map_err(|_| EventError::Unreadable(field))
}

fn one(
    keys: &[Key],
    message: &Message<'_>,
    (covered, signature): (&InnerList, &[u8]),
    clock: Clock,
) -> Result<Verified, EventError> {
    let key = key_of(keys, &covered.params)?;
    let signed_at = check_dates(&covered.params, clock)?;
    let base = base(message, covered)?;
    check_covered(message, covered)?;
    key.key.verify(base.as_bytes(), signature).map_err(|_| EventError::Signature)?;
    // Last: a digest that was not signed says nothing.
    digest::check(message)?;
    Ok(Verified { ids: vec![hash::sha256(base.as_bytes())], key: key.id.clone(), signed_at: Some(signed_at) })
}

fn key_of<'a>(keys: &'a [Key], params: &Parameters) -> Result<&'a Key, EventError> {
    let text = |name: &str| match params.get(name) {
        Some(BareItem::String(text)) => Ok(Some(text.as_str())),
        None => Ok(None),
        Some(_) => Err(EventError::Unreadable(INPUT)),
    };
    let id = text("keyid")?.ok_or(EventError::Uncovered("keyid"))?;
    let key = keys.iter().find(|key| key.id == id).ok_or_else(|| EventError::UnknownKey(foreign(id)))?;
    match text("alg")? {
        Some(alg) if name_of(key.alg) != Some(alg) => Err(EventError::Algorithm(foreign(alg))),
        _ => Ok(key),
    }
}

/// When it was signed.
fn check_dates(params: &Parameters, clock: Clock) -> Result<u64, EventError> {
    let date = |name: &str| match params.get(name) {
        Some(BareItem::Integer(date)) => {
            u64::try_from(i64::from(*date)).map(Some).map_err(|_| EventError::Unreadable(INPUT))
        }
        None => Ok(None),
        Some(_) => Err(EventError::Unreadable(INPUT)),
    };
    let (created, now_s) = (date("created")?.ok_or(EventError::Uncovered("created"))?, clock.now.as_secs());
    clock.check(created)?;
    match date("expires")? {
        Some(expires) if expires <= now_s => Err(EventError::Over(now_s - expires)),
        _ => Ok(created),
    }
}

/// What has to be covered, lest somebody sends the signed rest elsewhere or with something else.
fn check_covered(message: &Message<'_>, covered: &InnerList) -> Result<(), EventError> {
    let has = |name: &str| {
        let mut names = covered.items.iter();
        names.any(|item| matches!(&item.bare_item, BareItem::String(text) if text.as_str() == name))
    };
    let has_query = message.target.contains('?');
    let missing = match () {
        () if !has("@method") => Some("@method"),
        () if !has("@target-uri") && !has("@authority") => Some("@target-uri"),
        () if !has("@target-uri") && !has("@path") && !has("@request-target") => Some("@path"),
        () if has_query && !has("@target-uri") && !has("@query") && !has("@request-target") => Some("@query"),
        () if !has(digest::FIELD) => Some(digest::FIELD),
        () => None,
    };
    missing.map_or(Ok(()), |name| Err(EventError::Uncovered(name)))
}

/// The signature base (section 2.5).
pub(super) fn base(message: &Message<'_>, covered: &InnerList) -> Result<String, EventError> {
    if covered.items.len() > EVENT_COMPONENTS_MAX {
        return Err(EventError::Unreadable(INPUT));
    }
    let mut base = String::new();
    let mut seen: Vec<&str> = Vec::new();
    for item in &covered.items {
        let BareItem::String(name) = &item.bare_item else { return Err(EventError::Unreadable(INPUT)) };
        let name = name.as_str();
        // With parameters a component is another one (`;sf`, `;bs`, `;req`), and twice it is none.
        if !item.params.is_empty() || seen.contains(&name) {
            return Err(EventError::Component(foreign(name)));
        }
        seen.push(name);
        let value = component(message, name).ok_or_else(|| EventError::Component(foreign(name)))?;
        base.push_str(&format!("\"{name}\": {value}\n"));
    }
    let mut params = ListSerializer::new();
    params.members([&ListEntry::InnerList(covered.clone())]);
    let params = params.finish().ok_or(EventError::Unreadable(INPUT))?;
    base.push_str(&format!("\"@signature-params\": {params}"));
    Ok(base)
}

/// The value of a component (sections 2.1 and 2.2); `None` where the message has none, or it cannot be told.
fn component(message: &Message<'_>, name: &str) -> Option<String> {
    let (path, query) =
        message.target.split_once('?').map_or((message.target, None), |(path, query)| (path, Some(query)));
    let authority = || authority(message);
    if !name.starts_with('@') {
        return field(message, name);
    }
    Some(match name {
        "@method" => message.method.to_owned(),
        "@scheme" => message.scheme.to_owned(),
        "@authority" => authority(),
        "@path" => if path.is_empty() { "/" } else { path }.to_owned(),
        "@query" => format!("?{}", query.unwrap_or_default()),
        "@request-target" => message.target.to_owned(),
        "@target-uri" => format!("{}://{}{}", message.scheme, message.authority, message.target),
        _ => return None,
    })
}

/// In lower case, without the port that the scheme has anyway (section 2.2.3).
fn authority(message: &Message<'_>) -> String {
    let usual = if message.scheme == "https" { ":443" } else { ":80" };
    let authority = message.authority.to_ascii_lowercase();
    authority.strip_suffix(usual).map(str::to_owned).unwrap_or(authority)
}

/// Values of a field, each without blanks around it, with a comma between several (section 2.1).
fn field(message: &Message<'_>, name: &str) -> Option<String> {
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let values = (message.field)(name);
    if !is_name || values.is_empty() {
        return None;
    }
    let texts = values.iter().map(|value| std::str::from_utf8(value).ok().map(|text| text.trim_matches([' ', '\t'])));
    Some(texts.collect::<Option<Vec<_>>>()?.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_crypto::jose::{Jwk, json};

    /// RFC 9421, appendix B.2.6. It leaves out the body, so that it would not count here; what is signed is the same.
    #[test]
    fn signs_what_the_rfc_signs() {
        let field = |name: &str| -> Vec<&[u8]> {
            match name {
                "date" => vec![b"Tue, 20 Apr 2021 02:07:55 GMT"],
                "content-type" => vec![b"application/json"],
                "content-length" => vec![b"18"],
                _ => Vec::new(),
            }
        };
        let message = Message {
            method: "POST",
            scheme: "https",
            authority: "example.com",
            target: "/foo?param=Value&Pet=dog",
            field: &field,
            body: br#"{"hello": "world"}"#,
        };
        let input = r#"sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#;
        let input: Dictionary = Parser::new(input).parse().unwrap();
        let Some(ListEntry::InnerList(covered)) = input.get("sig-b26") else { panic!("an inner list") };
        let jwk = br#"{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
        let key = Jwk::parse(&json::object(jwk).unwrap()).unwrap().verify_key(Alg::EdDsa).unwrap();
        let signature = bartizan_crypto::base64::decode(
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        );
        assert_eq!(key.verify(base(&message, covered).unwrap().as_bytes(), &signature.unwrap()), Ok(()));
        assert_eq!(check_covered(&message, covered), Err(EventError::Uncovered("@query")));
    }
}
