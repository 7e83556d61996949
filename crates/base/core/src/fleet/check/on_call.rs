//! Checks who is on call: every name leads to somebody, and no alert to nobody.

use super::super::Fleet;
use super::super::raw_on_call::{RawEscalation, RawLevel, RawOverride, RawRotation};
use super::super::reader::{At, Field, Named, Read, Report, Reported, Spot, did_you_mean};
use super::super::rules::{labels_of, service};
use super::alerts::{moment_of, plain_name};
use super::{os_text, required};
use crate::alerts::{Route, Severity, Urgency, Way};
use crate::limits::{
    ALERT_WITHIN_MAX, ESCALATION_LEVELS_MAX, ROTATION_EVERY_MAX, ROTATION_MEMBERS_MAX, ROTATION_OVERRIDES_MAX,
    ROTATIONS_MAX,
};
use crate::moment;
use crate::name::ServiceName;
use crate::on_call::{Escalation, Level, Member, Override, Roster, Rotation, Takes, Whom};
use std::time::Duration;

/// What is said of who is on call, as it was read.
#[derive(Debug, Default)]
pub(super) struct RawRoster {
    pub(super) rotations: Field<Named<Read<RawRotation>>>,
    pub(super) escalations: Field<Named<Read<RawEscalation>>>,
}

/// Once the services and the routes are known. A route that is named here is told nothing else from now on.
pub(super) fn check(report: &mut Report<'_>, raw: RawRoster, fleet: &mut Fleet) -> Result<(), Reported> {
    let RawRoster { rotations, escalations } = raw;
    let rotations = rotations.optional()?.map(|at| rotations_of(report, at, fleet)).transpose()?.unwrap_or_default();
    let Some(at) = escalations.optional()? else {
        fleet.alerts.roster = Roster { rotations, escalations: Vec::new() };
        return Ok(());
    };
    bounded(report, &at.spot, at.value.len(), ROTATIONS_MAX, "escalations")?;
    let spot = at.spot.clone();
    let known = Known { rotations: &rotations, fleet };
    let all: Vec<_> = at.value.into_iter().map(|(name, body)| escalation(report, &known, name, body?)).collect();
    let escalations: Vec<Escalation> = all.into_iter().collect::<Result<_, _>>()?;
    let roster = Roster { rotations, escalations };
    mark(&mut fleet.alerts.routes, &roster);
    if let Some(urgency) =
        [Urgency::Page, Urgency::Ticket].into_iter().find(|it| !is_heard(*it, &fleet.alerts.routes, &roster))
    {
        let way_out = "add a last one without conditions, or a route that none of them names";
        let problem = format!("a {} that none of them takes reaches nobody", urgency.as_str());
        return Err(report.refuse(&spot, problem, way_out));
    }
    fleet.alerts.roster = roster;
    Ok(())
}

/// Whether each alert of this urgency reaches somebody: by a route that no escalation names, or by an escalation that takes them all.
fn is_heard(urgency: Urgency, routes: &[Route], roster: &Roster) -> bool {
    let takes_all = |takes: &Takes| {
        let any_urgency = Takes { urgency: None, ..takes.clone() };
        any_urgency.is_everything() && takes.urgency.is_none_or(|it| it == urgency)
    };
    routes.iter().any(|it| !it.on_call && it.level == 1 && it.takes.is_none_or(|it| it == urgency))
        || roster.escalations.iter().any(|it| takes_all(&it.takes))
}

struct Known<'a> {
    rotations: &'a [Rotation],
    fleet: &'a Fleet,
}

fn mark(routes: &mut [Route], roster: &Roster) {
    let members = roster.rotations.iter().flat_map(|it| &it.members).flat_map(|it| &it.routes);
    let levels = roster.escalations.iter().flat_map(|it| &it.levels).filter_map(|it| match &it.who {
        Whom::Route(name) => Some(name),
        Whom::Rotation(_) => None,
    });
    let named: Vec<&String> = members.chain(levels).collect();
    routes.iter_mut().for_each(|it| it.on_call = named.contains(&&it.name));
}

fn bounded(report: &mut Report<'_>, spot: &Spot, count: usize, most: usize, what: &str) -> Result<(), Reported> {
    if count > most {
        return Err(report.refuse(spot, format!("{count} {what}, more than {most}"), "take some out"));
    }
    Ok(())
}

fn rotations_of(
    report: &mut Report<'_>,
    at: At<Named<Read<RawRotation>>>,
    fleet: &Fleet,
) -> Result<Vec<Rotation>, Reported> {
    bounded(report, &at.spot, at.value.len(), ROTATIONS_MAX, "rotations")?;
    let all: Vec<_> = at.value.into_iter().map(|(name, body)| rotation(report, fleet, name, body?)).collect();
    all.into_iter().collect()
}

fn rotation(
    report: &mut Report<'_>,
    fleet: &Fleet,
    name: At<String>,
    at: At<RawRotation>,
) -> Result<Rotation, Reported> {
    let RawRotation { members, every, starts, overrides } = at.value;
    let name = plain_name(report, name);
    let members = required(report, members, &at.spot, "members", "name who takes turns, each with a route")
        .and_then(|at| members_of(report, fleet, at));
    let every = required(report, every, &at.spot, "every", "write it as `7d` or `1d`")
        .and_then(|at| span(report, &at, ROTATION_EVERY_MAX, "not a time from 1s to 366d", "write it as `7d` or `1d`"));
    let starts = moment_of(report, starts, &at.spot, "starts", "2026-11-30T09:00:00+01:00");
    let members = members?;
    let overrides = overrides.optional().and_then(|at| at.map(|at| overrides_of(report, &members, at)).transpose());
    Ok(Rotation { name: name?, every: every?, starts: starts?.0, overrides: overrides?.unwrap_or_default(), members })
}

fn members_of(
    report: &mut Report<'_>,
    fleet: &Fleet,
    at: At<Named<Read<Vec<Read<String>>>>>,
) -> Result<Vec<Member>, Reported> {
    if at.value.is_empty() {
        return Err(report.refuse(&at.spot, "nobody would be on call", "name at least one member, with a route"));
    }
    bounded(report, &at.spot, at.value.len(), ROTATION_MEMBERS_MAX, "members")?;
    let all: Vec<_> = at.value.into_iter().map(|(name, routes)| member(report, fleet, name, routes?)).collect();
    all.into_iter().collect()
}

fn member(
    report: &mut Report<'_>,
    fleet: &Fleet,
    name: At<String>,
    at: At<Vec<Read<String>>>,
) -> Result<Member, Reported> {
    let name = plain_name(report, name);
    if at.value.is_empty() {
        return Err(report.refuse(&at.spot, "could not be reached", "name a route of `alerts.routes`"));
    }
    let routes: Vec<_> = at.value.into_iter().map(|it| contact(report, fleet, &it?)).collect();
    let routes: Vec<String> = routes.into_iter().collect::<Result<_, _>>()?;
    Ok(Member { name: name?, routes })
}

/// The name of a route by which one person, or a few, are told.
fn contact(report: &mut Report<'_>, fleet: &Fleet, at: &At<String>) -> Result<String, Reported> {
    let routes = &fleet.alerts.routes;
    let Some(route) = routes.iter().find(|it| it.name == at.value) else {
        let near = report.nearest(&at.value, routes.iter().map(|it| it.name.as_str()));
        return Err(report.refuse_value(at, "no such route", did_you_mean(near, "name one of `alerts.routes`")));
    };
    if matches!(route.way, Way::Alertmanager { .. }) {
        let way_out = "name a webhook or an e-mail";
        return Err(report.refuse_value(at, "an Alertmanager gets every alert, whoever is on call", way_out));
    }
    if route.level != 1 || route.takes.is_some() {
        let way_out = "take them out of the route: the escalation says which alerts and at which level";
        return Err(report.refuse_value(at, "has a `level: 2` or `takes` of its own", way_out));
    }
    Ok(at.value.clone())
}

fn overrides_of(
    report: &mut Report<'_>,
    members: &[Member],
    at: At<Vec<Read<RawOverride>>>,
) -> Result<Vec<Override>, Reported> {
    bounded(report, &at.spot, at.value.len(), ROTATION_OVERRIDES_MAX, "overrides")?;
    let all: Vec<_> = at.value.into_iter().map(|it| override_of(report, members, it?)).collect();
    let mut all: Vec<(Override, Spot)> = all.into_iter().collect::<Result<_, _>>()?;
    all.sort_by_key(|(it, _)| it.from);
    for pair in all.windows(2) {
        let [(before, first), (after, second)] = pair else { continue };
        if after.from < before.until {
            let problem = format!("is at the same time as the one in line {}", first.place.line);
            return Err(report.refuse(second, problem, "let one end where the other begins"));
        }
    }
    Ok(all.into_iter().map(|(it, _)| it).collect())
}

fn override_of(report: &mut Report<'_>, members: &[Member], at: At<RawOverride>) -> Result<(Override, Spot), Reported> {
    let RawOverride { from, until, who } = at.value;
    let from = moment_of(report, from, &at.spot, "from", "2026-12-24T09:00:00+01:00");
    let until = moment_of(report, until, &at.spot, "until", "2026-12-26T09:00:00+01:00");
    let who = required(report, who, &at.spot, "who", "name a member of the rotation").and_then(|at| {
        members.iter().position(|it| it.name == at.value).ok_or_else(|| {
            let near = report.nearest(&at.value, members.iter().map(|it| it.name.as_str()));
            report.refuse_value(&at, "no member of the rotation", did_you_mean(near, "name one of its `members`"))
        })
    });
    let ((from, _), (until, spot)) = (from?, until?);
    if until <= from {
        return Err(report.refuse(&spot, "ends before it begins", "give it a later end"));
    }
    Ok((Override { from, until, member: who? }, at.spot))
}

fn span(
    report: &mut Report<'_>,
    at: &At<String>,
    most: Duration,
    problem: &str,
    way_out: &str,
) -> Result<Duration, Reported> {
    let read = moment::span(&at.value).filter(|span| *span <= most && !span.is_zero());
    read.ok_or_else(|| report.refuse_value(at, problem, way_out))
}

fn escalation(
    report: &mut Report<'_>,
    known: &Known<'_>,
    name: At<String>,
    at: At<RawEscalation>,
) -> Result<Escalation, Reported> {
    let RawEscalation { owners, severities, urgency, services, service_owners, labels, levels } = at.value;
    let name = plain_name(report, name);
    let owners = each(report, owners, os_text);
    let severities = each(report, severities, |report, at| {
        Severity::parse(&at.value)
            .ok_or_else(|| report.refuse_value(&at, "not a severity", "write `critical`, `high`, `medium` or `low`"))
    });
    let urgency = urgency.optional().and_then(|at| {
        let of = |at: At<String>| {
            let way_out = "write `page` or `ticket`, or delete the line for both";
            Urgency::parse(&at.value).ok_or_else(|| report.refuse_value(&at, "not an urgency", way_out))
        };
        at.map(of).transpose()
    });
    let services = each(report, services, |report, at| service(report, &at, Some(known.fleet)));
    let owned = each(report, service_owners, |report, at| services_of(report, known.fleet, &at));
    let labels = labels.optional().and_then(|at| at.map(|at| labels_of(report, at)).transpose());
    let levels = required(report, levels, &at.spot, "levels", "say who is told first, and who then")
        .and_then(|at| levels_of(report, known, at));
    let mut services = services?;
    services.extend(owned?.into_iter().flatten());
    let takes = Takes {
        owners: owners?,
        severities: severities?,
        urgency: urgency?,
        services,
        labels: labels?.unwrap_or_default(),
    };
    Ok(Escalation { name: name?, takes, levels: levels? })
}

/// Each text of a list that says something; an empty one would be no condition, and look like one.
fn each<T>(
    report: &mut Report<'_>,
    field: Field<Vec<Read<String>>>,
    mut read: impl FnMut(&mut Report<'_>, At<String>) -> Result<T, Reported>,
) -> Result<Vec<T>, Reported> {
    let Some(at) = field.optional()? else { return Ok(Vec::new()) };
    if at.value.is_empty() {
        return Err(report.refuse(&at.spot, "is empty", "name one, or delete the key"));
    }
    let all: Vec<_> = at.value.into_iter().map(|it| read(report, it?)).collect();
    all.into_iter().collect()
}

/// The services of an owner.
fn services_of(report: &mut Report<'_>, fleet: &Fleet, at: &At<String>) -> Result<Vec<ServiceName>, Reported> {
    let owned = fleet.services.iter().filter(|(_, it)| it.owner.as_ref() == Some(&at.value));
    let owned: Vec<ServiceName> = owned.map(|(name, _)| name.clone()).collect();
    if owned.is_empty() {
        let owners = fleet.services.values().filter_map(|it| it.owner.as_deref());
        let near = report.nearest(&at.value, owners);
        let way_out = did_you_mean(near, "name the `owner` of a service of the fleet file");
        return Err(report.refuse_value(at, "no service has this owner", way_out));
    }
    Ok(owned)
}

fn levels_of(report: &mut Report<'_>, known: &Known<'_>, at: At<Vec<Read<RawLevel>>>) -> Result<Vec<Level>, Reported> {
    if at.value.is_empty() {
        return Err(report.refuse(&at.spot, "nobody would be told", "name a `rotation` or a `route`"));
    }
    bounded(report, &at.spot, at.value.len(), ESCALATION_LEVELS_MAX, "levels")?;
    let all: Vec<_> = at.value.into_iter().enumerate().map(|(n, it)| level(report, known, n, it?)).collect();
    all.into_iter().collect()
}

fn level(report: &mut Report<'_>, known: &Known<'_>, n: usize, at: At<RawLevel>) -> Result<Level, Reported> {
    let RawLevel { rotation, route, after } = at.value;
    let after = after.optional().and_then(|at| {
        let of = |at: At<String>| {
            if n == 0 {
                return Err(report.refuse_value(&at, "the first level is told at once", "delete the line"));
            }
            span(report, &at, ALERT_WITHIN_MAX, "not a time from 1s to 24h", "write it as `5m`")
        };
        at.map(of).transpose()
    });
    let who = match (rotation.optional()?, route.optional()?) {
        (Some(at), None) => rotation_named(report, known.rotations, at).map(Whom::Rotation),
        (None, Some(at)) => contact(report, known.fleet, &at).map(Whom::Route),
        _ => Err(report.refuse(&at.spot, "has to have one of `rotation` and `route`", "make a level for each")),
    };
    Ok(Level { who: who?, after: after? })
}

fn rotation_named(report: &mut Report<'_>, rotations: &[Rotation], at: At<String>) -> Result<String, Reported> {
    if rotations.iter().any(|it| it.name == at.value) {
        return Ok(at.value);
    }
    let near = report.nearest(&at.value, rotations.iter().map(|it| it.name.as_str()));
    Err(report.refuse_value(&at, "no such rotation", did_you_mean(near, "name one of `alerts.rotations`")))
}
