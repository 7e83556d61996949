//! From where clients may come to the gateway at all, and which balancers in front are believed about that.

use crate::conn::{Fresh, Worker};
use crate::limits;
use crate::proxy_header::{Bad, Parsed, parse};
use bartizan_core::event::{Refused, SeenBy, What};
use bartizan_core::gateway::AddressTable;
use bartizan_core::snapshot::GatewaySide;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// The lists of a gateway.
#[derive(Debug)]
pub struct Access {
    /// Who may come; everybody where `None`.
    admitted: Option<AddressTable>,
    /// Who is believed about the addresses of others.
    trusted: Option<AddressTable>,
    /// Whether those begin each connection with a header of the PROXY protocol.
    proxy_protocol: bool,
}

impl Access {
    /// What the directory says; `None` where everybody may come and nobody is believed.
    pub fn of(gateway: &GatewaySide) -> Option<Self> {
        let trusted = &gateway.trusted_proxies;
        let it = Self {
            admitted: gateway.addresses.as_ref().map(AddressTable::of),
            trusted: (!trusted.is_empty()).then(|| AddressTable::only(trusted)),
            proxy_protocol: gateway.proxy_protocol,
        };
        (it.admitted.is_some() || it.trusted.is_some()).then_some(it)
    }

    /// Whether clients at `address` may come.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.admitted.as_ref().is_none_or(|table| table.admits(address))
    }

    /// Whether whoever is at `address` is believed about the addresses of others.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.as_ref().is_some_and(|table| table.admits(address))
    }
}

/// A connection that may go on, with its client's address; `None` where it may not, which was reported. Nothing but a header of the
/// PROXY protocol was read from it.
pub async fn admitted(mut fresh: Fresh) -> Option<Fresh> {
    let routes = Arc::clone(&fresh.worker.proxy.live().routes);
    let Some(access) = routes.access() else { return Some(fresh) };
    if access.proxy_protocol && access.trusts(fresh.remote.ip()) {
        match tokio::time::timeout(limits::PROXY_HEADER_TIME, client(&mut fresh.stream)).await {
            Ok(Ok(client)) => fresh.remote = client.unwrap_or(fresh.remote),
            Ok(Err(why)) => return refuse(&fresh.worker, fresh.remote, why),
            Err(_) => return refuse(&fresh.worker, fresh.remote, "proxy_header_timeout"),
        }
    }
    let address = fresh.remote.ip();
    // Whom a trusted proxy speaks for stands in each request.
    if access.trusts(address) || access.admits(address) {
        return Some(fresh);
    }
    refuse(&fresh.worker, fresh.remote, "address_denied")
}

/// Reads the header, and nothing that follows it: TLS begins there.
async fn client(stream: &mut TcpStream) -> Result<Option<SocketAddr>, &'static str> {
    let mut read = Vec::with_capacity(limits::PROXY_HEADER_BYTES_MAX);
    loop {
        let wanted = match parse(&read) {
            Parsed::More(bytes) => bytes,
            Parsed::Done { client, .. } => return Ok(client),
            Parsed::Bad(why) => return Err(why.as_str()),
        };
        let before = read.len();
        read.resize(wanted, 0);
        if stream.read_exact(&mut read[before..]).await.is_err() {
            return Err(Bad::Missing.as_str());
        }
    }
}

fn refuse(worker: &Worker, remote: SocketAddr, rule: &'static str) -> Option<Fresh> {
    worker.counters.refused();
    let refused = Refused { peer: None, remote: Some(remote), rule: rule.into(), status: 0 };
    worker.proxy.events.offer(SeenBy::Gateway, None, What::Refused(refused));
    None
}
