//! Checks who calls without needing the answer.

use super::super::Other;
use super::super::reader::{At, Field, Named, Read, Report, Reported, did_you_mean};
use super::Known;
use crate::name::ServiceName;
use crate::synthetic::Synthetic;
use std::collections::BTreeMap;

/// What the file says, by the name of whoever calls. `others` are those beside the services who take part in calls; `None` where that
/// is not known, which was reported.
pub(super) fn check(
    report: &mut Report<'_>,
    known: &Known,
    others: Option<&BTreeMap<ServiceName, Other>>,
    field: Field<Named<Read<String>>>,
) -> Result<BTreeMap<ServiceName, Synthetic>, Reported> {
    let Some(named) = field.optional()? else { return Ok(BTreeMap::new()) };
    let all: Vec<_> = named.value.into_iter().map(|(name, word)| one(report, known, others, &name, word)).collect();
    all.into_iter().collect()
}

fn one(
    report: &mut Report<'_>,
    known: &Known,
    others: Option<&BTreeMap<ServiceName, Other>>,
    name: &At<String>,
    word: Read<String>,
) -> Result<(ServiceName, Synthetic), Reported> {
    let caller = caller(report, known, others, name);
    let word = word?;
    let synthetic = Synthetic::parse(&word.value).ok_or_else(|| {
        let near = report.nearest(&word.value, Synthetic::ALL.into_iter().map(Synthetic::as_str));
        let way_out = did_you_mean(near, "write `checks` for checks of health, or `drill` for attacks that are none");
        report.refuse_value(&word, "neither `checks` nor `drill`", way_out)
    })?;
    Ok((caller?, synthetic))
}

/// Whoever it is has an identity of the fleet: what comes from outside could say anything.
fn caller(
    report: &mut Report<'_>,
    known: &Known,
    others: Option<&BTreeMap<ServiceName, Other>>,
    name: &At<String>,
) -> Result<ServiceName, Reported> {
    let is_service = known.is_service(&name.value) && known.has_guard(&name.value);
    let calls = |it: &ServiceName| is_service || others.is_none_or(|others| others.contains_key(it));
    ServiceName::parse(&name.value).ok().filter(calls).ok_or_else(|| {
        let near = report.nearest(&name.value, known.services.keys().map(String::as_str));
        let way_out = did_you_mean(
            near,
            "name a service with a guard, or a workload that calls; who comes from outside has no name to go by",
        );
        report.refuse(&name.spot, "nobody calls with an identity of that name", way_out)
    })
}
