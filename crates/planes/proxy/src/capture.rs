//! Connections of the own program that were redirected to us: each is for the one whose name its address stands for, as if the
//! program had called our listener for that one. Whom the program may not call is refused by name.

use crate::conn::{Fresh, Side};
use crate::outbound;
use bartizan_core::ServiceName;
use bartizan_core::event::{Refused, What};
use bartizan_runtime::listen;
use std::net::{IpAddr, SocketAddr};

/// The rule in the event of a connection to an address that stands for nobody.
const NOBODY: &str = "undeclared_destination";

/// Serves one connection to its end. Dropping the future cuts it off.
pub async fn serve(fresh: Fresh) {
    // Who came straight here finds our own address, which stands for nobody either.
    let meant = listen::original_destination(&fresh.stream);
    match meant.and_then(|at| named(&fresh, at)) {
        Some(callee) => outbound::serve(fresh, callee).await,
        None => refuse(&fresh),
    }
}

fn named(fresh: &Fresh, at: SocketAddr) -> Option<ServiceName> {
    let IpAddr::V4(at) = at.ip() else { return None };
    let live = fresh.worker.proxy.live();
    live.directory.as_ref()?.own.captured.as_ref()?.names.get(&at).cloned()
}

/// The connection is closed with what holds it.
fn refuse(fresh: &Fresh) {
    let worker = &fresh.worker;
    worker.counters.refused();
    let refused = Refused { peer: None, remote: Some(fresh.remote), rule: NOBODY.into(), status: 0 };
    worker.proxy.events.offer(Side::Outbound(worker.proxy.name.clone()).seen_by(), None, What::Refused(refused));
}
