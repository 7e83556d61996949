//! Checks who has a guard, and that nothing is asked of a guard where none stands.

use super::super::raw::{RawCall, RawGateway, RawService, RawVia};
use super::super::raw_guards::RawGuards;
use super::super::reader::{At, Field, Read, Report, Reported, Spot, did_you_mean};
use super::Known;
use crate::capture::Means;
use std::collections::HashSet;

/// Who is let in by the gateway, and to whom.
pub(super) fn clients(gateway: &Field<RawGateway>) -> HashSet<(String, String)> {
    let routes = gateway.get().into_iter().filter_map(|at| at.value.routes.get()).flat_map(|at| &at.value);
    let pairs = routes.filter_map(|route| {
        let route = route.as_ref().ok()?;
        let (to, from) = (route.to.get()?, route.from.get()?);
        Some(from.value.iter().filter_map(|it| it.as_ref().ok()).map(|it| (it.value.clone(), to.value.clone())))
    });
    pairs.flatten().collect()
}

/// Names in the warning, a count: enough to recognise which are meant.
const NAMES_SHOWN: usize = 5;
const WORDS: [&str; 2] = ["all", "gateway"];

/// Which services have a guard.
#[derive(Debug, Default)]
pub(super) enum Guards {
    /// Every one.
    #[default]
    All,
    /// These.
    Named(HashSet<String>),
}

impl Guards {
    /// Nobody has one.
    pub(super) fn none() -> Self {
        Self::Named(HashSet::new())
    }

    /// Whether `service` has one.
    pub(super) fn has(&self, service: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(service),
        }
    }
}

/// What the file says; `services` are all that it declares.
pub(super) fn check(
    report: &mut Report<'_>,
    services: &[&str],
    gateway: &Field<RawGateway>,
    field: Field<RawGuards>,
) -> Result<Guards, Reported> {
    let Some(At { value, spot }) = field.optional()? else { return Ok(Guards::All) };
    let guards = match value {
        RawGuards::Word(word) => of_word(report, gateway, &word)?,
        RawGuards::Names(names) if names.value.is_empty() => {
            let way_out =
                "name some, write `gateway` for none but the gateway, or `bartizan up --mode off` for none at all";
            return Err(report.refuse(&names.spot, "nobody is named", way_out));
        }
        RawGuards::Names(names) => of_names(report, services, names.value)?,
    };
    let bare: Vec<_> = services.iter().filter(|name| !guards.has(name)).map(|name| format!("`{name}`")).collect();
    if !bare.is_empty() {
        let more =
            if bare.len() > NAMES_SHOWN { format!(" and {} more", bare.len() - NAMES_SHOWN) } else { String::new() };
        let shown = bare[..bare.len().min(NAMES_SHOWN)].join(", ");
        let problem = format!(
            "{} of {} services have no guard ({shown}{more}): who reaches them is not asked, and they may call anybody",
            bare.len(),
            services.len()
        );
        report.warn(&spot, problem, "name those that hold something worth guarding");
    }
    Ok(guards)
}

fn of_word(report: &mut Report<'_>, gateway: &Field<RawGateway>, word: &At<String>) -> Result<Guards, Reported> {
    match (word.value.as_str(), gateway) {
        ("all", _) => Ok(Guards::All),
        ("gateway", Field::Absent) => {
            let way_out = "add `gateway:`, name services in a list, or start with `bartizan up --mode off`";
            Err(report.refuse_value(word, "there is no gateway, so nothing would be guarded", way_out))
        }
        ("gateway", _) => Ok(Guards::Named(HashSet::new())),
        (other, _) => {
            let near = report.nearest(other, WORDS.into_iter());
            let way_out = did_you_mean(near, "write `all`, `gateway`, or a list of services such as `[accounts]`");
            Err(report.refuse_value(word, "neither `all` nor `gateway`", way_out))
        }
    }
}

fn of_names(report: &mut Report<'_>, services: &[&str], names: Vec<Read<String>>) -> Result<Guards, Reported> {
    let mut all = HashSet::new();
    let mut wrong = None;
    for name in names {
        let name = name?;
        if !services.contains(&name.value.as_str()) {
            let near = report.nearest(&name.value, services.iter().copied());
            let way_out =
                did_you_mean(near, "declare it under services, or remove it; the gateway has its guard anyway");
            wrong = Some(report.refuse_value(&name, "no such service", way_out));
        } else if !all.insert(name.value.clone()) {
            wrong = Some(report.refuse_value(&name, "named twice", "delete one"));
        }
    }
    wrong.map_or(Ok(Guards::Named(all)), Err)
}

/// What the fleet says for all its services holds for none without a guard: better said than believed.
pub(super) fn refuse_for_all(
    report: &mut Report<'_>,
    known: &Known,
    fields: [&Field<String>; 2],
) -> Result<(), Reported> {
    if known.has_all_guards() {
        return Ok(());
    }
    let asked = fields.into_iter().filter_map(Field::get).filter(|at| asks_for_it(&at.value));
    let refused = asked.map(|at| {
        let way_out = "say it at the services that have one, or delete the line";
        Err(report.refuse_value(at, "services without a guard (`guards`) share the machine's network", way_out))
    });
    refused.collect::<Vec<_>>().into_iter().collect()
}

/// `true`, or a way in which it is to be.
fn asks_for_it(word: &str) -> bool {
    word == "true" || Means::parse(word).is_some()
}

/// What the body of a service without a guard asks of one.
pub(super) fn refuse_without(
    report: &mut Report<'_>,
    known: &Known,
    name: &str,
    raw: &RawService,
) -> Result<(), Reported> {
    if known.has_guard(name) {
        return Ok(());
    }
    let mut asked: Vec<(&Spot, Option<&At<String>>, &str)> = Vec::new();
    let instances = raw.at.get().into_iter().flat_map(|at| &at.value).filter_map(|it| it.as_ref().ok()?.mesh.get());
    for (at, why) in [
        (raw.mesh.get(), "nobody accepts mutual TLS for it"),
        (raw.ext_authz.get(), "nobody answers there"),
        (raw.mtls.get(), "nobody looks at its callers"),
        (raw.isolate.get().filter(|at| at.value == "true"), "nobody leads in and out"),
        (raw.capture.get().filter(|at| asks_for_it(&at.value)), "nobody takes what is redirected"),
    ]
    .into_iter()
    .chain(instances.map(|at| (Some(at), "nobody accepts mutual TLS for it")))
    {
        asked.extend(at.map(|at| (&at.spot, Some(at), why)));
    }
    asked.extend(raw.egress.get().map(|at| (&at.spot, None, "nothing holds it to this list")));
    asked.extend(raw.limits.get().map(|at| (&at.spot, None, "nobody counts its calls")));
    asked.extend(raw.api.get().map(|at| (&at.spot, None, "nobody looks at its calls")));
    asked.extend(raw.slow_down.get().map(|at| (&at.spot, None, "nobody counts its calls")));
    let refused = asked.into_iter().map(|(spot, at, why)| {
        let problem = format!("`{name}` has no guard (`guards`), so {why}");
        let way_out = "name the service under `guards`, or delete the line";
        Err(match at {
            Some(at) => report.refuse_value(at, problem, way_out),
            None => report.refuse(spot, problem, way_out),
        })
    });
    let refused: Result<(), Reported> = refused.collect::<Vec<_>>().into_iter().collect();
    let calls = raw.calls.get().into_iter().flat_map(|at| &at.value).filter_map(|call| call.as_ref().ok());
    let calls = calls.map(|call| refuse_call(report, known, name, call)).collect::<Vec<_>>();
    refused.and(calls.into_iter().collect())
}

/// A call that the program makes by itself: in plain, straight to where the callee is.
fn refuse_call(report: &mut Report<'_>, known: &Known, name: &str, call: &RawCall) -> Result<(), Reported> {
    let to = match call {
        RawCall::Name(to) => to,
        RawCall::Via(via) => {
            let RawVia { to, via: at, timeout, try_timeout, retry, breaker, outlier, narrow, spot } = &**via;
            if let Some(at) = narrow.get() {
                let problem = format!("`{name}` has no guard (`guards`), so nobody narrows what it hands on");
                return Err(report.refuse(&at.spot, problem, "name the caller under `guards`, or delete the line"));
            }
            let times = [timeout, try_timeout].into_iter().any(|field| field.get().is_some());
            if times || retry.get().is_some() || breaker.get().is_some() || outlier.get().is_some() {
                let problem = format!("`{name}` has no guard (`guards`), so its calls are made without this");
                report.warn(spot, problem, "name the caller under `guards` for time-outs, retries and breakers");
            }
            if let Some(at) = at.get() {
                let problem = format!("`{name}` has no guard (`guards`), so nobody listens there");
                return Err(report.refuse_value(
                    at,
                    problem,
                    "delete `via`, and let the program call the callee itself",
                ));
            }
            let Some(to) = to.get() else { return Ok(()) };
            to
        }
    };
    if known.others.contains_key(&to.value) {
        let problem = format!("it takes mutual TLS alone, which only a guard speaks for `{name}` (`guards`)");
        return Err(report.refuse_value(to, problem, format!("name `{name}` under `guards`, or delete the call")));
    }
    if known.has_guard(&to.value) && known.is_service(&to.value) && !known.is_permissive(&to.value) {
        let problem = format!("its guard takes mutual TLS alone, and `{name}` has no guard to speak it (`guards`)");
        let way_out = format!(
            "name `{name}` under `guards` too; or say `mtls: permissive` at `{}`, where anybody may call it then",
            to.value
        );
        return Err(report.refuse_value(to, problem, way_out));
    }
    Ok(())
}

/// A workload speaks mutual TLS, with the guard of the service that it calls; or with the gateway, where a route is for it.
pub(super) fn refuse_of_other(
    report: &mut Report<'_>,
    known: &Known,
    name: &str,
    to: &At<String>,
) -> Result<(), Reported> {
    let by_gateway = known.clients.contains(&(name.to_owned(), to.value.clone()));
    if by_gateway || known.has_guard(&to.value) || !known.is_service(&to.value) {
        return Ok(());
    }
    let problem = "it has no guard (`guards`), so nobody speaks mutual TLS there";
    Err(report.refuse_value(
        to,
        problem,
        format!("name `{}` under `guards`, or let `{name}` in by the gateway (`from`)", to.value),
    ))
}
