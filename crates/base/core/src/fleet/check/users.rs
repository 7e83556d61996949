//! Checks whose tokens are believed.

use super::super::raw_users::{RawIssuer, RawUsers};
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot, did_you_mean};
use super::required;
use crate::federation::Url;
use crate::path::is_param;
use crate::user::{ALGORITHMS, CLAIMS_MAX, ISSUERS_MAX, TokenIssuer, Users};
use std::collections::{BTreeMap, HashSet};

/// Longest name of an issuer, audience or claim, in bytes.
const TEXT_BYTES_MAX: usize = 256;

pub(super) fn check(report: &mut Report<'_>, users: At<RawUsers>) -> Result<Users, Reported> {
    let At { value: RawUsers { audience, issuers }, spot } = users;
    let wanted = "say whom tokens have to be for, such as `https://api.bank.example`";
    let audience = required(report, audience, &spot, "audience", wanted).and_then(|at| text(report, at));
    let issuers = required(report, issuers, &spot, "issuers", "name who issues tokens, or delete `users`")?;
    if issuers.value.is_empty() || issuers.value.len() > ISSUERS_MAX {
        let problem = format!("there have to be 1 to {ISSUERS_MAX} issuers");
        return Err(report.refuse(&issuers.spot, problem, "name who issues tokens, or delete `users`"));
    }
    let mut names = HashSet::new();
    let issuers: Vec<_> = issuers.value.into_iter().map(|raw| check_issuer(report, &mut names, raw?)).collect();
    Ok(Users { audience: audience?, issuers: issuers.into_iter().collect::<Result<_, _>>()?, revoked: Vec::new() })
}

fn check_issuer(report: &mut Report<'_>, names: &mut HashSet<String>, raw: RawIssuer) -> Result<TokenIssuer, Reported> {
    let RawIssuer { issuer, keys, roots, algorithms, roles, tenant, claims, spot } = raw;
    let wanted = "give its name as tokens have it, such as `https://login.bank.example`";
    let issuer = required(report, issuer, &spot, "issuer", wanted).and_then(|at| {
        if !names.insert(at.value.clone()) {
            return Err(report.refuse_value(&at, "it is there already", "keep one of the two"));
        }
        text(report, at)
    });
    let keys = check_keys(report, issuer.as_ref().ok(), &spot, keys, roots);
    let algorithms = check_algorithms(report, algorithms);
    let mut claim = |field: Field<String>, usual: &str| match field.optional()? {
        None => Ok(usual.to_owned()),
        Some(at) => text(report, at),
    };
    let (roles, tenant) = (claim(roles, "roles"), claim(tenant, "tenant"));
    let claims = check_claims(report, claims);
    let (keys, roots) = keys?;
    Ok(TokenIssuer {
        issuer: issuer?,
        keys,
        roots,
        algorithms: algorithms?,
        roles: roles?,
        tenant: tenant?,
        claims: claims?,
        jwks: String::new(),
        bound: false,
    })
}

/// A file with the keys, or roots for the server that has them.
fn check_keys(
    report: &mut Report<'_>,
    issuer: Option<&String>,
    spot: &Spot,
    keys: Field<String>,
    roots: Field<String>,
) -> Result<(String, Option<String>), Reported> {
    if let (Some(_), Some(at)) = (keys.get(), roots.get()) {
        let problem = "the keys come from a file, so no server is asked for them";
        return Err(report.refuse(&at.spot, problem, "delete the line, or `keys`"));
    }
    let roots = roots.optional().and_then(|at| at.map(|at| super::os_text(report, at)).transpose());
    match keys.optional()? {
        Some(at) => Ok((super::os_text(report, at)?, roots?)),
        None if issuer.is_none_or(|issuer| Url::parse(issuer).is_ok()) => Ok((String::new(), roots?)),
        None => {
            let problem = Spot { place: spot.place, key: format!("{}.keys", spot.key) };
            let way_out = "name the file with its public keys, such as `login.jwks`; where the issuer is an `https://` address they are fetched";
            Err(report.refuse(&problem, "is missing", way_out))
        }
    }
}

pub(super) fn check_algorithms(
    report: &mut Report<'_>,
    field: Field<Vec<Read<String>>>,
) -> Result<Vec<String>, Reported> {
    let Some(algorithms) = field.optional()? else { return Ok(vec!["ES256".to_owned()]) };
    if algorithms.value.is_empty() {
        return Err(report.refuse(&algorithms.spot, "there is none", "name one, such as `ES256`, or delete the line"));
    }
    let mut checked = Vec::new();
    for algorithm in algorithms.value {
        checked.push(algorithm.and_then(|at| {
            if ALGORITHMS.contains(&at.value.as_str()) {
                return Ok(at.value);
            }
            let near = report.nearest(&at.value, ALGORITHMS.iter().copied());
            let way_out = did_you_mean(near, "name one with a public key, such as `ES256`, `EdDSA` or `RS256`");
            Err(report.refuse_value(&at, "not an algorithm that tokens may be signed with", way_out))
        }));
    }
    checked.into_iter().collect()
}

/// Further claims, by the names that policies use for them.
fn check_claims(
    report: &mut Report<'_>,
    field: Field<Named<Read<String>>>,
) -> Result<BTreeMap<String, String>, Reported> {
    let Some(claims) = field.optional()? else { return Ok(BTreeMap::new()) };
    if claims.value.len() > CLAIMS_MAX {
        let problem = format!("there are more than {CLAIMS_MAX} claims");
        return Err(report.refuse(&claims.spot, problem, "keep those that policies ask for"));
    }
    let mut checked = Vec::new();
    for (name, claim) in claims.value {
        let is_good = is_param(&name.value);
        let way_out = "lower-case letters, digits and `_`, such as `accounts`";
        let name = if is_good {
            Ok(name.value)
        } else {
            Err(report.refuse_value(&name, "policies could not name it", way_out))
        };
        let claim = claim.and_then(|at| text(report, at));
        checked.push(name.and_then(|name| Ok((name, claim?))));
    }
    checked.into_iter().collect()
}

fn text(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    if at.value.is_empty() || at.value.len() > TEXT_BYTES_MAX || at.value.chars().any(char::is_control) {
        return Err(report.refuse_value(&at, format!("it has to have 1 to {TEXT_BYTES_MAX} plain characters"), ""));
    }
    Ok(at.value)
}
