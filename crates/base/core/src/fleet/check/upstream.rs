//! Checks identity providers elsewhere.

use super::super::raw_upstream::{RawClaims, RawUpstream};
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot, did_you_mean};
use super::authorization::{check_scopes, list, text};
use super::{os_text, required, users};
use crate::federation::Url;
use crate::name::ServiceName;
use crate::people::{ROLE_BYTES_MAX, is_shown};
use crate::upstream::{Claims, NAMED_MAX, PROVIDERS_MAX, Upstream};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(
    report: &mut Report<'_>,
    at: At<Named<Read<RawUpstream>>>,
) -> Result<BTreeMap<ServiceName, Upstream>, Reported> {
    if at.value.len() > PROVIDERS_MAX {
        let problem = format!("{} providers, more than {PROVIDERS_MAX}", at.value.len());
        return Err(report.refuse(&at.spot, problem, "each is a button on one page"));
    }
    let (mut checked, mut issuers) = (Vec::new(), BTreeSet::new());
    for (name, raw) in at.value {
        // It stands in the address to which the provider sends browsers back.
        let short = ServiceName::parse(&name.value)
            .map_err(|e| report.refuse(&name.spot, format!("not a name: {}", e.why), "such as `google`"));
        let one = raw.and_then(|raw| check_one(report, &name.value, raw, &mut issuers));
        checked.push(short.and_then(|short| Ok((short, one?))));
    }
    checked.into_iter().collect()
}

fn check_one(
    report: &mut Report<'_>,
    name: &str,
    raw: At<RawUpstream>,
    issuers: &mut BTreeSet<String>,
) -> Result<Upstream, Reported> {
    let At { value: raw, spot } = raw;
    let RawUpstream { title, issuer, client_id, secret, roots, algorithms, scopes, create, .. } = raw;
    let title = title.optional().and_then(|at| at.map_or(Ok(name.to_owned()), |at| text(report, at)));
    let wanted = "give its name as its tokens have it, such as `https://login.example/realms/staff`";
    let issuer = required(report, issuer, &spot, "issuer", wanted).and_then(|at| check_issuer(report, at, issuers));
    let client_id =
        required(report, client_id, &spot, "client_id", "give our name there").and_then(|at| text(report, at));
    let secret = secret.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let roots = roots.optional().and_then(|at| at.map(|at| os_text(report, at)).transpose());
    let algorithms = match algorithms {
        Field::Absent => Ok(vec!["ES256".to_owned(), "RS256".to_owned()]),
        algorithms => users::check_algorithms(report, algorithms),
    };
    let scopes = check_asked(report, scopes);
    let domains = list(report, raw.domains, NAMED_MAX, check_domain).map(Option::unwrap_or_default);
    let tenants_at = raw.tenants.get().map(|at| at.spot.clone());
    let tenants = list(report, raw.tenants, NAMED_MAX, text).map(Option::unwrap_or_default);
    let two_factors = list(report, raw.two_factors, NAMED_MAX, text).map(Option::unwrap_or_default);
    let roles_at = raw.roles.get().map(|at| at.spot.clone());
    let (claims, roles) = (check_claims(report, raw.claims), check_roles(report, raw.roles));
    let (domains, tenants, claims, roles) = (domains?, tenants?, claims?, roles?);
    if let Some(spot) = tenants_at.filter(|_| claims.tenant.is_none()) {
        return Err(report.refuse(
            &spot,
            "no claim says which tenant it is",
            "name one under `claims`, such as `tenant: tid`",
        ));
    }
    if let Some(spot) = roles_at.filter(|_| claims.roles.is_none()) {
        return Err(report.refuse(
            &spot,
            "no claim says which roles there are",
            "name one under `claims`, such as `roles: groups`",
        ));
    }
    let create = check_create(report, create, &spot, !domains.is_empty() || !tenants.is_empty());
    Ok(Upstream {
        title: title?,
        issuer: issuer?,
        client_id: client_id?,
        secret: secret?,
        roots: roots?,
        algorithms: algorithms?,
        scopes: scopes?,
        create: create?,
        domains,
        tenants,
        two_factors: two_factors?,
        claims,
        roles,
    })
}

fn check_issuer(report: &mut Report<'_>, at: At<String>, issuers: &mut BTreeSet<String>) -> Result<String, Reported> {
    if let Err(why) = Url::parse(&at.value) {
        return Err(report.refuse_value(&at, format!("not an issuer: {why}"), ""));
    }
    if !issuers.insert(at.value.clone()) {
        // Which of the two somebody came from could not be said.
        return Err(report.refuse_value(&at, "another provider has this issuer", "keep one of the two"));
    }
    text(report, at)
}

fn check_asked(report: &mut Report<'_>, scopes: Field<Vec<Read<String>>>) -> Result<Vec<String>, Reported> {
    let spot = scopes.get().map(|at| at.spot.clone());
    let scopes = check_scopes(report, scopes)?;
    let Some(scopes) = scopes else { return Ok(["openid", "profile", "email"].map(str::to_owned).to_vec()) };
    match spot.filter(|_| !scopes.iter().any(|it| it == "openid")) {
        Some(spot) => {
            Err(report.refuse(&spot, "`openid` is not among them", "without it nobody says who it is; add it"))
        }
        None => Ok(scopes),
    }
}

fn check_domain(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    match at.value.contains('.') && at.value.split('.').all(part) {
        true => text(report, at),
        false => {
            Err(report.refuse_value(&at, "not a domain", "write what stands behind the `@`, such as `bank.example`"))
        }
    }
}

fn check_create(report: &mut Report<'_>, field: Field<String>, spot: &Spot, some: bool) -> Result<bool, Reported> {
    let Some(at) = field.optional()? else { return Ok(false) };
    match at.value.as_str() {
        "no" | "false" => Ok(false),
        "anybody" => Ok(true),
        "yes" | "true" if some => Ok(true),
        "yes" | "true" => {
            let way_out = "name `domains` or `tenants`, or write `create: anybody`";
            Err(report.refuse(
                &Spot { key: format!("{}.create", spot.key), ..at.spot },
                "whoever the provider knows would get an account",
                way_out,
            ))
        }
        _ => {
            let near = report.nearest(&at.value, ["no", "yes", "anybody"].into_iter());
            Err(report.refuse_value(&at, "no such choice", did_you_mean(near, "write `no`, `yes` or `anybody`")))
        }
    }
}

fn check_claims(report: &mut Report<'_>, field: Field<RawClaims>) -> Result<Claims, Reported> {
    let Some(At { value: RawClaims { name, display_name, roles, tenant }, .. }) = field.optional()? else {
        return Ok(Claims::default());
    };
    let mut one = |field: Field<String>| field.optional().and_then(|at| at.map(|at| text(report, at)).transpose());
    let (name, display_name) = (one(name), one(display_name));
    let (roles, tenant) = (one(roles), one(tenant));
    let usual = Claims::default();
    Ok(Claims {
        name: name?.unwrap_or(usual.name),
        display_name: display_name?.unwrap_or(usual.display_name),
        roles: roles?,
        tenant: tenant?,
    })
}

fn check_roles(
    report: &mut Report<'_>,
    field: Field<Named<Read<String>>>,
) -> Result<BTreeMap<String, String>, Reported> {
    let Some(all) = field.optional()? else { return Ok(BTreeMap::new()) };
    if all.value.is_empty() || all.value.len() > NAMED_MAX {
        return Err(report.refuse(&all.spot, format!("there have to be 1 to {NAMED_MAX}"), "or delete the line"));
    }
    let mut checked = Vec::new();
    for (theirs, ours) in all.value {
        let theirs = text(report, theirs);
        let ours = ours.and_then(|at| match is_shown(&at.value, ROLE_BYTES_MAX) {
            true => Ok(at.value),
            false => Err(report.refuse_value(&at, format!("not a role: 1 to {ROLE_BYTES_MAX} plain characters"), "")),
        });
        checked.push(theirs.and_then(|theirs| Ok((theirs, ours?))));
    }
    checked.into_iter().collect()
}
