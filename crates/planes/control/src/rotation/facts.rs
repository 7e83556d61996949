//! What is known of the fleet. Members of every kind come together in [`members`], and nowhere else.

use crate::app::App;
use crate::limits::FEDERATION_FETCH_WITHIN;
use crate::node_registry::NodeStanding;
use crate::registry::{Seen, Standing};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::rotation::{Rotated, Watched};
use bartizan_core::snapshot::Kind;
use bartizan_core::stats::ProxyStats;
use bartizan_core::{Member as Instance, ServiceName, Timestamp};
use bartizan_identity::rotation::{Member, MemberKind, Rotation};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a node is called among the members. No service can have this name.
pub(crate) fn node_member(name: &str) -> String {
    format!("node {name}")
}

/// What the gateway's certificate for outside clients is called among the members.
pub(crate) fn edge_member() -> String {
    format!("{} (outside)", bartizan_core::name::GATEWAY)
}

/// Everybody who holds certificates and trusts roots.
pub(super) fn members(app: &App, now: Timestamp) -> Vec<Member> {
    let in_force = app.in_force();
    let standings = app.registry.standings(&in_force.desired.fleet);
    let mut all: Vec<Member> = standings.iter().map(|it| service(app, it)).collect();
    all.extend(standings.iter().filter_map(|it| edge(it, now)));
    all.extend(nodes(app));
    let orders = app.orders.borrow().clone();
    all.iter_mut().for_each(|member| member.asked = orders.asked(&member.name));
    all
}

/// The nodes that came since control started. A node holds no snapshots but bundles.
fn nodes(app: &App) -> Vec<Member> {
    let epoch = app.in_force().epoch(Kind::Bundles);
    let member = |it: NodeStanding| Member {
        name: node_member(it.name.as_str()),
        kind: MemberKind::Node,
        attached: it.attached,
        acked: it.bundles,
        settled: it.bundles == Some(epoch),
        issuer: it.issuer,
        not_after: it.not_after,
        asked: None,
        refused: None,
    };
    app.nodes.standings().into_iter().map(member).collect()
}

/// Until when identities of the old issuer may be with programs that nodes serve: they renew at half life, by themselves.
pub(super) fn others_until(app: &App, rotation: &Rotation) -> Option<Timestamp> {
    app.workloads_until.until(|issuer| !rotation.counts_as_new(issuer))
}

/// Until when other trust domains may not have looked since the last step: two looks, since one may have failed.
pub(super) fn abroad_until(app: &App, rotation: &Rotation) -> Option<Timestamp> {
    let refresh_s = app.federation.advertised().filter(|_| rotation.what == Rotated::Root)?;
    let looks = Duration::from_secs(u64::from(refresh_s) * 2) + FEDERATION_FETCH_WITHIN;
    Some(rotation.watch_since.plus(looks))
}

fn service(app: &App, Standing { member, seen }: &Standing) -> Member {
    let in_force = app.in_force();
    let settled = |seen: &Seen| in_force.epochs.iter().all(|(kind, epoch)| seen.held.get(kind) == Some(epoch));
    Member {
        name: member.to_string(),
        kind: MemberKind::Service,
        attached: seen.as_ref().is_some_and(|seen| seen.attached),
        acked: seen.as_ref().and_then(|seen| seen.held.get(&Kind::Bundles).copied()),
        settled: seen.as_ref().is_some_and(settled),
        issuer: seen.as_ref().and_then(|seen| seen.issuer.clone()),
        // One that has not come since we started may have been given an identity just before.
        not_after: seen.as_ref().map_or_else(|| app.started_at.plus(LEAF_TTL), |seen| seen.not_after),
        asked: None,
        refused: seen.as_ref().and_then(|seen| seen.refused.clone()),
    }
}

fn edge(Standing { member, seen }: &Standing, now: Timestamp) -> Option<Member> {
    let seen = seen.as_ref().filter(|_| *member.service() == ServiceName::gateway())?;
    Some(Member {
        name: edge_member(),
        kind: MemberKind::Edge,
        attached: seen.attached,
        acked: seen.held.get(&Kind::Bundles).copied(),
        settled: true,
        issuer: seen.edge.as_ref().map(|edge| edge.issuer.clone()),
        not_after: now,
        asked: None,
        refused: None,
    })
}

/// The fleet's handshakes since a moment, from counters that go on since each process started.
#[derive(Debug, Default)]
pub(super) struct Watch {
    since: Option<Timestamp>,
    /// By instance: the process, and what it had counted.
    before: BTreeMap<Instance, (u64, Watched)>,
}

impl Watch {
    /// All handshakes since `rotation` took its last step, and those of its canary.
    pub(super) fn read(&mut self, app: &App, rotation: &Rotation) -> (Watched, Watched) {
        if self.since != Some(rotation.watch_since) {
            *self = Self { since: Some(rotation.watch_since), before: BTreeMap::new() };
        }
        let (mut all, mut canary) = (Watched::default(), Watched::default());
        for Standing { member, seen } in app.registry.standings(&app.in_force().desired.fleet) {
            // A proxy that just came has not said yet what it had counted before.
            let Some(seen) = seen.filter(|seen| seen.totals.resident_bytes > 0) else { continue };
            let total = total(&seen.totals);
            let (instance, before) = *self.before.entry(member.clone()).or_insert((seen.instance, total));
            // Another process counts from the start.
            let before = if instance == seen.instance { before } else { Watched::default() };
            let since = Watched {
                completed: total.completed.saturating_sub(before.completed),
                failed: total.failed.saturating_sub(before.failed),
            };
            all = sum(all, since);
            if rotation.canary.as_deref() == Some(&*member.to_string()) {
                canary = since;
            }
        }
        (all, canary)
    }
}

/// Handshakes that ended well, and those that failed for a reason that a wrong CA would have. Who scans a port, breaks off
/// or comes from elsewhere must not be able to stop a rotation that way.
fn total(stats: &ProxyStats) -> Watched {
    let ours = [
        HandshakeFailure::UntrustedIssuer,
        HandshakeFailure::Expired,
        HandshakeFailure::NotYetValid,
        HandshakeFailure::BadSvid,
    ];
    let failed = ours.iter().filter_map(|cause| stats.handshakes_failed.get(cause)).sum();
    Watched { completed: stats.handshakes_completed, failed }
}

fn sum(a: Watched, b: Watched) -> Watched {
    Watched { completed: a.completed + b.completed, failed: a.failed + b.failed }
}
