//! Addresses: what may be one, and that each is used once in its network.

use super::super::reader::{At, Report, Reported};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Every address of the fleet that was seen so far.
#[derive(Default)]
pub(super) struct Ports {
    /// By address and port: its users, each in another network.
    taken: HashMap<SocketAddr, Vec<User>>,
    /// By port alone: the first user, for addresses that mean every interface.
    by_port: HashMap<u16, User>,
}

#[derive(Clone)]
struct User {
    key: String,
    line: u64,
    network: Network,
}

/// Where an address is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Network {
    /// On the machine.
    Host,
    /// In the namespace of the service of this name.
    Own(String),
}

impl Network {
    /// Whether one address in both is two: each in a namespace of its own. Not between a namespace and the host, where people
    /// would take one for the other.
    fn is_apart_from(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Own(one), Self::Own(another)) if one != another)
    }
}

impl Ports {
    /// An address of a program or a sidecar: loopback, one port, nobody else's in that network.
    pub(super) fn loopback(
        &mut self,
        report: &mut Report<'_>,
        at: &At<String>,
        network: &Network,
    ) -> Result<SocketAddr, Reported> {
        let address = address(report, at)?;
        if !address.ip().is_loopback() {
            // The program speaks plain text there; only on loopback does nobody else hear it.
            let way_out = format!("only loopback is allowed here, such as `127.0.0.1:{}`", address.port());
            return Err(report.refuse_value(at, "not a loopback address", way_out));
        }
        self.take(report, at, address, network)
    }

    /// An address that may be on any interface.
    pub(super) fn anywhere(&mut self, report: &mut Report<'_>, at: &At<String>) -> Result<SocketAddr, Reported> {
        let address = address(report, at)?;
        self.take(report, at, address, &Network::Host)
    }

    /// Where somebody else listens, perhaps on another machine: any address that can be dialled, taken by nobody of the fleet.
    pub(super) fn elsewhere(&mut self, report: &mut Report<'_>, at: &At<String>) -> Result<SocketAddr, Reported> {
        let address = address(report, at)?;
        if address.ip().is_unspecified() || address.ip().is_multicast() {
            return Err(report.refuse_value(at, "not an address that can be dialled", "name the one where it listens"));
        }
        self.take(report, at, address, &Network::Host)
    }

    fn take(
        &mut self,
        report: &mut Report<'_>,
        at: &At<String>,
        address: SocketAddr,
        network: &Network,
    ) -> Result<SocketAddr, Reported> {
        let mut users = self.taken.get(&address).into_iter().flatten();
        let other = if address.ip().is_unspecified() {
            self.by_port.get(&address.port())
        } else {
            users.find(|user| !user.network.is_apart_from(network))
        };
        if let Some(User { key, line, network: _ }) = other {
            let problem = format!("the address is taken by {key} (line {line})");
            return Err(report.refuse_value(at, problem, "give each a port of its own"));
        }
        let user = User { key: at.spot.key.clone(), line: at.spot.place.line, network: network.clone() };
        self.by_port.entry(address.port()).or_insert_with(|| user.clone());
        self.taken.entry(address).or_default().push(user);
        Ok(address)
    }
}

fn address(report: &mut Report<'_>, at: &At<String>) -> Result<SocketAddr, Reported> {
    let address: SocketAddr = at.value.parse().map_err(|_| {
        let port = at.value.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != 0);
        let way_out = format!("write it as `127.0.0.1:{}`", port.unwrap_or(7102));
        report.refuse_value(at, "expected an IP address and a port", way_out)
    })?;
    if address.port() == 0 {
        return Err(report.refuse_value(at, "port 0 is no port to be found at", "choose one from 1 to 65535"));
    }
    Ok(match address {
        // One spelling per address, so that `[::ffff:127.0.0.1]:80` is seen to be `127.0.0.1:80`.
        SocketAddr::V6(v6) => SocketAddr::new(IpAddr::V6(*v6.ip()).to_canonical(), v6.port()),
        v4 => v4,
    })
}
