//! Checks who may send signed events, and which routes take whose.

use super::super::raw_senders::RawSender;
use super::super::reader::{At, Field, Named, Read, Report, Reported, did_you_mean};
use super::cors::each;
use super::{edge, os_text, required};
use crate::name::ServiceName;
use crate::signed::{
    EVENT_BYTES, EVENT_BYTES_MAX, EventRule, EventSender, ROUTE_SENDERS_MAX, SENDERS_MAX, Scheme, TOLERANCE_S,
    TOLERANCE_S_MAX, TOLERANCE_S_MIN,
};
use std::collections::BTreeMap;

/// The senders, by name.
pub(super) type Senders = BTreeMap<ServiceName, EventSender>;

pub(super) fn check(report: &mut Report<'_>, field: Field<Named<Read<RawSender>>>) -> Result<Senders, Reported> {
    let Some(senders) = field.optional()? else { return Ok(Senders::new()) };
    if senders.value.is_empty() || senders.value.len() > SENDERS_MAX {
        let problem = format!("there have to be 1 to {SENDERS_MAX}");
        return Err(report.refuse(&senders.spot, problem, "name one, or delete the line"));
    }
    let mut checked: Vec<Result<(ServiceName, EventSender), Reported>> = Vec::new();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (name, raw) in senders.value {
        let good = ServiceName::parse(&name.value)
            .map_err(|e| report.refuse_value(&name, format!("not a name: {}", e.why), ""));
        let sender = raw.and_then(|at| check_sender(report, at));
        let sender = sender.and_then(|sender| match files.insert(sender.file.clone(), name.value.clone()) {
            None => Ok(sender),
            Some(other) => {
                let problem =
                    format!("`{other}` signs by the same file, so nobody could tell which of them sent something");
                Err(report.refuse(&name.spot, problem, "give each a secret of its own"))
            }
        });
        checked.push(good.and_then(|name| Ok((name, sender?))));
    }
    checked.into_iter().collect()
}

fn check_sender(report: &mut Report<'_>, at: At<RawSender>) -> Result<EventSender, Reported> {
    let At { value: RawSender { scheme, secret_file, keys_file, tolerance, spot }, .. } = at;
    let words = Scheme::ALL.map(Scheme::as_str);
    let way_out = format!("choose among {}", words.join(", "));
    let scheme = required(report, scheme, &spot, "scheme", &way_out).and_then(|at| {
        Scheme::parse(&at.value).ok_or_else(|| {
            let near = report.nearest(&at.value, words.iter().copied());
            report.refuse_value(&at, "not a way to sign events", did_you_mean(near, &way_out))
        })
    });
    let tolerance_s = check_tolerance(report, scheme.as_ref().ok().copied(), tolerance);
    let scheme = scheme?;
    let (file, other, key, instead) = match scheme.is_shared() {
        true => (secret_file, keys_file, "secret_file", "`secret_file`: this scheme has a secret that both share"),
        false => (keys_file, secret_file, "keys_file", "`keys_file`: this scheme has public keys, and no secret"),
    };
    if let Some(at) = other.get() {
        return Err(report.refuse(&at.spot, "cannot be used with this scheme", format!("write {instead}")));
    }
    let file = required(report, file, &spot, key, "name the file, such as `secrets/billing`");
    Ok(EventSender { scheme, file: file.and_then(|at| os_text(report, at))?, tolerance_s: tolerance_s? })
}

fn check_tolerance(report: &mut Report<'_>, scheme: Option<Scheme>, field: Field<String>) -> Result<u32, Reported> {
    let Some(at) = field.optional()? else { return Ok(TOLERANCE_S) };
    if scheme.is_some_and(|scheme| !scheme.is_timed()) {
        let problem = "its events do not say when they were signed, so this could not be enforced";
        return Err(report.refuse(&at.spot, problem, "delete the line, or choose a scheme that says it"));
    }
    let parts = [("min", 60), ("s", 1)].into_iter().find_map(|(unit, s)| Some((at.value.strip_suffix(unit)?, s)));
    let whole = parts.filter(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()));
    let found = whole.and_then(|(digits, s)| digits.parse::<u32>().ok()?.checked_mul(s));
    found.filter(|s| (TOLERANCE_S_MIN..=TOLERANCE_S_MAX).contains(s)).ok_or_else(|| {
        let problem = format!("not a time from {TOLERANCE_S_MIN}s to {}min", TOLERANCE_S_MAX / 60);
        report.refuse_value(&at, problem, "write it as `2min` or `90s`; delete the line for 5min")
    })
}

/// What a route says of events.
pub(super) struct OfRoute {
    pub(super) events: Field<Vec<Read<String>>>,
    pub(super) bytes_max: Field<String>,
}

/// `senders` is `None` where they made no sense themselves, which was reported.
pub(super) fn check_route(
    report: &mut Report<'_>,
    senders: Option<&Senders>,
    OfRoute { events, bytes_max }: OfRoute,
) -> Result<Option<EventRule>, Reported> {
    let Some(from) = events.optional()? else {
        let Some(at) = bytes_max.optional()? else { return Ok(None) };
        return Err(report.refuse(
            &at.spot,
            "there are no `events` here",
            "name senders under `events`, or delete the line",
        ));
    };
    let from = each(report, from, ROUTE_SENDERS_MAX, |report, at| {
        let name =
            ServiceName::parse(&at.value).map_err(|e| report.refuse_value(at, format!("not a name: {}", e.why), ""))?;
        match senders {
            Some(senders) if !senders.contains_key(&name) => {
                let near = report.nearest(&at.value, senders.keys().map(ServiceName::as_str));
                let way_out = did_you_mean(near, "declare it under `senders` of the gateway");
                Err(report.refuse_value(at, "no such sender", way_out))
            }
            _ => Ok(name),
        }
    });
    let bytes_max = edge::number(report, bytes_max, 1..=EVENT_BYTES_MAX);
    Ok(Some(EventRule { from: from?, bytes_max: bytes_max?.unwrap_or(EVENT_BYTES) }))
}
