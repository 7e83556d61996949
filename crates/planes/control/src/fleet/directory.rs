//! What each proxy has to know of the fleet: itself, and those it calls.

use bartizan_core::fleet::{Fleet, Gateway};
use bartizan_core::plan::Plan;
use bartizan_core::snapshot::{Directory, EgressSide, GatewaySide, Inbound, Own, Peer};
use bartizan_core::{Role, ServiceName, SpiffeId};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The directory of one service, or of the gateway. `None` where the fleet has no such service.
///
/// `plan` has passed [`super::check_plan`] against `fleet`.
pub(crate) fn directory(fleet: &Fleet, plan: &Plan, name: &ServiceName) -> Option<Directory> {
    let (own, callees) = match fleet.services.get(name) {
        Some(_) => sidecar(fleet, plan, name)?,
        None if *name == ServiceName::gateway() => gateway(fleet)?,
        None => return None,
    };
    let peers = callees.into_iter().map(|callee| Some((callee.clone(), peer(fleet, plan, &callee)?)));
    let peers = peers.collect::<Option<BTreeMap<_, _>>>()?;
    let (fleet_name, mode, trust, tls) = (fleet.name.to_string(), plan.mode, fleet.trust, fleet.tls);
    Some(Directory { fleet: fleet_name, mode, trust, tls, own, peers })
}

/// Everybody who gets a directory: each service, and the gateway where there is one.
pub(crate) fn members(fleet: &Fleet) -> impl Iterator<Item = ServiceName> + '_ {
    fleet.services.keys().cloned().chain(fleet.gateway.iter().map(|_| ServiceName::gateway()))
}

/// Whether somebody gets a directory.
pub(crate) fn is_member(fleet: &Fleet, name: &ServiceName) -> bool {
    fleet.services.contains_key(name) || (fleet.gateway.is_some() && *name == ServiceName::gateway())
}

/// The identity of a service of this fleet.
pub(crate) fn id_of(fleet: &Fleet, name: &ServiceName) -> SpiffeId {
    SpiffeId::of(&fleet.trust_domain, &Role::Service(name.clone()))
}

fn sidecar(fleet: &Fleet, plan: &Plan, name: &ServiceName) -> Option<(Own, Vec<ServiceName>)> {
    let service = fleet.services.get(name)?;
    let callees: Vec<_> = service.calls.iter().map(|call| call.to.clone()).collect();
    let places = plan.outbound.get(name);
    let outbound = callees.iter().map(|callee| Some((callee.clone(), *places?.get(callee)?)));
    let inbound = Inbound {
        mesh: *plan.mesh.get(name)?,
        program: service.listen,
        protocol: service.protocol,
        routes: service.routes.clone(),
        callers: callers(fleet, name),
        ext_authz: service.ext_authz,
    };
    let own = Own {
        name: name.clone(),
        id: id_of(fleet, name),
        inbound: Some(inbound),
        outbound: outbound.collect::<Option<_>>()?,
        gateway: None,
        egress: egress(fleet, plan, name),
    };
    Some((own, callees))
}

/// The way out, where the fleet file gives one.
fn egress(fleet: &Fleet, plan: &Plan, name: &ServiceName) -> Option<EgressSide> {
    let rules = fleet.services.get(name)?.egress.as_ref()?.rules.clone();
    let place = plan.egress.get(name)?;
    Some(EgressSide { proxy: place.proxy, dns: place.dns, rules })
}

fn gateway(fleet: &Fleet) -> Option<(Own, Vec<ServiceName>)> {
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
        }),
        egress: None,
    };
    Some((own, gateway.routes.iter().map(|route| route.to.clone()).collect()))
}

/// The clients whose certificates the gateway looks at.
fn clients(fleet: &Fleet, gateway: &Gateway) -> BTreeMap<SpiffeId, ServiceName> {
    let named = gateway.routes.iter().flat_map(|route| &route.from);
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

fn peer(fleet: &Fleet, plan: &Plan, name: &ServiceName) -> Option<Peer> {
    if let Some(other) = fleet.others.get(name) {
        let at = other.at?;
        return Some(Peer { id: other.id.clone(), mesh: at.mesh, protocol: at.protocol, routes: Vec::new() });
    }
    let service = fleet.services.get(name)?;
    let routes = service.routes.clone();
    Some(Peer { id: id_of(fleet, name), mesh: dialled(*plan.mesh.get(name)?), protocol: service.protocol, routes })
}
