//! `GET /v1/status`: the whole fleet as control sees it now.

use crate::api::table::{Endpoint, Method, Who};
use crate::app::App;
use crate::fleet::Desired;
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use bartizan_core::fleet::Fleet;
use bartizan_core::status::{ControlStatus, Places, ProxyStatus, Status, Unguarded};
use bartizan_core::{Member, ServiceName, Timestamp};
use bartizan_runtime::clock;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) const IT: Endpoint = Endpoint {
    method: Method::Get,
    path: "/v1/status",
    who: Who::Viewer,
    about: "The fleet as control sees it now: proxies, what each enforces, rates, losses",
    route: || get(answer),
};

async fn answer(State(app): State<Arc<App>>) -> Json<Status> {
    Json(status(&app))
}

/// Every guard, with where it is.
fn proxies(app: &App, desired: &Desired, now: Timestamp) -> Vec<ProxyStatus> {
    let places = |member: &Member| {
        let outbound = desired.plan.outbound.get(member)?.clone();
        let (mesh, program) = (*desired.plan.mesh.get(member)?, desired.plan.program(&desired.fleet, member)?);
        Some(Places { mesh, program, outbound })
    };
    let placed = |proxy: ProxyStatus| {
        let isolation = desired.plan.isolation.get(&proxy.service).cloned();
        ProxyStatus { places: places(&proxy.member()), isolation, ..proxy }
    };
    app.registry.status(&desired.fleet, now).into_iter().map(placed).collect()
}

/// Who has no guard, with those who call and what their guards counted.
fn unguarded(app: &App, fleet: &Fleet) -> Vec<Unguarded> {
    let (totals, edges): (_, BTreeSet<_>) = (app.registry.totals(), fleet.edges().collect());
    let counted = |caller: &ServiceName, callee: &ServiceName| {
        let of = totals.iter().filter(|(member, _)| member.service() == caller);
        fleet.has_guard(caller).then(|| of.filter_map(|(_, it)| it.outbound.get(callee)).map(|edge| edge.calls).sum())
    };
    let told = |callee: &ServiceName| {
        // Clients with a name come by the gateway, and are counted with it.
        let calls = |from: &ServiceName| fleet.services.contains_key(from) || *from == ServiceName::gateway();
        let callers = edges.iter().filter(|(from, to)| to == callee && calls(from));
        Unguarded {
            service: callee.clone(),
            data: fleet.services.get(callee).map(|it| it.data.clone()).unwrap_or_default(),
            callers: callers.map(|(caller, _)| (caller.clone(), counted(caller, callee))).collect(),
        }
    };
    fleet.unguarded().map(told).collect()
}

pub(crate) fn status(app: &App) -> Status {
    let now = clock::now();
    let in_force = app.in_force();
    let authority = app.authority();
    let (fleet, plan) = (&in_force.desired.fleet, &in_force.desired.plan);
    Status {
        fleet: fleet.name.clone(),
        trust_domain: fleet.trust_domain.clone(),
        mode: plan.mode,
        fleet_file: in_force.desired.stamp.clone(),
        now,
        control: ControlStatus {
            group: app.group(),
            started_at: app.started_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listen: app.listen,
            svid_not_after: app.own().svid.not_after,
            issuing_not_after: authority.validity().1,
            root_not_after: authority.root_not_after(),
            handshakes: app.handshakes(),
            console: app.console.status(&app.web_certificates, now),
        },
        epochs: in_force.epochs.clone(),
        proxies: proxies(app, &in_force.desired, now),
        nodes: app.nodes.status(),
        store: app.pipeline.status(),
        events: app.events.status(),
        ledger: app.pipeline.ledger_status(),
        issued: app.journal.status(),
        clocks: app.clocks.status(),
        issuers: app.issuers.status(),
        providers: app.people.providers(app),
        no_tokens: app.authorization.granting.trouble(),
        drift: app.drift.status(),
        promotion: app.promotion.status(fleet.objectives.as_ref(), now),
        tls: app.algorithms.status(),
        over_budget: app.budgets.status(),
        egress: app.egress.summary(fleet, &in_force.desired.plan, now),
        guard_p99_us: fleet.guard_p99_us,
        unguarded: unguarded(app, fleet),
    }
}
