//! Checks what is left of a user's token on an edge.

use super::super::raw_edge::RawNarrow;
use super::super::reader::{At, Field, Report, Reported};
use super::slow_down::time;
use crate::api_key::is_scope;
use crate::narrow::{LIFE_S_MAX, Narrow, SCOPES_MAX};

/// `is_tcp` where nothing but connections is seen; `users` where some route of the gateway asks for users.
pub(super) fn check(
    report: &mut Report<'_>,
    (is_tcp, users): (bool, bool),
    narrow: Field<RawNarrow>,
) -> Result<Option<Narrow>, Reported> {
    let Some(At { value: RawNarrow { scopes, life }, spot }) = narrow.optional()? else { return Ok(None) };
    if is_tcp {
        let problem = "the callee speaks tcp, where no guard sees requests, nor for whom they are";
        return Err(report.refuse(&spot, problem, "delete the line"));
    }
    if !users {
        let problem = "no route of the gateway asks for a user, so there is no token to narrow";
        return Err(report.refuse(&spot, problem, "write `auth: user` at one, or delete the line"));
    }
    let nothing = matches!((&scopes, &life), (Field::Absent, Field::Absent));
    if nothing {
        return Err(report.refuse(&spot, "it narrows nothing", "name `scopes` or `life`, or delete the line"));
    }
    let life = time(report, life, 1_000..=LIFE_S_MAX * 1_000);
    let scopes = check_scopes(report, scopes);
    // Tokens end by the second.
    Ok(Some(Narrow { scopes: scopes?, life_s: life?.map(|ms| ms / 1_000) }))
}

fn check_scopes(
    report: &mut Report<'_>,
    scopes: Field<Vec<super::super::reader::Read<String>>>,
) -> Result<Option<Vec<String>>, Reported> {
    let Some(scopes) = scopes.optional()? else { return Ok(None) };
    if scopes.value.len() > SCOPES_MAX {
        let problem = format!("{} scopes, more than the {SCOPES_MAX} of a token", scopes.value.len());
        return Err(report.refuse(&scopes.spot, problem, ""));
    }
    let mut checked = Vec::new();
    for scope in scopes.value {
        checked.push(scope.and_then(|at| match is_scope(&at.value) {
            true => Ok(at.value),
            false => Err(report.refuse_value(&at, "not a scope: it has blanks, quotes or other characters", "")),
        }));
    }
    checked.into_iter().collect::<Result<_, _>>().map(Some)
}
