//! Checks the workloads: who they are, and what a program has to be to be one.

use super::super::raw_workload::{RawContainer, RawSelectors, RawWorkload};
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use super::other::{Others, RawOther};
use super::ports::Ports;
use super::{Known, ambiguous, os_text, pod, required};
use crate::name::{ServiceName, SpiffeId, TrustDomain};
use crate::workload::{
    DNS_NAMES_MAX, Entry, PATH_BYTES_MAX, Selectors, TTL_S_MAX, TTL_S_MIN, UNIT_BYTES_MAX, WORKLOADS_MAX, is_reserved,
};
use std::collections::BTreeMap;
use std::mem;

/// Longest DNS name in bytes (RFC 1035 section 2.3.4, without the closing dot).
const DNS_BYTES_MAX: usize = 253;
/// Longest label of a DNS name in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// Every workload; `domain` is `None` where it made no sense itself. Those that take part in calls go into `others` too.
pub(super) fn check_all(
    report: &mut Report<'_>,
    domain: Option<&TrustDomain>,
    known: &Known,
    ports: &mut Ports,
    others: &mut Others,
    workloads: Field<Named<Read<RawWorkload>>>,
) -> Result<BTreeMap<ServiceName, Entry>, Reported> {
    let Some(workloads) = workloads.optional()? else { return Ok(BTreeMap::new()) };
    if workloads.value.len() > WORKLOADS_MAX {
        let problem = format!("{} workloads, more than {WORKLOADS_MAX}", workloads.value.len());
        return Err(report.refuse(&workloads.spot, problem, "split the fleet"));
    }
    let mut checked = Vec::with_capacity(workloads.value.len());
    let mut seen: BTreeMap<(SpiffeId, Option<ServiceName>, Selectors), ServiceName> = BTreeMap::new();
    for (name, body) in workloads.value {
        let entry = body.and_then(|mut body| {
            let RawWorkload { calls, mesh, protocol, .. } = &mut body.value;
            let other = RawOther { calls: mem::take(calls), mesh: mem::take(mesh), protocol: mem::take(protocol) };
            let entry = check(report, domain, &name, body.value);
            if other.takes_part() {
                let id = entry.as_ref().ok().map(|entry| entry.id.clone());
                others.add(report, known, ports, &name, id, other);
            }
            entry
        });
        let entry = entry.and_then(|entry| {
            let key = (entry.id.clone(), entry.node.clone(), entry.selectors.clone());
            match seen.insert(key, entry.name.clone()) {
                None => Ok((entry.name.clone(), (name.spot.clone(), entry))),
                Some(other) => {
                    let problem = format!("the same identity and the same selectors as `{other}`");
                    Err(report.refuse(&name.spot, problem, "keep one of the two"))
                }
            }
        });
        checked.push(entry);
    }
    let checked: BTreeMap<ServiceName, (Spot, Entry)> = checked.into_iter().collect::<Result<_, _>>()?;
    ambiguous::warn(report, &checked);
    Ok(checked.into_iter().map(|(name, (_, entry))| (name, entry)).collect())
}

fn check(
    report: &mut Report<'_>,
    domain: Option<&TrustDomain>,
    name: &At<String>,
    body: RawWorkload,
) -> Result<Entry, Reported> {
    let parsed = ServiceName::parse(&name.value)
        .map_err(|e| report.refuse(&name.spot, format!("not a name: {}", e.why), "rename it"));
    let RawWorkload { id, node, selectors, ttl_s, jwt, dns, sole, .. } = body;
    let id = check_id(report, domain, name, id);
    let node = node.optional().and_then(|at| at.map(|at| check_node(report, &at)).transpose());
    let selectors =
        required(report, selectors, &name.spot, "selectors", "say what a program has to be, such as its `path`")
            .and_then(|at| check_selectors(report, at));
    let ttl_s = ttl_s.optional().and_then(|at| at.map(|at| check_ttl(report, &at)).transpose());
    let jwt = jwt.optional().and_then(|at| at.map_or(Ok(false), |at| check_flag(report, &at)));
    let sole = sole.optional().and_then(|at| at.map_or(Ok(false), |at| check_flag(report, &at)));
    let dns = check_dns(report, dns);
    Ok(Entry {
        name: parsed?,
        id: id?,
        node: node?,
        selectors: selectors?,
        ttl_s: ttl_s?,
        jwt: jwt?,
        dns: dns?,
        sole: sole?,
    })
}

fn check_id(
    report: &mut Report<'_>,
    domain: Option<&TrustDomain>,
    name: &At<String>,
    id: Field<String>,
) -> Result<SpiffeId, Reported> {
    let written = id.optional()?;
    let path = written.as_ref().map_or_else(|| format!("/workload/{}", name.value), |at| at.value.clone());
    let at = written.unwrap_or_else(|| At { value: path.clone(), spot: name.spot.clone() });
    if !path.starts_with('/') {
        return Err(report.refuse_value(&at, "not a path", "begin it with `/`; the trust domain is that of the fleet"));
    }
    if is_reserved(&path) {
        let way_out = "paths under `/svc` and `/bartizan` are those of services, nodes and control; take another";
        return Err(report.refuse_value(&at, "the path is taken", way_out));
    }
    // Where the domain is bad, that was reported; any other one tells as well whether the path is good.
    let text = format!("spiffe://{}{path}", domain.map_or("domain", TrustDomain::as_str));
    SpiffeId::parse(&text).map_err(|e| report.refuse_value(&at, format!("not the path of a SPIFFE ID: {}", e.why), ""))
}

fn check_node(report: &mut Report<'_>, at: &At<String>) -> Result<ServiceName, Reported> {
    ServiceName::parse(&at.value).map_err(|e| report.refuse_value(at, format!("not a node's name: {}", e.why), ""))
}

fn check_selectors(report: &mut Report<'_>, at: At<RawSelectors>) -> Result<Selectors, Reported> {
    let RawSelectors { uid, gid, path, sha256, unit, container, kubernetes } = at.value;
    let uid = check_number(report, uid);
    let gid = check_number(report, gid);
    let path = path.optional().and_then(|at| at.map(|at| check_path(report, at)).transpose());
    let sha256 = sha256.optional().and_then(|at| at.map(|at| check_sha256(report, at)).transpose());
    let unit = unit.optional().and_then(|at| at.map(|at| check_unit(report, at)).transpose());
    let image_digest = container.optional().and_then(|at| at.map(|at| check_container(report, at)).transpose());
    let kubernetes = kubernetes.optional().and_then(|at| at.map(|at| pod::check(report, at)).transpose());
    let (uid, gid, path, sha256, unit) = (uid?, gid?, path?, sha256?, unit?);
    let selectors = Selectors { uid, gid, path, sha256, unit, image_digest: image_digest?, kubernetes: kubernetes? };
    if selectors.is_empty() {
        return Err(report.refuse(&at.spot, "no selector: every program would match", "give at least one"));
    }
    Ok(selectors)
}

fn check_number(report: &mut Report<'_>, field: Field<String>) -> Result<Option<u32>, Reported> {
    let Some(at) = field.optional()? else { return Ok(None) };
    // The largest one is what the kernel calls nobody at all.
    match digits(&at.value).and_then(|number| u32::try_from(number).ok()).filter(|number| *number < u32::MAX) {
        Some(number) => Ok(Some(number)),
        None => Err(report.refuse_value(&at, "not a number of a user or group", "names are not looked up; `id` tells")),
    }
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn check_path(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let parts = || at.value.split('/').skip(1);
    if !at.value.starts_with('/') || parts().any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(report.refuse_value(
            &at,
            "not the absolute path of an executable",
            "write it as `readlink -f` prints it",
        ));
    }
    if at.value.len() > PATH_BYTES_MAX {
        return Err(report.refuse_value(&at, format!("longer than {PATH_BYTES_MAX} bytes"), ""));
    }
    os_text(report, at)
}

fn check_sha256(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let is_hex = at.value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if at.value.len() != 64 || !is_hex {
        return Err(report.refuse_value(&at, "not 64 lower-case hex digits", "`sha256sum` prints them"));
    }
    Ok(at.value)
}

fn check_container(report: &mut Report<'_>, at: At<RawContainer>) -> Result<String, Reported> {
    let RawContainer { image_digest } = at.value;
    let at = required(report, image_digest, &at.spot, "image_digest", "say which image, or delete `container`")?;
    let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !at.value.strip_prefix("sha256:").is_some_and(is_hex) {
        let way_out = "expected `sha256:` and 64 lower-case hex digits; `docker images --digests` prints them";
        return Err(report.refuse_value(&at, "not the digest of an image", way_out));
    }
    Ok(at.value)
}

fn check_unit(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\' | b'@');
    let is_unit = [".service", ".scope"].iter().any(|end| at.value.len() > end.len() && at.value.ends_with(end));
    if !is_unit || at.value.len() > UNIT_BYTES_MAX || !at.value.bytes().all(allowed) {
        return Err(report.refuse_value(
            &at,
            "not a systemd unit",
            "write it with its ending, such as `ledger.service`",
        ));
    }
    Ok(at.value)
}

fn check_ttl(report: &mut Report<'_>, at: &At<String>) -> Result<u64, Reported> {
    digits(&at.value)
        .filter(|ttl| (TTL_S_MIN..=TTL_S_MAX).contains(ttl))
        .ok_or_else(|| report.refuse_value(at, format!("not a number of seconds from {TTL_S_MIN} to {TTL_S_MAX}"), ""))
}

fn check_flag(report: &mut Report<'_>, at: &At<String>) -> Result<bool, Reported> {
    match at.value.as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(report.refuse_value(at, "expected `true` or `false`", "")),
    }
}

fn check_dns(report: &mut Report<'_>, dns: Field<Vec<Read<String>>>) -> Result<Vec<String>, Reported> {
    let Some(names) = dns.optional()? else { return Ok(Vec::new()) };
    if names.value.len() > DNS_NAMES_MAX {
        let problem = format!("{} names, more than {DNS_NAMES_MAX}", names.value.len());
        return Err(report.refuse(&names.spot, problem, ""));
    }
    names.value.into_iter().map(|name| check_dns_name(report, name?)).collect()
}

fn check_dns_name(report: &mut Report<'_>, at: At<String>) -> Result<String, Reported> {
    let label = |label: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = !label.is_empty() && label.len() <= LABEL_BYTES_MAX && label.bytes().all(allowed);
        fits && !label.starts_with('-') && !label.ends_with('-')
    };
    if at.value.len() > DNS_BYTES_MAX || !at.value.split('.').all(label) {
        let way_out = "lower-case labels with dots between them, such as `report.bank.example`; no wildcard";
        return Err(report.refuse_value(&at, "not a DNS name", way_out));
    }
    Ok(at.value)
}
