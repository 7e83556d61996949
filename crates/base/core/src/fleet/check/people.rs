//! Checks how people sign in.

use super::super::raw_people::RawPeople;
use super::super::reader::{At, Field, Report, Reported, did_you_mean};
use super::upstream;
use crate::people::{IDLE, ROLE_BYTES_MAX, ROLES_MAX, Rules, SESSIONS, SESSIONS_MAX, is_shown};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn check(report: &mut Report<'_>, at: At<RawPeople>) -> Result<Rules, Reported> {
    let At { value: RawPeople { sessions, idle, second_factor, second_factor_for, providers }, .. } = at;
    let sessions = span(report, sessions, SESSIONS, SESSIONS_MAX);
    let unused = idle.get().map(|at| (at.spot.clone(), at.value.clone()));
    let idle = span(report, idle, IDLE, SESSIONS_MAX);
    let second_factor = check_second_factor(report, second_factor);
    let second_factor_for = check_roles(report, second_factor_for);
    let providers =
        providers.optional().and_then(|at| at.map_or(Ok(BTreeMap::new()), |at| upstream::check(report, at)));
    let (sessions, idle) = (sessions?, idle?);
    if let Some((spot, value)) = unused.filter(|_| idle > sessions) {
        let problem = "longer than a session lasts at most";
        return Err(report.refuse_value(&At { value, spot }, problem, "make it shorter, or `sessions` longer"));
    }
    let (second_factor, second_factor_for) = (second_factor?, second_factor_for?);
    Ok(Rules { sessions, idle: idle.min(sessions), second_factor, second_factor_for, providers: providers? })
}

/// A time such as `90s`, `30m`, `12h` or `7d`.
pub(super) fn span(
    report: &mut Report<'_>,
    field: Field<String>,
    otherwise: Duration,
    longest: Duration,
) -> Result<Duration, Reported> {
    let Some(at) = field.optional()? else { return Ok(otherwise) };
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
    let read = units.into_iter().find_map(|(unit, unit_s)| {
        let number = at.value.strip_suffix(unit).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        number.parse::<u64>().ok()?.checked_mul(unit_s).map(Duration::from_secs)
    });
    let read = read.filter(|time| !time.is_zero() && *time <= longest);
    let problem = || format!("not a time from 1s to {}d", longest.as_secs() / 86_400);
    read.ok_or_else(|| report.refuse_value(&at, problem(), "write it as `45m` or `12h`"))
}

fn check_second_factor(report: &mut Report<'_>, field: Field<String>) -> Result<bool, Reported> {
    let Some(at) = field.optional()? else { return Ok(false) };
    match at.value.as_str() {
        "optional" => Ok(false),
        "required" => Ok(true),
        _ => {
            let near = report.nearest(&at.value, ["optional", "required"].into_iter());
            let way_out = did_you_mean(near, "write `optional` or `required`, or name roles in `second_factor_for`");
            Err(report.refuse_value(&at, "no such choice", way_out))
        }
    }
}

fn check_roles(
    report: &mut Report<'_>,
    field: Field<Vec<super::super::reader::Read<String>>>,
) -> Result<Vec<String>, Reported> {
    let Some(all) = field.optional()? else { return Ok(Vec::new()) };
    if all.value.is_empty() || all.value.len() > ROLES_MAX {
        return Err(report.refuse(&all.spot, format!("there have to be 1 to {ROLES_MAX}"), "or delete the line"));
    }
    let one = |at: At<String>, report: &mut Report<'_>| match is_shown(&at.value, ROLE_BYTES_MAX) {
        true => Ok(at.value),
        false => Err(report.refuse_value(&at, format!("not a role: 1 to {ROLE_BYTES_MAX} plain characters"), "")),
    };
    let all: Vec<_> = all.value.into_iter().map(|at| at.and_then(|at| one(at, report))).collect();
    all.into_iter().collect()
}
