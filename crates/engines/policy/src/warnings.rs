//! Controls that do less than they seem to, or more. No errors: each may be meant.

use crate::enforceable::{callee, ends};
use crate::error::PolicyError;
use crate::from_fleet::{CALLS_FILE, actions_of, resources};
use crate::index::Index;
use crate::known::{Type, nearest, uid};
use crate::read::{ANNOTATIONS, Written};
use crate::scope::{Call, Side};
use crate::validate::Places;
use bartizan_core::ServiceName;
use bartizan_core::fleet::Fleet;
use std::collections::{BTreeMap, BTreeSet};

/// Calls listed in one warning, a count: enough to recognise what is meant.
const EDGES_SHOWN: usize = 3;

/// Warnings about policies that have no errors.
pub(crate) fn warnings(policies: &[Written], files: &BTreeMap<String, String>, fleet: &Fleet) -> Vec<PolicyError> {
    let edges: BTreeSet<(ServiceName, ServiceName)> = fleet.edges().collect();
    let mut places = Places::of(policies, files);
    let mut found = Vec::new();
    for written in policies.iter().filter(|written| !written.is_own()) {
        for (message, help) in about(written, fleet) {
            found.push(places.policy(written, message, help));
        }
    }
    for (written, dead) in dead_edges(policies, fleet, &edges) {
        let shown = dead
            .iter()
            .take(EDGES_SHOWN)
            .map(|(from, to)| format!("`{from}` to `{to}`"))
            .collect::<Vec<_>>()
            .join(", ");
        let more =
            if dead.len() > EDGES_SHOWN { format!(" and {} more", dead.len() - EDGES_SHOWN) } else { String::new() };
        let message = format!("forbids every call that the fleet declares from {shown}{more}");
        found.push(places.policy(
            written,
            message,
            "remove the call from the fleet file, or narrow the forbid".to_owned(),
        ));
    }
    found
}

fn about(written: &Written, fleet: &Fleet) -> Vec<(String, String)> {
    let checks = [misspelt_annotation, opens_everything, leaves_routes_out, says_it_again, goes_past];
    checks.iter().filter_map(|check| check(written, fleet)).collect()
}

fn misspelt_annotation(written: &Written, _: &Fleet) -> Option<(String, String)> {
    let unknown = |key: &&str| !ANNOTATIONS.contains(key);
    let keys = written.policy.annotations().map(|(key, _)| key).filter(unknown);
    let mut near = keys.filter_map(|key| nearest(key, ANNOTATIONS.into_iter()).map(|near| (key, near)));
    near.next().map(|(key, near)| (format!("`@{key}` means nothing here"), format!("did you mean `@{near}`?")))
}

fn opens_everything(written: &Written, _: &Fleet) -> Option<(String, String)> {
    let open = |side: &Side| matches!(side, Side::Any | Side::Is(_));
    let scope = &written.scope;
    let all = written.is_permit() && is_unconditional(written) && open(&scope.principal) && open(&scope.resource);
    all.then(|| {
        let message = "permits this to everybody on every service, so that the declared calls limit nothing".to_owned();
        (message, "name the principal or the resource, or add a condition".to_owned())
    })
}

fn leaves_routes_out(written: &Written, fleet: &Fleet) -> Option<(String, String)> {
    let Side::Eq(resource) = &written.scope.resource else { return None };
    if Type::of(resource) != Some(Type::Service) {
        return None;
    }
    let (name, service) = callee(&written.scope, fleet)?;
    let first = service.routes.first()?;
    let message =
        format!("`resource == Service::\"{name}\"` leaves out its named routes, such as `{name}/{}`", first.name);
    Some((message, format!("write `resource in Service::\"{name}\"` for all of the service")))
}

/// What a permit that names both ends of a declared call adds to it.
fn says_it_again(written: &Written, fleet: &Fleet) -> Option<(String, String)> {
    let (caller, callee) = ends(written, fleet)?;
    (written.is_permit() && is_unconditional(written)).then(|| {
        let message = format!("the fleet's declared calls permit this already, by `{CALLS_FILE}/{caller}->{callee}`");
        (message, "remove the policy".to_owned())
    })
}

/// What is about a service without a guard, and asked at the gateway alone: calls of other services go past it.
fn goes_past(written: &Written, fleet: &Fleet) -> Option<(String, String)> {
    let (name, _) = callee(&written.scope, fleet).filter(|(_, service)| !service.guarded)?;
    let named = written.scope.principal.anchor().map(|entity| entity.id().unescaped());
    let past: BTreeSet<ServiceName> = fleet
        .edges()
        .filter(|(from, to)| to.as_str() == name && !fleet.is_asked(from, to))
        .map(|(from, _)| from)
        .filter(|from| named.is_none_or(|named| named == from.as_str()))
        .collect();
    (!past.is_empty()).then(|| {
        let past: Vec<_> = past.iter().map(|from| format!("`{from}`")).collect();
        let message = format!(
            "is asked at the gateway alone, since `{name}` has no guard (`guards` in the fleet file): calls of {} go past it",
            past.join(", ")
        );
        (message, format!("name `{name}` under `guards`, or say `principal == Workload::\"gateway\"` where that is meant"))
    })
}

fn is_unconditional(written: &Written) -> bool {
    !written.policy.has_non_scope_constraint()
}

type Edge = (ServiceName, ServiceName);

/// Declared calls of which nothing is left, each with the first forbid that takes part.
fn dead_edges<'a>(policies: &'a [Written], fleet: &Fleet, edges: &BTreeSet<Edge>) -> Vec<(&'a Written, Vec<Edge>)> {
    let index = Index::of(policies.iter().map(|written| &written.scope));
    let mut dead: BTreeMap<u32, Vec<Edge>> = BTreeMap::new();
    for edge in edges.iter().filter(|(from, to)| fleet.is_asked(from, to)) {
        if let Some(forbid) = killer(edge, policies, &index, fleet) {
            dead.entry(forbid).or_default().push(edge.clone());
        }
    }
    dead.into_iter().filter_map(|(forbid, edges)| Some((policies.get(forbid as usize)?, edges))).collect()
}

/// The first unconditional forbid on an edge, where such forbids leave no action on any part of the callee.
fn killer((from, to): &Edge, policies: &[Written], index: &Index, fleet: &Fleet) -> Option<u32> {
    let service = fleet.services.get(to)?;
    let is_foreign = fleet.others.get(from).is_some_and(|it| fleet.is_foreign(&it.id));
    let kind = if is_foreign { Type::ForeignWorkload } else { Type::Workload };
    let (principal, whole) = (uid(kind, from.as_str()), uid(Type::Service, to.as_str()));
    let mut first = None;
    for route in resources(to, service) {
        let (resource, parent) = match route {
            Some(route) => (uid(Type::Route, &route), Some(&whole)),
            None => (whole.clone(), None),
        };
        for action in actions_of(service.protocol).iter() {
            let call = Call { principal: &principal, action, resource: &resource, parent };
            let forbids = |number: &u32| {
                policies.get(*number as usize).is_some_and(|written| {
                    !written.is_permit() && is_unconditional(written) && written.scope.fits(&call)
                })
            };
            let forbid = index.near(&call).find(forbids)?;
            first = Some(first.map_or(forbid, |known: u32| known.min(forbid)));
        }
    }
    first
}
