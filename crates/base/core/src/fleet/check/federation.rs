//! Checks what is said of other trust domains.

use super::super::raw_federation::{RawDomain, RawEndpoint, RawFederation};
use super::super::reader::{At, Field, Read, Report, Reported, Spot, did_you_mean};
use super::other::{Others, RawOther};
use super::ports::Ports;
use super::{Known, os_text, required};
use crate::federation::{
    DOMAINS_MAX, Endpoint, Federation, Foreign, PATHS_MAX, Profile, REFRESH_S, REFRESH_S_MAX, REFRESH_S_MIN, Url,
    WebFiles,
};
use crate::name::{SpiffeId, TrustDomain};
use crate::path::PathPattern;
use std::collections::BTreeMap;

/// `own` is `None` where the fleet's own domain made no sense. What its workloads call goes into `others`.
pub(super) fn check(
    report: &mut Report<'_>,
    own: Option<&TrustDomain>,
    services: &Known,
    ports: &mut Ports,
    others: &mut Others,
    federation: Field<RawFederation>,
) -> Result<Federation, Reported> {
    let Some(At { value: RawFederation { endpoint, domains }, .. }) = federation.optional()? else {
        return Ok(Federation::default());
    };
    let endpoint = endpoint.optional().and_then(|at| at.map(|at| check_endpoint(report, ports, at)).transpose());
    let mut checked = Vec::new();
    if let Some(domains) = domains.optional()? {
        if domains.value.len() > DOMAINS_MAX {
            let problem = format!("{} trust domains, more than {DOMAINS_MAX}", domains.value.len());
            return Err(report.refuse(&domains.spot, problem, "every guard holds the roots of all"));
        }
        let names: Vec<&str> = domains.value.iter().map(|(name, _)| name.value.as_str()).collect();
        let known: Vec<String> = names.iter().copied().chain(own.map(TrustDomain::as_str)).map(str::to_owned).collect();
        for (name, body) in domains.value {
            if let Ok(body) = &body {
                check_vouched(report, &known, &body.value.endpoint_id);
            }
            let domain = check_name(report, own, &name);
            let foreign =
                body.and_then(|body| check_domain(report, services, ports, others, domain.as_ref().ok(), body));
            checked.push(domain.and_then(|domain| Ok((domain, foreign?))));
        }
    }
    let domains = checked.into_iter().collect::<Result<BTreeMap<_, _>, _>>();
    Ok(Federation { endpoint: endpoint?, domains: domains? })
}

fn check_name(report: &mut Report<'_>, own: Option<&TrustDomain>, name: &At<String>) -> Result<TrustDomain, Reported> {
    let domain = TrustDomain::parse(&name.value)
        .map_err(|e| report.refuse(&name.spot, format!("not a trust domain: {}", e.why), ""))?;
    if own == Some(&domain) {
        let problem = "that is the fleet's own trust domain, and its roots come from its own CA alone";
        return Err(report.refuse(&name.spot, problem, "two fleets that trust each other need two names"));
    }
    Ok(domain)
}

/// The endpoint is recognised by the roots of the domain in its name: those have to be known.
fn check_vouched(report: &mut Report<'_>, known: &[String], endpoint_id: &Field<String>) {
    let Some(at) = endpoint_id.get() else { return };
    if let Ok(id) = SpiffeId::parse(&at.value)
        && !known.iter().any(|domain| domain == id.domain())
    {
        let way_out = "it has to be of a trust domain that is named here";
        report.refuse_value(at, "nobody here knows the roots of its trust domain", way_out);
    }
}

fn check_endpoint(report: &mut Report<'_>, ports: &mut Ports, at: At<RawEndpoint>) -> Result<Endpoint, Reported> {
    let At { value: RawEndpoint { listen, profile, certificate, key, refresh_seconds }, spot } = at;
    let listen = required(report, listen, &spot, "listen", "say where others find it, such as `0.0.0.0:8444`")
        .and_then(|at| ports.anywhere(report, &at));
    let is_web = check_profile(report, profile.optional());
    let refresh_s = check_refresh(report, refresh_seconds);
    let web = match is_web? {
        Some(true) => {
            let certificate = required(report, certificate, &spot, "certificate", "name a PEM file")
                .and_then(|at| os_text(report, at));
            let key = required(report, key, &spot, "key", "name a PEM file").and_then(|at| os_text(report, at));
            Some(WebFiles { certificate: certificate?, key: key? })
        }
        _ => {
            let problem = "only `https_web` has a certificate of its own";
            unwanted(report, certificate, problem).and(unwanted(report, key, problem))?;
            None
        }
    };
    Ok(Endpoint { listen: listen?, web, refresh_s: refresh_s? })
}

fn check_refresh(report: &mut Report<'_>, field: Field<String>) -> Result<u32, Reported> {
    let Some(at) = field.optional()? else { return Ok(REFRESH_S) };
    at.value.parse().ok().filter(|s| (REFRESH_S_MIN..=REFRESH_S_MAX).contains(s)).ok_or_else(|| {
        report.refuse_value(&at, format!("not a number of seconds from {REFRESH_S_MIN} to {REFRESH_S_MAX}"), "")
    })
}

/// Whether it is `https_web`; `None` where nothing is said.
fn check_profile(
    report: &mut Report<'_>,
    profile: Result<Option<At<String>>, Reported>,
) -> Result<Option<bool>, Reported> {
    let Some(at) = profile? else { return Ok(None) };
    match at.value.as_str() {
        "https_web" => Ok(Some(true)),
        "https_spiffe" => Ok(Some(false)),
        _ => {
            let near = report.nearest(&at.value, ["https_web", "https_spiffe"].into_iter());
            let way_out = did_you_mean(near, "known are `https_web` and `https_spiffe`");
            Err(report.refuse_value(&at, "no such profile", way_out))
        }
    }
}

fn check_domain(
    report: &mut Report<'_>,
    known: &Known,
    ports: &mut Ports,
    others: &mut Others,
    domain: Option<&TrustDomain>,
    body: At<RawDomain>,
) -> Result<Foreign, Reported> {
    let At { value: RawDomain { url, profile, endpoint_id, bundle, roots, paths, workloads }, spot } = body;
    let url = required(report, url, &spot, "url", "say where its bundle is, such as `https://partner.example:8444/`")
        .and_then(|at| {
            Url::parse(&at.value).map_err(|why| report.refuse_value(&at, "not an address of a bundle", why))
        });
    let profile = required(report, profile, &spot, "profile", "`https_web` or `https_spiffe`")
        .and_then(|at| check_profile(report, Ok(Some(at))))
        .and_then(|is_web| check_source(report, &spot, is_web == Some(true), endpoint_id, bundle, roots));
    let paths = check_paths(report, paths);
    let allowed = paths.as_ref().map(Vec::as_slice).unwrap_or_default();
    for (name, body) in workloads.optional()?.into_iter().flat_map(|at| at.value) {
        let body = body?.value;
        let id = check_id(report, domain, allowed, &name.spot, body.id).ok();
        let raw = RawOther { calls: body.calls, mesh: body.mesh, protocol: body.protocol };
        others.add(report, known, ports, &name, id, raw);
    }
    Ok(Foreign { url: url?, profile: profile?, paths: paths? })
}

fn check_source(
    report: &mut Report<'_>,
    spot: &Spot,
    is_web: bool,
    endpoint_id: Field<String>,
    bundle: Field<String>,
    roots: Field<String>,
) -> Result<Profile, Reported> {
    if is_web {
        let problem = "it is for `https_spiffe` alone";
        unwanted(report, endpoint_id, problem).and(unwanted(report, bundle, problem))?;
        let roots = roots.optional()?.map(|at| os_text(report, at)).transpose()?;
        return Ok(Profile::Web(roots));
    }
    unwanted(report, roots, "it is for `https_web` alone")?;
    let id = required(
        report,
        endpoint_id,
        spot,
        "endpoint_id",
        "say who it is, such as `spiffe://partner.example/bartizan/control`",
    )
    .and_then(|at| {
        SpiffeId::parse(&at.value).map_err(|e| report.refuse_value(&at, format!("not a SPIFFE ID: {}", e.why), ""))
    });
    let way_out = "save what the endpoint gives, and compare it with its owner: by it the endpoint is recognised";
    let bundle = required(report, bundle, spot, "bundle", way_out).and_then(|at| os_text(report, at));
    Ok(Profile::Spiffe { id: id?, bundle: bundle? })
}

fn unwanted(report: &mut Report<'_>, field: Field<String>, problem: &str) -> Result<(), Reported> {
    match field.optional()? {
        None => Ok(()),
        Some(at) => Err(report.refuse_value(&at, problem, "delete the line, or choose the other profile")),
    }
}

fn check_paths(report: &mut Report<'_>, paths: Field<Vec<Read<String>>>) -> Result<Vec<PathPattern>, Reported> {
    let Some(paths) = paths.optional()? else { return Ok(Vec::new()) };
    if paths.value.is_empty() || paths.value.len() > PATHS_MAX {
        let problem = format!("expected 1 to {PATHS_MAX} patterns");
        return Err(report.refuse(&paths.spot, problem, "delete the key where any path will do"));
    }
    let mut checked: Vec<Result<_, Reported>> = Vec::new();
    for path in paths.value {
        checked.push(path.and_then(|at| {
            PathPattern::parse(&at.value)
                .map_err(|e| report.refuse_value(&at, format!("not a path pattern: {}", e.why()), "such as `/svc/**`"))
        }));
    }
    checked.into_iter().collect()
}

fn check_id(
    report: &mut Report<'_>,
    domain: Option<&TrustDomain>,
    allowed: &[PathPattern],
    spot: &Spot,
    id: Field<String>,
) -> Result<SpiffeId, Reported> {
    let at = required(report, id, spot, "id", "give the path of its SPIFFE ID, such as `/svc/billing`")?;
    if !at.value.starts_with('/') {
        return Err(report.refuse_value(&at, "not a path", "begin it with `/`; the trust domain is the one above"));
    }
    // Where the domain is bad, that was reported; any other one tells as well whether the path is good.
    let text = format!("spiffe://{}{}", domain.map_or("domain", TrustDomain::as_str), at.value);
    let id = SpiffeId::parse(&text)
        .map_err(|e| report.refuse_value(&at, format!("not the path of a SPIFFE ID: {}", e.why), ""))?;
    if !allowed.is_empty() && !allowed.iter().any(|path| path.matches(id.path())) {
        return Err(report.refuse_value(&at, "not among the `paths` of its trust domain", "add it there"));
    }
    Ok(id)
}
