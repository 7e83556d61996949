//! Checks where calls to a service go besides the service itself.

use super::super::Protocol;
use super::super::raw_edge::RawMirror;
use super::super::reader::{At, Field, Named, Read, Report, Reported};
use super::edge::share;
use super::{Known, required};
use crate::edge::{Mirror, Mtls, Share, Versions};
use crate::limits::WEIGHT_MAX;
use crate::name::ServiceName;

/// Most versions of one service, a count: what anybody can keep apart.
const VERSIONS_MAX: usize = 16;

pub(super) fn check(
    report: &mut Report<'_>,
    known: &Known,
    own: &str,
    protocol: Option<Protocol>,
    split: Field<Named<Read<String>>>,
    mirror: Field<RawMirror>,
) -> Result<Versions, Reported> {
    let split = split.optional().and_then(|at| at.map(|at| check_split(report, known, own, protocol, at)).transpose());
    let mirror =
        mirror.optional().and_then(|at| at.map(|at| check_mirror(report, known, own, protocol, at)).transpose());
    Ok(Versions { split: split?.unwrap_or_default(), mirror: mirror? })
}

fn check_split(
    report: &mut Report<'_>,
    known: &Known,
    own: &str,
    protocol: Option<Protocol>,
    split: At<Named<Read<String>>>,
) -> Result<Vec<(ServiceName, u16)>, Reported> {
    if split.value.len() > VERSIONS_MAX {
        let problem = format!("{} versions, more than {VERSIONS_MAX}", split.value.len());
        return Err(report.refuse(&split.spot, problem, "delete those that get nothing"));
    }
    let mut checked = Vec::new();
    for (name, weight) in split.value {
        let version = known
            .resolve(report, &name, "declare it under services, or delete it here")
            .and_then(|version| same_protocol(report, known, &name, own, protocol).map(|()| version));
        let weight = weight.and_then(|at| {
            let read = at.value.parse::<u16>().ok().filter(|weight| *weight <= WEIGHT_MAX);
            let problem = format!("not a whole number from 0 to {WEIGHT_MAX}");
            read.ok_or_else(|| report.refuse_value(&at, problem, "weights are parts of their sum, such as 90 and 10"))
        });
        checked.push(version.and_then(|version| Ok((version, weight?))));
    }
    let checked: Vec<_> = checked.into_iter().collect::<Result<_, _>>()?;
    if checked.iter().all(|(_, weight)| *weight == 0) {
        return Err(report.refuse(&split.spot, "nobody gets anything", "give one a weight, or delete `split`"));
    }
    Ok(checked)
}

fn check_mirror(
    report: &mut Report<'_>,
    known: &Known,
    own: &str,
    protocol: Option<Protocol>,
    mirror: At<RawMirror>,
) -> Result<Mirror, Reported> {
    let At { value: RawMirror { to, share: of }, spot } = mirror;
    let share = share(report, of).map(|share| share.unwrap_or(Share::ALL));
    let to = required(report, to, &spot, "to", "name the service that gets the copies").and_then(|at| {
        if at.value == own {
            return Err(report.refuse_value(&at, "a service gets no copies of its own calls", "name another"));
        }
        let to = known.resolve(report, &at, "declare it under services, or delete `mirror`")?;
        same_protocol(report, known, &at, own, protocol)?;
        Ok(to)
    });
    if !matches!(protocol, Some(Protocol::Http) | None) {
        let problem = "only calls over http can be copied";
        return Err(report.refuse(&spot, problem, "say `protocol: http`, or delete `mirror`"));
    }
    Ok(Mirror { to: to?, share: share? })
}

/// A call is made before anybody knows which version gets it.
fn same_protocol(
    report: &mut Report<'_>,
    known: &Known,
    version: &At<String>,
    own: &str,
    protocol: Option<Protocol>,
) -> Result<(), Reported> {
    match (protocol, known.protocol(&version.value)) {
        (Some(ours), Some(theirs)) if ours != theirs => {
            let problem = format!("it speaks another protocol than `{own}`");
            Err(report.refuse(&version.spot, problem, "give both the same `protocol`"))
        }
        _ => Ok(()),
    }
}

/// `mtls: permissive`.
pub(super) fn check_mtls(report: &mut Report<'_>, mtls: Field<String>) -> Result<Mtls, Reported> {
    let Some(at) = mtls.optional()? else { return Ok(Mtls::Strict) };
    match at.value.as_str() {
        "strict" => Ok(Mtls::Strict),
        "permissive" => {
            let problem = "callers without mutual TLS are taken, and nobody knows who they are";
            report.warn(&at.spot, problem, "`bartizan plaintext` shows who they are; then say `mtls: strict`");
            Ok(Mtls::Permissive)
        }
        _ => Err(report.refuse_value(&at, "neither `strict` nor `permissive`", "delete the line for `strict`")),
    }
}
