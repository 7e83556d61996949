//! Checks apps that people use, and how apps register themselves.

use super::super::raw_apps::{RawApp, RawRegistration};
use super::super::reader::{At, Field, Named, Read, Report, Reported, did_you_mean};
use super::authorization::{check_audiences, check_grants, check_scopes, list, text};
use super::{os_text, required};
use crate::authorization::{
    APPS_MAX, App, BackChannel, Client, Grant, REDIRECTS_MAX, REGISTERED, REGISTERED_MAX, Registration,
};
use crate::federation::Url;
use crate::name::{ServiceName, SpiffeId};
use crate::redirect::Redirect;
use crate::workload::Entry;
use std::collections::BTreeMap;

pub(super) fn check(
    report: &mut Report<'_>,
    workloads: Option<&BTreeMap<ServiceName, Entry>>,
    audience: Option<&String>,
    clients: Option<&BTreeMap<ServiceName, Client>>,
    apps: At<Named<Read<RawApp>>>,
) -> Result<BTreeMap<ServiceName, App>, Reported> {
    if apps.value.is_empty() || apps.value.len() > APPS_MAX {
        let problem = format!("there have to be 1 to {APPS_MAX} apps");
        return Err(report.refuse(&apps.spot, problem, "name an app, or delete the key"));
    }
    let mut checked = Vec::new();
    for (name, body) in apps.value {
        let is_client = |parsed: &ServiceName| clients.is_some_and(|clients| clients.contains_key(parsed));
        let parsed = match ServiceName::parse(&name.value) {
            Err(e) => Err(report.refuse(&name.spot, format!("not a name: {}", e.why), "name an app")),
            Ok(parsed) if is_client(&parsed) => {
                let way_out = "give the app another name: requests name either by its `client_id`";
                Err(report.refuse(&name.spot, "there is a client of that name", way_out))
            }
            Ok(parsed) => Ok(parsed),
        };
        let body = body.and_then(|body| check_app(report, workloads, audience, &name, body));
        checked.push(parsed.and_then(|name| Ok((name, body?))));
    }
    checked.into_iter().collect()
}

fn check_app(
    report: &mut Report<'_>,
    workloads: Option<&BTreeMap<ServiceName, Entry>>,
    audience: Option<&String>,
    name: &At<String>,
    app: At<RawApp>,
) -> Result<App, Reported> {
    let At { value: raw, spot } = app;
    let RawApp { title, redirect, signed_out, scopes, audiences, consent, grants, bearer, workload, .. } = raw;
    let RawApp { require_pushed, backchannel_logout, backchannel_roots, .. } = raw;
    let title = title.optional().and_then(|at| at.map_or(Ok(name.value.clone()), |at| text(report, at)));
    let known = "known are `authorization_code`, `refresh_token` and `device_code`";
    let grants = check_grants(report, grants, &Grant::OF_APPS, known)
        .map(|grants| grants.unwrap_or_else(|| vec![Grant::AuthorizationCode, Grant::RefreshToken]));
    let redirect = list(report, redirect, REDIRECTS_MAX, check_redirect).map(Option::unwrap_or_default);
    let redirect = match (redirect, &grants) {
        (Ok(redirect), Ok(grants)) if redirect.is_empty() && grants.contains(&Grant::AuthorizationCode) => {
            let way_out =
                "give it `redirect`, such as `[https://shop.example/back]`, or `grants` without `authorization_code`";
            Err(report.refuse(&spot, "nobody can come back to it with a code", way_out))
        }
        (redirect, _) => redirect,
    };
    let grants = match grants {
        Ok(grants) if grants == [Grant::RefreshToken] => {
            let way_out = "add `authorization_code` or `device_code` to `grants`";
            Err(report.refuse(&spot, "it has no way to its first token", way_out))
        }
        grants => grants,
    };
    let signed_out = list(report, signed_out, REDIRECTS_MAX, check_redirect).map(Option::unwrap_or_default);
    let scopes = check_scopes(report, scopes).map(|scopes| scopes.unwrap_or_else(|| vec!["openid".to_owned()]));
    let audiences = check_audiences(report, audience, audiences);
    let trusted = consent.optional().and_then(|at| at.map_or(Ok(false), |at| check_consent(report, &at)));
    let (bearer, pushed) = (check_flag(report, bearer), check_flag(report, require_pushed));
    let workload = workload.optional().and_then(|at| at.map(|at| check_workload(report, workloads, &at)).transpose());
    let back_channel = check_back_channel(report, backchannel_logout, backchannel_roots);
    Ok(App {
        title: title?,
        redirect: redirect?,
        signed_out: signed_out?,
        scopes: scopes?,
        audiences: audiences?,
        trusted: trusted?,
        grants: grants?,
        bearer: bearer?,
        workload: workload?.flatten(),
        pushed: pushed?,
        back_channel: back_channel?,
    })
}

fn check_back_channel(
    report: &mut Report<'_>,
    to: Field<String>,
    roots: Field<String>,
) -> Result<Option<BackChannel>, Reported> {
    let roots_at = roots.get().map(|at| at.spot.clone());
    let roots = roots.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let Some(at) = to.optional()? else {
        return match roots_at {
            None => Ok(None),
            Some(spot) => {
                let way_out = "name the address as `backchannel_logout`, or delete the key";
                Err(report.refuse(&spot, "the app is told nowhere that somebody signed out", way_out))
            }
        };
    };
    let to = Url::parse(&at.value).map_err(|why| report.refuse_value(&at, format!("no address to post to: {why}"), ""));
    Ok(Some(BackChannel { to: to?, roots: roots?, outside: false }))
}

pub(super) fn check_registration(
    report: &mut Report<'_>,
    audience: Option<&String>,
    at: At<RawRegistration>,
) -> Result<Registration, Reported> {
    let At { value: RawRegistration { token_sha256, scopes, audiences, most, bearer }, spot } = at;
    let way_out = "say it as `printf %s \"$TOKEN\" | sha256sum` prints it: nobody registers an app without a token";
    let token = required(report, token_sha256, &spot, "token_sha256", way_out).and_then(|at| {
        read_sha256(&at.value).ok_or_else(|| report.refuse_value(&at, "not a SHA-256 in lower-case hex", way_out))
    });
    let scopes = check_scopes(report, scopes).map(|scopes| scopes.unwrap_or_else(|| vec!["openid".to_owned()]));
    let audiences = check_audiences(report, audience, audiences);
    let most = most.optional().and_then(|at| at.map_or(Ok(REGISTERED), |at| check_most(report, &at)));
    let bearer = check_flag(report, bearer);
    Ok(Registration { token_sha256: token?, scopes: scopes?, audiences: audiences?, most: most?, bearer: bearer? })
}

fn read_sha256(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn check_redirect(report: &mut Report<'_>, at: At<String>) -> Result<Redirect, Reported> {
    Redirect::parse(&at.value).map_err(|why| report.refuse_value(&at, format!("no address to come back to: {why}"), ""))
}

fn check_consent(report: &mut Report<'_>, at: &At<String>) -> Result<bool, Reported> {
    match at.value.as_str() {
        "ask" => Ok(false),
        "trusted" => Ok(true),
        _ => Err(report.refuse_value(at, "expected `ask` or `trusted`", "")),
    }
}

fn check_most(report: &mut Report<'_>, at: &At<String>) -> Result<u32, Reported> {
    let most = at.value.parse().ok().filter(|most| (1..=REGISTERED_MAX).contains(most));
    most.ok_or_else(|| report.refuse_value(at, format!("expected 1 to {REGISTERED_MAX}"), ""))
}

pub(super) fn check_flag(report: &mut Report<'_>, field: Field<String>) -> Result<bool, Reported> {
    let Some(at) = field.optional()? else { return Ok(false) };
    match at.value.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(report.refuse_value(&at, "expected `true` or `false`", "")),
    }
}

/// `None` where the workloads made no sense, and then the fleet is refused.
fn check_workload(
    report: &mut Report<'_>,
    workloads: Option<&BTreeMap<ServiceName, Entry>>,
    at: &At<String>,
) -> Result<Option<SpiffeId>, Reported> {
    let Some(workloads) = workloads else { return Ok(None) };
    let found = ServiceName::parse(&at.value).ok().and_then(|name| workloads.get(&name));
    if let Some(entry) = found {
        return Ok(Some(entry.id.clone()));
    }
    let near = report.nearest(&at.value, workloads.keys().map(ServiceName::as_str));
    Err(report.refuse_value(at, "no such workload", did_you_mean(near, "name one under `workloads`")))
}
