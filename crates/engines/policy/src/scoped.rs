//! What one guard needs of a fleet's policies: it decides about its own service and no other, and a fleet declares many calls.

use crate::from_fleet::CALLS_FILE;
use crate::lexer::pieces;
use bartizan_core::ServiceName;
use bartizan_core::snapshot::Policies;

/// The same without the declared calls to services other than `own`; whatever is asked about `own` is decided as before.
///
/// Policies of the user's files all stay: each may be about everybody.
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
    policies
}

/// Whether a declared call is one to `own`; what does not look like a declared call stays.
fn concerns(text: &str, own: &ServiceName) -> bool {
    let name = text.strip_prefix("@id(\"").and_then(|rest| rest.split_once('"')).map(|(name, _)| name);
    let callee = name.and_then(|name| name.strip_prefix(CALLS_FILE)).and_then(|edge| edge.split_once("->"));
    callee.is_none_or(|(_, callee)| callee == own.as_str())
}
