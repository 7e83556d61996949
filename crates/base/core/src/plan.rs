//! Where everything of one running fleet listens: chosen once by whoever starts it, kept in a file, read by control.

use crate::capture;
use crate::fleet::{Capture, Fleet, Isolate, Service};
use crate::name::{Member, ServiceName};
use crate::snapshot::Mode;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};

/// Addresses that the fleet file leaves open. All are on loopback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Which parts are on.
    pub mode: Mode,
    /// Where control's gRPC stream listens.
    pub control: SocketAddr,
    /// Where the console listens, where the fleet file does not say it; nowhere where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console: Option<SocketAddr>,
    /// Where the sidecar of each instance that has one accepts mutual TLS.
    pub mesh: BTreeMap<Member, SocketAddr>,
    /// For each instance, where each of its callees is to be found: a listener of the instance's own sidecar.
    pub outbound: BTreeMap<Member, BTreeMap<ServiceName, SocketAddr>>,
    /// Where the programs of those instances listen of which the fleet file does not say it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<Member, SocketAddr>,
    /// For each instance of a service that the fleet file gives a way out of the fleet, where its guard opens it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub egress: BTreeMap<Member, EgressPlace>,
    /// Of which services programs are kept apart from the network, of those that are started here. The listeners of such a one for its
    /// callees are in its namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub isolation: BTreeMap<ServiceName, Isolation>,
    /// What a program has that is added while the fleet runs; `None` where nobody starts any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<Isolation>,
    /// The addresses that stand for names, in the networks of programs that find their callees by name; `None` where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<BTreeMap<ServiceName, Ipv4Addr>>,
    /// For each instance of such a program, where its guard takes what was redirected; in the program's own network.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub captured: BTreeMap<Member, SocketAddr>,
}

impl Plan {
    /// Gives each instance of `fleet` a place that has none yet: the file's where it names one, else the next of `free`.
    /// `None` where those ran out.
    ///
    /// Further instances on one machine have listeners of their own also where the first one's are fixed by the file.
    pub fn complete(&mut self, fleet: &Fleet, mut free: impl FnMut() -> Option<SocketAddr>) -> Option<()> {
        if let Some(names) = &mut self.names {
            let others = fleet.others.iter().filter(|(_, it)| it.at.is_some()).map(|(name, _)| name);
            capture::give(names, fleet.services.keys().chain(others))?;
        }
        if let Some(can) = &self.added {
            for (name, service) in &fleet.services {
                if let (Some(its), Entry::Vacant(place)) =
                    (Isolation::of(service, can), self.isolation.entry(name.clone()))
                {
                    place.insert(its);
                }
            }
        }
        for member in fleet.instances() {
            let service = fleet.services.get(member.service())?;
            let instance = service.instance(member.number());
            let (mesh, program) = match instance {
                None => (service.mesh, Some(service.listen)),
                Some(instance) => (instance.mesh, instance.listen),
            };
            if service.guarded
                && let Entry::Vacant(place) = self.mesh.entry(member.clone())
            {
                place.insert(mesh.map_or_else(&mut free, Some)?);
            }
            if program.is_none()
                && let Entry::Vacant(place) = self.programs.entry(member.clone())
            {
                place.insert(free()?);
            }
            if !service.guarded {
                continue;
            }
            let edges = self.outbound.entry(member.clone()).or_default();
            for call in &service.calls {
                let via = call.via.filter(|_| instance.is_none());
                if let Entry::Vacant(place) = edges.entry(call.to.clone()) {
                    place.insert(via.map_or_else(&mut free, Some)?);
                }
            }
            let apart = self.isolation.get(member.service()) == Some(&Isolation::Own);
            if self.names.is_some()
                && apart
                && service.capture != Capture::Never
                && let Entry::Vacant(place) = self.captured.entry(member.clone())
            {
                place.insert(free()?);
            }
            if let (Some(way_out), Entry::Vacant(place)) = (&service.egress, self.egress.entry(member.clone())) {
                let mut at = |named: Option<SocketAddr>| named.filter(|_| instance.is_none()).or_else(&mut free);
                place.insert(EgressPlace { proxy: at(way_out.proxy)?, dns: at(way_out.dns)? });
            }
        }
        Some(())
    }

    /// Takes the places away of services that `fleet` does not have. Their names keep their addresses: programs know them.
    pub fn forget(&mut self, fleet: &Fleet) {
        let there = |member: &Member| fleet.services.contains_key(member.service());
        self.mesh.retain(|member, _| there(member));
        self.outbound.retain(|member, _| there(member));
        self.programs.retain(|member, _| there(member));
        self.egress.retain(|member, _| there(member));
        self.captured.retain(|member, _| there(member));
        self.isolation.retain(|name, _| fleet.services.contains_key(name));
    }

    /// How many free addresses [`Plan::complete`] would take, a count.
    pub fn lacks(&self, fleet: &Fleet) -> usize {
        let (mut count, nowhere) = (0, SocketAddr::from(([127, 0, 0, 1], 0)));
        let took = self.clone().complete(fleet, || {
            count += 1;
            Some(nowhere)
        });
        if took.is_some() { count } else { 0 }
    }

    /// Where the program of an instance listens: where the fleet file says it, else where this plan does.
    pub fn program(&self, fleet: &Fleet, member: &Member) -> Option<SocketAddr> {
        let service = fleet.services.get(member.service())?;
        match member.number() {
            1 => Some(service.listen),
            number => service.instance(number)?.listen.or_else(|| self.programs.get(member).copied()),
        }
    }
}

/// Whether a program is kept apart from the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "network", rename_all = "lowercase", deny_unknown_fields)]
pub enum Isolation {
    /// It has a network namespace of its own, with its guard as the only way in and out.
    Own,
    /// It has not: what runs on this machine reaches it past its guard, and it reaches what the machine reaches.
    Shared {
        /// Why.
        why: String,
    },
}

impl Isolation {
    /// What the program of a service has where the machine `can` give that much; `None` for one that is not started here.
    pub fn of(service: &Service, can: &Self) -> Option<Self> {
        let shared = |why: &str| Self::Shared { why: why.to_owned() };
        service.is_run().then(|| match service.isolate {
            _ if !service.guarded => shared("it has no guard (`guards` in the fleet file)"),
            Isolate::Never => shared("the fleet file says `isolate: false`"),
            Isolate::WhereItCan | Isolate::Required => can.clone(),
        })
    }
}

/// Where a guard opens the way out of the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressPlace {
    /// Its forward proxy.
    pub proxy: SocketAddr,
    /// Its DNS.
    pub dns: SocketAddr,
}
