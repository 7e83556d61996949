//! Who is connected to whom on this machine now, past the guards or to them without mutual TLS.

use crate::limits::{LOOK_EVERY, LOOKED_AT_MAX};
use bartizan_core::ServiceName;
use bartizan_core::fleet::Fleet;
use bartizan_core::status::{Places, ProxyStatus};
use bartizan_runtime::proc_net::{self, Listening, Open};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Name of the guard's process, as the kernel cuts it.
const GUARD: &str = "bartizan-proxy";

/// How somebody is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum How {
    /// To the program itself, past its guard.
    Direct,
    /// To the guard, without mutual TLS of a guard of its own.
    Plaintext,
}

/// One caller that is not behind its own guard yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Caller {
    /// Name of its process; empty where we may not look.
    pub(crate) process: String,
    /// Number of its process.
    pub(crate) pid: Option<u32>,
    /// The service whose program it is, where it is one.
    pub(crate) service: Option<ServiceName>,
    /// The service that it calls.
    pub(crate) to: ServiceName,
    /// How.
    pub(crate) how: How,
    /// The address that it calls.
    pub(crate) at: SocketAddr,
    /// Where it finds the callee through its own guard.
    pub(crate) instead: Option<SocketAddr>,
}

/// Where a service is, for [`callers`].
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) service: ServiceName,
    pub(crate) program: SocketAddr,
    /// Where its guard takes plaintext, where it does.
    pub(crate) open: Option<SocketAddr>,
    pub(crate) outbound: BTreeMap<ServiceName, SocketAddr>,
}

/// The places of a fleet that runs.
pub(crate) fn places(proxies: &[ProxyStatus]) -> Vec<Place> {
    let place = |proxy: &ProxyStatus| {
        let Places { mesh, program, outbound } = proxy.places.clone()?;
        let open = (!proxy.mtls.is_strict()).then_some(mesh);
        Some(Place { service: proxy.service.clone(), program, open, outbound })
    };
    proxies.iter().filter_map(place).collect()
}

/// The places of a fleet that does not run behind guards yet.
pub(crate) fn plain_places(fleet: &Fleet) -> Vec<Place> {
    let place = |(service, it): (&ServiceName, &bartizan_core::fleet::Service)| {
        let more: Vec<_> = it.instances.more.iter().filter_map(|instance| instance.listen).collect();
        let of = |program| Place { service: service.clone(), program, open: None, outbound: BTreeMap::new() };
        std::iter::once(it.listen).chain(more).map(of).collect::<Vec<_>>()
    };
    fleet.services.iter().flat_map(place).collect()
}

/// Looks again and again for `span`, since connections may be short.
pub(crate) fn watch(places: &[Place], span: Duration) -> BTreeSet<Caller> {
    let (mut seen, until) = (BTreeSet::new(), Instant::now() + span);
    loop {
        let (open, listening) = (proc_net::open(), proc_net::listening());
        let wanted = wanted(places, &open, &listening);
        seen.extend(callers(places, &open, &listening, &proc_net::holders(&wanted)));
        if Instant::now() >= until || seen.len() >= LOOKED_AT_MAX {
            return seen;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The sockets whose holders have to be known.
fn wanted(places: &[Place], open: &[Open], listening: &[Listening]) -> HashSet<u64> {
    let called = open.iter().filter(|it| called(places, it.remote).is_some()).map(|it| it.inode);
    let programs = listening.iter().filter(|it| places.iter().any(|place| place.program == it.addr)).map(|it| it.inode);
    called.chain(programs).collect()
}

fn called(places: &[Place], remote: SocketAddr) -> Option<(&Place, How)> {
    places.iter().find_map(|place| match remote {
        remote if remote == place.program => Some((place, How::Direct)),
        remote if Some(remote) == place.open => Some((place, How::Plaintext)),
        _ => None,
    })
}

/// Those who are connected past the guards, or to them without one. Guards themselves are none of them.
fn callers(
    places: &[Place],
    open: &[Open],
    listening: &[Listening],
    holders: &HashMap<u64, (u32, String)>,
) -> BTreeSet<Caller> {
    let program_of = |pid: u32| {
        let listens = listening.iter().filter(|it| holders.get(&it.inode).is_some_and(|(holder, _)| *holder == pid));
        let addresses: Vec<_> = listens.map(|it| it.addr).collect();
        places.iter().find(|place| addresses.contains(&place.program))
    };
    let caller = |it: &Open| {
        let (callee, how) = called(places, it.remote)?;
        let holder = holders.get(&it.inode);
        if holder.is_some_and(|(_, name)| name == GUARD) {
            return None;
        }
        let own = holder.and_then(|(pid, _)| program_of(*pid));
        Some(Caller {
            process: holder.map(|(_, name)| name.clone()).unwrap_or_default(),
            pid: holder.map(|(pid, _)| *pid),
            service: own.map(|place| place.service.clone()),
            to: callee.service.clone(),
            how,
            at: it.remote,
            instead: own.and_then(|place| place.outbound.get(&callee.service).copied()),
        })
    };
    open.iter().filter_map(caller).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).unwrap()
    }

    #[test]
    fn who_goes_past_guards_is_named_with_the_way_behind_one() {
        let place = |service: &str, program, open, outbound: &[(&str, u16)]| Place {
            service: name(service),
            program: at(program),
            open: Some(at(open)),
            outbound: outbound.iter().map(|(to, port)| (name(to), at(*port))).collect(),
        };
        let places = [place("payment", 1, 101, &[("accounts", 201)]), place("accounts", 2, 102, &[])];
        let end = |local, remote, inode| Open { local: at(local), remote: at(remote), inode };
        let open = [
            end(5001, 2, 11),   // payment, straight to accounts
            end(2, 5001, 12),   // the other end of that
            end(5002, 102, 13), // somebody, to the guard of accounts
            end(5003, 2, 14),   // the guard of accounts itself
            end(5004, 999, 15), // somewhere else
            end(5005, 1, 16),   // of somebody at whom we may not look
        ];
        let listening = [Listening { addr: at(1), inode: 21 }];
        let held = |pid, text: &str| (pid, text.to_owned());
        let holders = HashMap::from([
            (11, held(7, "bank")),
            (12, held(8, "bank")),
            (13, held(9, "curl")),
            (14, held(10, "bartizan-proxy")),
            (21, held(7, "bank")),
        ]);
        let seen: Vec<_> = callers(&places, &open, &listening, &holders)
            .into_iter()
            .map(|it| (it.process, it.service.map(|it| it.to_string()), it.to.to_string(), it.how, it.instead))
            .collect();
        let expected = [
            (String::new(), None, "payment".to_owned(), How::Direct, None),
            ("bank".to_owned(), Some("payment".to_owned()), "accounts".to_owned(), How::Direct, Some(at(201))),
            ("curl".to_owned(), None, "accounts".to_owned(), How::Plaintext, None),
        ];
        assert_eq!(seen, expected);
        assert_eq!(wanted(&places, &open, &listening), HashSet::from([11, 13, 14, 16, 21]));
    }
}
