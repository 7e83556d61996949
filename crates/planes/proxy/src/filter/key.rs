//! Whose program asks, by the key that it shows. At the gateway, where the route takes keys.
//!
//! 401 where there is none and the route takes nothing else, where there are two, or where it does not count; 403 where the route wants
//! scopes that it has not. The caller learns one word, the operator which key it was and what is wrong with it.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::message::Fields;
use bartizan_core::{Decision, Denial, Verdict};
use bartizan_tokens::api_key;
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "key", run };

/// What stands for the policies where a key is refused: no policy was asked.
const BY: &str = "fleet:keys";
const HEADER: &str = "x-api-key";

/// What a request shows.
enum Shown {
    Nothing,
    /// Two things, of which one could be meant.
    Two,
    Key(String),
}

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let side = x.conn.side == Side::Gateway;
    let Some(route) = x.edge_route.map(|route| route.said).filter(|route| side && route.auth.takes_key()) else {
        return Ok(());
    };
    let key = match shown(&x.head.fields) {
        Shown::Nothing if route.auth.takes_user() => return Ok(()),
        Shown::Nothing => {
            let missing = Answer::new(401, "key_missing", "this is for programs that show their key");
            return Err(missing.with_challenge("Bearer".to_owned()));
        }
        Shown::Two => return Err(refused(x, "it shows two keys, or a key and something else".to_owned())),
        Shown::Key(key) => key,
    };
    let Some(hash) = api_key::read(&key) else {
        return Err(refused(x, "it shows what is no key: form or checksum are wrong".to_owned()));
    };
    let keys = Arc::clone(&x.live.keys);
    let Some(held) = keys.find(&hash) else {
        return Err(refused(x, "the key was never made here, or was revoked".to_owned()));
    };
    if held.said.is_over(x.now) {
        return Err(refused(x, format!("the key `{}` has expired", held.said.name)));
    }
    if let Some(missing) = route.scopes.iter().find(|scope| !held.said.scopes.contains(scope)) {
        deny(x, format!("the key `{}` has no scope `{missing}`", held.said.name));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", route.scopes.join(" "));
        return Err(Answer::new(403, "scope_missing", "the key does not allow this").with_challenge(challenge));
    }
    x.user = Some(Arc::clone(&held.owner));
    // It stays at the edge.
    x.head.fields.remove(HEADER);
    x.head.fields.remove("authorization");
    Ok(())
}

fn shown(fields: &Fields) -> Shown {
    let bearer = fields.all("authorization").filter(|value| is_key(value)).count();
    match (fields.all(HEADER).count(), bearer, fields.all("authorization").count()) {
        (0, 0, _) => Shown::Nothing,
        (1, 0, 0) => text(fields.get(HEADER)),
        (0, 1, 1) => text(fields.get("authorization").and_then(behind_bearer)),
        _ => Shown::Two,
    }
}

fn text(value: Option<&[u8]>) -> Shown {
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    text.map_or(Shown::Two, |text| Shown::Key(text.to_owned()))
}

/// Whether a credential is a key, and no token of a user.
fn is_key(value: &[u8]) -> bool {
    behind_bearer(value).is_some_and(|rest| rest.starts_with(api_key::PREFIX.as_bytes()))
}

fn behind_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii_start())
}

fn refused(x: &mut Exchange<'_>, why: String) -> Answer {
    deny(x, why);
    let challenge = "Bearer error=\"invalid_token\", error_description=\"the key is not accepted\"".to_owned();
    Answer::new(401, "key_refused", "the key is not accepted").with_challenge(challenge)
}

fn deny(x: &mut Exchange<'_>, why: String) {
    x.decision = Some(Arc::new(Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason: Some(why.into()),
        public: false,
        denial: Denial::Unexpected,
        epoch: x.live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default(),
    }));
}
