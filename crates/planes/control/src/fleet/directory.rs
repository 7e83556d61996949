//! What each proxy has to know of the fleet: itself, and those it calls.

use crate::limits::CAPTURED_NAMES_MAX;
use bartizan_core::capture::Captured;
use bartizan_core::edge::{Instance, Versions};
use bartizan_core::fleet::{Call, Fleet, Gateway, Service};
use bartizan_core::login::LoginSide;
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::{Directory, EgressSide, GatewaySide, Inbound, Own, Peer};
use bartizan_core::{Member, Role, ServiceName, SpiffeId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Instances that are not there; see [`crate::presence`].
pub(crate) type Away = BTreeSet<Member>;

/// The directory of one instance, or of the gateway. `None` where the fleet has none such.
///
/// `plan` has passed [`super::check_plan`] against `fleet`. Those who are `away` are not named to callers.
pub(crate) fn directory(fleet: &Fleet, plan: &Plan, away: &Away, member: &Member) -> Option<Directory> {
    let (own, calls) = match fleet.services.get(member.service()) {
        Some(service) if service.guarded => (sidecar(fleet, plan, member)?, service.calls.clone()),
        None if is_member(fleet, member) => gateway(fleet)?,
        Some(_) | None => return None,
    };
    let mut peers = BTreeMap::new();
    for Call { to, edge, narrow, .. } in &calls {
        let mut callee = peer(fleet, plan, away, to)?;
        let versions: Vec<&ServiceName> = fleet.versions_for(member.service(), to).collect();
        keep_to(&mut callee.versions, to, &versions);
        for version in versions {
            // What is declared itself keeps what is said of it.
            if !calls.iter().any(|call| call.to == *version) {
                let narrow = narrow.clone();
                peers.insert(version.clone(), Peer { edge: *edge, narrow, ..peer(fleet, plan, away, version)? });
            }
        }
        peers.insert(to.clone(), Peer { edge: *edge, narrow: narrow.clone(), ..callee });
    }
    let (fleet_name, mode, trust, tls) = (fleet.name.to_string(), plan.mode, fleet.trust, fleet.tls);
    let counts = fleet.counts.clone().filter(|_| has_shared(&own));
    let (tuning, drain_ms) = (fleet.tuning, fleet.drain_ms);
    Some(Directory { fleet: fleet_name, mode, trust, tls, tuning, drain_ms, counts, own, peers })
}

/// Whether a guard shares the counts of a limit.
fn has_shared(own: &Own) -> bool {
    let routes = own.gateway.iter().flat_map(|gateway| &gateway.routes).flat_map(|route| &route.limits);
    own.inbound.iter().flat_map(|inbound| &inbound.limits).chain(routes).any(|limit| limit.shared)
}

/// Everybody who gets a directory: each instance of each service that has a guard, and the gateway where there is one.
pub(crate) fn members(fleet: &Fleet) -> impl Iterator<Item = Member> + '_ {
    fleet.guarded_instances().chain(fleet.gateway.iter().map(|_| ServiceName::gateway().into()))
}

/// Whether somebody gets a directory.
pub(crate) fn is_member(fleet: &Fleet, member: &Member) -> bool {
    match fleet.services.get(member.service()) {
        Some(service) => service.guarded && member.number() <= service.count(),
        None => fleet.gateway.is_some() && *member == Member::from(ServiceName::gateway()),
    }
}

/// The identity of a service of this fleet.
pub(crate) fn id_of(fleet: &Fleet, name: &ServiceName) -> SpiffeId {
    SpiffeId::of(&fleet.trust_domain, &Role::Service(name.clone()))
}

fn sidecar(fleet: &Fleet, plan: &Plan, member: &Member) -> Option<Own> {
    let name = member.service();
    let service = fleet.services.get(name)?;
    let places = plan.outbound.get(member);
    let outbound = service.calls.iter().map(|call| Some((call.to.clone(), *places?.get(&call.to)?)));
    let inbound = Inbound {
        mesh: *plan.mesh.get(member)?,
        program: plan.program(fleet, member)?,
        protocol: service.protocol,
        routes: service.routes.clone(),
        callers: callers(fleet, name),
        // One address: further instances on this machine could not have it too.
        ext_authz: service.ext_authz.filter(|_| member.number() == 1),
        mtls: service.mtls,
        limits: service.limits.clone(),
        slow_down: service.slow_down.clone(),
        api: service.api.clone(),
    };
    Some(Own {
        name: name.clone(),
        id: id_of(fleet, name),
        inbound: Some(inbound),
        outbound: outbound.collect::<Option<_>>()?,
        gateway: None,
        egress: egress(fleet, plan, member),
        captured: captured(plan, member),
        zone: service.placing(member.number())?.zone.clone(),
    })
}

/// The way out, where the fleet file gives one.
fn egress(fleet: &Fleet, plan: &Plan, member: &Member) -> Option<EgressSide> {
    let rules = fleet.services.get(member.service())?.egress.as_ref()?.rules.clone();
    let place = plan.egress.get(member)?;
    Some(EgressSide { proxy: place.proxy, dns: place.dns, rules })
}

/// What is redirected to the guard, where the program finds its callees by name.
fn captured(plan: &Plan, member: &Member) -> Option<Captured> {
    let (all, callees) = (plan.names.as_ref()?, plan.outbound.get(member)?);
    // Where the fleet is large, each directory is made without a look at all of it.
    let names = match all.len() <= CAPTURED_NAMES_MAX {
        true => {
            all.iter().filter(|(name, _)| *name != member.service()).map(|(name, at)| (*at, name.clone())).collect()
        }
        false => callees.keys().filter_map(|name| Some((*all.get(name)?, name.clone()))).collect(),
    };
    Some(Captured { at: *plan.captured.get(member)?, names })
}

fn gateway(fleet: &Fleet) -> Option<(Own, Vec<Call>)> {
    let gateway = fleet.gateway.as_ref()?;
    let name = ServiceName::gateway();
    let own = Own {
        id: id_of(fleet, &name),
        name,
        inbound: None,
        outbound: BTreeMap::new(),
        gateway: Some(GatewaySide {
            listen: gateway.listen,
            routes: gateway.routes.clone(),
            callers: clients(fleet, gateway),
            users: fleet.users.clone(),
            adaptive: gateway.adaptive,
            cors: gateway.cors.clone(),
            headers: gateway.headers.clone(),
            addresses: gateway.addresses.clone(),
            trusted_proxies: gateway.trusted_proxies.clone(),
            proxy_protocol: gateway.proxy_protocol,
            keys: Vec::new(),
            login: gateway.login.clone().map(|said| LoginSide { said, provider: None }),
            senders: gateway.senders.clone(),
        }),
        egress: None,
        captured: None,
        zone: None,
    };
    let edge = |to: &ServiceName| gateway.calls.get(to).copied().unwrap_or_default();
    let call = |to: &ServiceName| Call { to: to.clone(), via: None, edge: edge(to), narrow: None };
    Some((own, gateway.routes.iter().map(|route| call(&route.to)).collect()))
}

/// The clients whose certificates the gateway looks at.
fn clients(fleet: &Fleet, gateway: &Gateway) -> BTreeMap<SpiffeId, ServiceName> {
    // Those of our own authorization server show the certificate that their tokens are bound to.
    let own = fleet.authorization.iter().flat_map(|it| it.clients.keys());
    let named = gateway.routes.iter().flat_map(|route| &route.from).chain(own);
    named.filter_map(|client| Some((fleet.others.get(client)?.id.clone(), client.clone()))).collect()
}

/// Those beside the services who may call `name`.
fn callers(fleet: &Fleet, name: &ServiceName) -> BTreeMap<SpiffeId, ServiceName> {
    let callers = fleet.others.iter().filter(|(_, it)| it.calls.contains(name));
    callers.map(|(caller, it)| (it.id.clone(), caller.clone())).collect()
}

/// Where callers of this machine find who listens at `mesh`: one that listens everywhere is found on loopback.
fn dialled(mesh: SocketAddr) -> SocketAddr {
    let ip = match mesh.ip() {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, mesh.port())
}

fn peer(fleet: &Fleet, plan: &Plan, away: &Away, name: &ServiceName) -> Option<Peer> {
    if let Some(other) = fleet.others.get(name) {
        let at = other.at?;
        return Some(Peer::alone(other.id.clone(), at.mesh, at.protocol));
    }
    let service = fleet.services.get(name)?;
    let instances = instances(fleet, plan, away, name, service);
    let alone = Peer::alone(id_of(fleet, name), instances.first()?.mesh, service.protocol);
    // One alone says nothing that `mesh` does not.
    let instances = if service.count() > 1 { instances } else { Vec::new() };
    let (routes, versions, plain) = (service.routes.clone(), service.versions.clone(), !service.guarded);
    Some(Peer { plain, routes, instances, versions, ..alone })
}

/// The instances that callers may use, their guards or, without those, their programs: those that are there; all of them, where
/// none is.
fn instances(fleet: &Fleet, plan: &Plan, away: &Away, name: &ServiceName, service: &Service) -> Vec<Instance> {
    let all: Vec<Member> = (1..=service.count()).map(|number| Member::new(name.clone(), number)).collect();
    let there = |member: &&Member| !away.contains(*member);
    let nobody = !all.iter().any(|member| there(&member));
    let named = all.iter().filter(|member| nobody || there(member));
    let instance = |member: &Member| {
        let placing = service.placing(member.number())?;
        let at = if service.guarded { *plan.mesh.get(member)? } else { plan.program(fleet, member)? };
        let (mesh, zone) = (dialled(at), placing.zone.clone());
        Some(Instance { mesh, zone, weight: placing.weight })
    };
    named.filter_map(instance).collect()
}

/// Leaves out what this caller has no edge to: a version of a service may call the service.
fn keep_to(versions: &mut Versions, service: &ServiceName, known: &[&ServiceName]) {
    versions.split.retain(|(version, _)| version == service || known.contains(&version));
    versions.mirror = versions.mirror.take().filter(|mirror| known.contains(&&mirror.to));
}
