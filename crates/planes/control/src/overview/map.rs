//! Who calls whom, and how that goes: from counters of guards, the fleet file, and handshakes.

use crate::app::App;
use crate::registry::EdgeNow;
use bartizan_core::alerts::Standing;
use bartizan_core::fleet::Fleet;
use bartizan_core::overview::{EdgeSafety, FleetMap, MapEdge, MapKind, MapService, OUTSIDE};
use bartizan_core::snapshot::Freshness;
use bartizan_core::status::{EdgeTls, ProxyStatus};
use bartizan_core::{ServiceName, Timestamp};
use std::collections::BTreeMap;

/// Caller and callee.
type Pair = (String, String);

/// The map as of `now`.
pub(crate) fn map(app: &App, now: Timestamp) -> FleetMap {
    let in_force = app.in_force();
    let fleet = &in_force.desired.fleet;
    let mut edges: BTreeMap<Pair, MapEdge> = declared(fleet);
    for edge in app.registry.edges(now) {
        add(&mut edges, fleet, &edge);
    }
    let mut handshakes: BTreeMap<Pair, EdgeTls> = BTreeMap::new();
    for tls in app.algorithms.status() {
        let pair = (tls.from.clone().unwrap_or_else(|| OUTSIDE.to_owned()), tls.to.to_string());
        let newest = handshakes.entry(pair).or_insert_with(|| tls.clone());
        if newest.last < tls.last {
            *newest = tls;
        }
    }
    for (pair, edge) in &mut edges {
        let tls = handshakes.get(pair);
        (edge.group, edge.suite) = (tls.map(|it| it.group.clone()), tls.map(|it| it.suite.clone()));
        edge.last = edge.last.max(tls.map(|it| it.last));
        edge.mtls = safety(fleet, edge, tls.is_some());
    }
    let services = services(app, fleet, &edges, now);
    FleetMap { now, services, edges: edges.into_values().collect() }
}

/// What the fleet file says, with nothing counted.
fn declared(fleet: &Fleet) -> BTreeMap<Pair, MapEdge> {
    let edge = |(from, to): (ServiceName, ServiceName)| {
        let pair = (from.to_string(), to.to_string());
        (pair.clone(), empty(pair, true))
    };
    fleet.edges().map(edge).collect()
}

fn empty((from, to): Pair, declared: bool) -> MapEdge {
    MapEdge {
        from,
        to,
        declared,
        calls_per_s: 0.0,
        denied_per_s: 0.0,
        failed_per_s: 0.0,
        calls: 0,
        denied: 0,
        failed: 0,
        added_p50_us: None,
        added_p99_us: None,
        mtls: EdgeSafety::Unseen,
        group: None,
        suite: None,
        last: None,
    }
}

/// Takes in what one guard counted of one caller.
fn add(edges: &mut BTreeMap<Pair, MapEdge>, fleet: &Fleet, it: &EdgeNow) {
    let to = it.member.service();
    if *to != ServiceName::gateway() && !fleet.services.contains_key(to) {
        return; // it was taken out of the fleet
    }
    let from = if it.from.is_empty() { OUTSIDE } else { &it.from };
    let pair = (from.to_owned(), to.to_string());
    let edge = edges.entry(pair.clone()).or_insert_with(|| {
        // From outside, whoever comes comes as the gateway's routes say.
        empty(pair, from == OUTSIDE)
    });
    edge.calls_per_s += it.calls_per_s;
    edge.denied_per_s += it.denied_per_s;
    edge.failed_per_s += it.failed_per_s;
    edge.calls += it.totals.calls;
    edge.denied += it.totals.denied;
    edge.failed += it.totals.failed;
    if let Some([p50, p99]) = it.added_us {
        // Of several instances the slowest: quantiles have no sum.
        edge.added_p50_us = edge.added_p50_us.max(Some(p50));
        edge.added_p99_us = edge.added_p99_us.max(Some(p99));
    }
    edge.last = edge.last.max(it.last);
}

fn safety(fleet: &Fleet, edge: &MapEdge, shook_hands: bool) -> EdgeSafety {
    let bare = |name: &str| ServiceName::parse(name).is_ok_and(|name| fleet.unguarded().any(|it| *it == name));
    let callee = ServiceName::parse(&edge.to).ok().and_then(|name| fleet.services.get(&name));
    let takes = callee.map(|service| service.mtls).unwrap_or_default();
    // Clients of the gateway come by TLS, which they need no certificate of ours for.
    let guarded = !bare(&edge.from) && !bare(&edge.to);
    EdgeSafety::of(guarded, takes, shook_hands || edge.calls > 0)
}

fn services(app: &App, fleet: &Fleet, edges: &BTreeMap<Pair, MapEdge>, now: Timestamp) -> Vec<MapService> {
    let mut by_name: BTreeMap<String, Vec<ProxyStatus>> = BTreeMap::new();
    for proxy in app.registry.status(fleet, now) {
        by_name.entry(proxy.service.to_string()).or_default().push(proxy);
    }
    let mut names: Vec<String> = fleet.services.keys().map(ToString::to_string).collect();
    names.extend(fleet.gateway.as_ref().map(|_| ServiceName::gateway().to_string()));
    let strangers = edges.keys().flat_map(|(from, to)| [from, to]);
    names.extend(strangers.cloned());
    names.sort();
    names.dedup();
    let mut firing: BTreeMap<String, u32> = BTreeMap::new();
    for alert in app.alerts.status(now).alerts.iter().filter(|alert| alert.state == Standing::Firing) {
        *firing.entry(alert.service.clone().unwrap_or_default()).or_default() += 1;
    }
    let made = |name: String| {
        let guards = by_name.remove(&name).unwrap_or_default();
        let firing = firing.get(&name).copied().unwrap_or_default();
        service(fleet, edges, guards, firing, name)
    };
    names.into_iter().map(made).collect()
}

fn service(
    fleet: &Fleet,
    edges: &BTreeMap<Pair, MapEdge>,
    guards: Vec<ProxyStatus>,
    firing: u32,
    name: String,
) -> MapService {
    let parsed = ServiceName::parse(&name).ok();
    let known = parsed.as_ref().and_then(|it| fleet.services.get(it));
    let kind = match known {
        Some(service) if service.guarded => MapKind::Service,
        Some(_) => MapKind::Unguarded,
        None if parsed.as_ref() == Some(&ServiceName::gateway()) => MapKind::Gateway,
        None => MapKind::Outside,
    };
    let into = || edges.values().filter(|edge| edge.to == name);
    // Not `sum`, which makes -0 of nothing.
    let sum = |figure: fn(&MapEdge) -> f64| into().map(figure).fold(0.0, |sum, it| sum + it);
    MapService {
        kind,
        owner: known.and_then(|it| it.owner.clone()),
        data: known.map(|it| it.data.clone()).unwrap_or_default(),
        protocol: known.map(|it| it.protocol),
        attached: !guards.is_empty() && guards.iter().all(|guard| guard.attached),
        freshness: guards.iter().filter_map(|guard| guard.freshness).max_by_key(|it| worse(*it)),
        instances: known.map_or(guards.len(), |it| usize::from(it.count())),
        calls_per_s: sum(|edge| edge.calls_per_s),
        denied_per_s: sum(|edge| edge.denied_per_s),
        failed_per_s: sum(|edge| edge.failed_per_s),
        added_p99_us: guards.iter().filter_map(|guard| guard.added_p99_us).max(),
        svid_not_after: guards.iter().filter_map(|guard| guard.svid_not_after).min(),
        firing,
        name,
    }
}

const fn worse(freshness: Freshness) -> u8 {
    match freshness {
        Freshness::Fresh => 0,
        Freshness::Stale => 1,
        Freshness::Degraded => 2,
        Freshness::Expired => 3,
    }
}
