//! From the code that a browser brought to who it is there.

use super::super::gate::Visit;
use super::begin::back;
use super::book::Found;
use super::carried::Carried;
use super::fetch::{post, userinfo};
use super::{Failure, Theirs};
use crate::limits::{UPSTREAM_AMR_MAX, UPSTREAM_WORD_BYTES_MAX};
use bartizan_core::Timestamp;
use bartizan_core::upstream::Upstream;
use bartizan_crypto::jose::json::{self, Object};
use bartizan_tokens::id_token::{Expected, verify_id};
use serde_json::Value;
use std::path::Path;

/// Somebody whom a provider vouches for.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) subject: String,
    /// What it says of that person.
    pub(super) claims: Object,
    pub(super) theirs: Theirs,
}

pub(super) async fn redeem(
    visit: &Visit,
    said: &Upstream,
    found: &Found,
    carried: &Carried,
    code: &str,
) -> Result<Known, Failure> {
    // Whoever is slow holds up the others that come from there, and nobody else.
    let _place = visit.desk.asking.try_acquire().map_err(|_| Failure::Unable("too many are asked about".to_owned()))?;
    let dir = visit.app.options.fleet.parent().unwrap_or(Path::new(""));
    let (back, verifier) = (back(visit, &carried.provider), carried.verifier());
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", back.as_str()),
        ("code_verifier", verifier.as_str()),
    ];
    let answer = post(said, &found.document.token, found.document.secret_in_form, &parameters, dir).await;
    let (status, answer) = answer.map_err(Failure::Unable)?;
    let answer = json::object(&answer);
    let text = |name: &str| {
        let text = answer.as_ref().ok().and_then(|answer| answer.get(name)).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    if status != 200 {
        let word: String = text("error").unwrap_or_default().chars().filter(char::is_ascii_graphic).take(60).collect();
        return Err(Failure::refused(said, format!("its token endpoint answered {status} `{word}`")));
    }
    if let Err(error) = &answer {
        return Err(Failure::refused(said, format!("the answer of its token endpoint: {error}")));
    }
    let shown = text("id_token").ok_or_else(|| Failure::refused(said, "no ID token came with the code"))?;
    let (nonce, token) = (carried.nonce(), text("access_token"));
    let expected =
        Expected { issuer: &said.issuer, client_id: &said.client_id, nonce: Some(&nonce), access_token: token };
    let id = verify_id(&found.issuers, shown, &expected, visit.now).map_err(|error| {
        if error.is_unknown_key() {
            visit.desk.upstreams.ask(&said.issuer, visit.now);
        }
        Failure::refused(said, format!("the ID token: {error}"))
    })?;
    let theirs = theirs(&carried.provider, &id.claims, visit.now);
    if carried.way.fresh || carried.connects.is_some() {
        check_fresh(said, carried, &theirs)?;
    }
    let mut claims = id.claims;
    if let (Some(from), Some(token)) = (&found.document.userinfo, token) {
        let more = userinfo(said, from, token, dir).await.map_err(Failure::Unable)?;
        add(said, &mut claims, &id.subject, &more)?;
    }
    Ok(Known { subject: id.subject, claims, theirs })
}

/// What the userinfo endpoint says more, of the very same subject (OpenID Connect Core section 5.3.2). What is signed counts first.
fn add(said: &Upstream, claims: &mut Object, subject: &str, more: &[u8]) -> Result<(), Failure> {
    let more = json::object(more).map_err(|error| Failure::refused(said, format!("its userinfo: {error}")))?;
    if more.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(Failure::refused(said, "its userinfo is about somebody else"));
    }
    // Else an address of one would count by the other's word that it was verified.
    let has_email = claims.contains_key("email");
    for (name, value) in more {
        if !(has_email && name == "email_verified") {
            claims.entry(name).or_insert(value);
        }
    }
    Ok(())
}

/// That somebody signed in there since the question, where that was asked for.
fn check_fresh(said: &Upstream, carried: &Carried, theirs: &Theirs) -> Result<(), Failure> {
    let Some(at) = theirs.at else {
        let told = format!("{} does not say when you signed in there. Sign in another way.", said.title);
        return Err(Failure::Refused(told, "the ID token has no `auth_time`".to_owned()));
    };
    let earliest = carried.begun.minus(bartizan_tokens::limits::SKEW);
    match at >= earliest {
        true => Ok(()),
        false => Err(Failure::refused(said, "the sign-in there was before it was asked for")),
    }
}

/// How somebody signed in there, bounded.
fn theirs(provider: &str, claims: &Object, now: Timestamp) -> Theirs {
    let word = |value: &Value| {
        value
            .as_str()
            .filter(|it| it.len() <= UPSTREAM_WORD_BYTES_MAX && !it.chars().any(char::is_control))
            .map(str::to_owned)
    };
    let amr = claims.get("amr").and_then(Value::as_array).into_iter().flatten().filter_map(word);
    let at = claims.get("auth_time").and_then(Value::as_u64).map(Timestamp::from_secs);
    Theirs {
        provider: provider.to_owned(),
        amr: amr.take(UPSTREAM_AMR_MAX).collect(),
        acr: claims.get("acr").and_then(word),
        // Nobody signed in in the future.
        at: at.map(|at| at.min(now)),
    }
}
