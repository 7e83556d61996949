//! What one guard needs of a fleet's policies: it decides about its own service and no other, and a fleet declares many calls.

use crate::from_fleet::{CALLS_FILE, OWN_PREFIX};
use crate::lexer::{Kind, pieces, tokens};
use bartizan_core::ServiceName;
use bartizan_core::name::{GATEWAY, UNAUTHENTICATED};
use bartizan_core::snapshot::Policies;
use std::collections::BTreeSet;

/// The same without the declared calls to services other than `own`, and without what could be asked about services that no
/// policy names; whatever is asked about `own` is decided as before.
///
/// Policies of the user's files all stay: each may be about everybody. Where one of them looks at callers by what they are and
/// not by who they are, everybody could be meant, and what is known of everybody stays too.
#[must_use]
pub fn scoped(mut policies: Policies, own: &ServiceName) -> Policies {
    if let Some(calls) = policies.files.get_mut(CALLS_FILE) {
        let mut kept = String::new();
        for piece in pieces(calls).filter(|piece| concerns(piece.text, own)) {
            kept.push_str(piece.text);
            kept.push('\n');
        }
        *calls = kept;
    }
    let users = policies.files.iter().filter(|(name, _)| !name.starts_with(OWN_PREFIX));
    if !users.into_iter().any(|(_, text)| looks_into_callers(text)) {
        let named: BTreeSet<&str> = policies.files.values().flat_map(|text| named(text)).collect();
        let always = [own.as_str(), GATEWAY, UNAUTHENTICATED];
        policies.services.retain(|name, _| named.contains(name.as_str()) || always.contains(&name.as_str()));
    }
    policies
}

/// Whether a policy may ask for more of a caller than who it is: `principal.data`, `principal["owner"]`, `principal has owner`. An
/// alias for `principal` there is none in Cedar, but it may stand in brackets.
fn looks_into_callers(text: &str) -> bool {
    let words: Vec<&str> = tokens(text).map(|token| token.text).collect();
    // A name written with escapes is not found by looking for it.
    if words.iter().any(|word| word.starts_with('"') && word.contains('\\')) {
        return true;
    }
    let mut rest = words.as_slice();
    while let Some(at) = rest.iter().position(|word| *word == "principal") {
        rest = &rest[at + 1..];
        let next = rest.iter().find(|word| **word != ")");
        if next.is_some_and(|next| [".", "[", "has"].contains(next)) {
            return true;
        }
    }
    false
}

/// The services that a text may name: what stands in quotes, as far as a service's name goes.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let texts = tokens(text).filter(|token| token.kind == Kind::Str);
    texts.map(|token| {
        let inner = token.text.trim_matches('"');
        inner.split_once('/').map_or(inner, |(service, _)| service)
    })
}

/// Whether a declared call is one to `own`; what does not look like a declared call stays.
fn concerns(text: &str, own: &ServiceName) -> bool {
    let name = text.strip_prefix("@id(\"").and_then(|rest| rest.split_once('"')).map(|(name, _)| name);
    let callee = name.and_then(|name| name.strip_prefix(CALLS_FILE)).and_then(|edge| edge.split_once("->"));
    callee.is_none_or(|(_, callee)| callee == own.as_str())
}
