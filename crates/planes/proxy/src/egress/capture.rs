//! Sockets of the way out in the program's own network namespace, where every address is loopback: whatever the program dials,
//! at a port that is listened on in there, comes to its guard. At other ports nobody is, and nothing leaves.

use super::doors::Sockets;
use crate::limits;
use crate::listeners::BindError;
use bartizan_core::snapshot::{Directory, EgressSide};
use bartizan_runtime::files;
use bartizan_runtime::inside::Inside;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

/// Ports that are listened on whatever the rules say, so that attempts there are heard of.
const COMMON: [u16; 2] = [80, 443];
const DNS_PORT: u16 = 53;
/// Name servers that a resolver takes from its file, a count (resolv.conf(5)).
const NAME_SERVERS_MAX: usize = 3;

/// The ports to listen on: those of the rules and the common ones, except where the program or its callees are.
pub(super) fn ports(directory: &Directory) -> BTreeSet<u16> {
    let own = &directory.own;
    let rules = own.egress.iter().flat_map(|side| &side.rules.to).flat_map(|rule| rule.ports.iter().copied());
    let plain =
        own.egress.iter().flat_map(|side| &side.rules.to).filter(|rule| rule.http.originate.is_some()).map(|_| 80);
    let mut ports: BTreeSet<u16> = COMMON.into_iter().chain(rules).chain(plain).collect();
    let inbound = own.inbound.iter().map(|it| it.program.port());
    let egress = own.egress.iter().flat_map(|it| [it.proxy.port(), it.dns.port(), DNS_PORT]);
    let taken: BTreeSet<u16> = inbound.chain(egress).chain(own.outbound.values().map(SocketAddr::port)).collect();
    ports.retain(|port| !taken.contains(port));
    ports
}

/// Opens the forward proxy and the DNS in there, leads every address to loopback, and answers DNS at every address.
///
/// # Errors
/// [`BindError`] where forward proxy or DNS cannot be had at their own places. What is only to be heard of may fail.
pub(super) fn open(inside: &Inside, side: &EgressSide) -> Result<Sockets, BindError> {
    let prepare = |addr| move |source| BindError::Prepare { addr, source };
    let mut sockets = Sockets {
        proxy: vec![inside.bind(side.proxy)?],
        dns_tcp: vec![inside.bind(side.dns)?],
        dns_udp: vec![inside.bind_udp(side.dns).map_err(prepare(side.dns))?],
    };
    if let Err(error) = inside.lead_everywhere() {
        tracing::warn!(%error, "attempts to go out past the guard are stopped, and not heard of");
        return Ok(sockets);
    }
    for at in resolvers() {
        sockets.dns_udp.extend(heard(at, inside.bind_udp(at)));
        sockets.dns_tcp.extend(heard(at, inside.bind(at).map_err(|error| std::io::Error::other(error.to_string()))));
    }
    Ok(sockets)
}

/// Listeners at `ports` of every address in there.
pub(super) fn listen(inside: &Inside, ports: impl IntoIterator<Item = u16>) -> Vec<TcpListener> {
    let everywhere =
        |port| [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()].map(|ip| SocketAddr::new(ip, port));
    let bound = ports
        .into_iter()
        .flat_map(everywhere)
        .map(|at| heard(at, inside.bind(at).map_err(|error| std::io::Error::other(error.to_string()))));
    bound.flatten().collect()
}

/// Fails open: what cannot be listened on is not reached either.
fn heard<T>(at: SocketAddr, bound: std::io::Result<T>) -> Option<T> {
    bound
        .inspect_err(|error| tracing::warn!(%error, %at, "attempts to go out there are stopped, and not heard of"))
        .ok()
}

/// Where resolvers ask. The host's name servers each alone: an answer has to come from the address that was asked.
fn resolvers() -> Vec<SocketAddr> {
    let text = files::read_bounded(Path::new("/etc/resolv.conf"), limits::RESOLV_CONF_BYTES_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let servers =
        text.lines().filter_map(|line| line.strip_prefix("nameserver")).filter_map(|rest| rest.trim().parse().ok());
    let servers = servers.take(NAME_SERVERS_MAX).filter(|ip: &IpAddr| !ip.is_unspecified());
    let anybody = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
    servers.chain(anybody).map(|ip| SocketAddr::new(ip, DNS_PORT)).collect()
}
