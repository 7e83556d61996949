//! Identities for the programs on this host: the SPIFFE Workload API and Envoy's SDS on a Unix socket.
//!
//! A caller is whoever the kernel says ([`caller`]); what it runs is looked at when it asks and every few seconds while it
//! listens ([`process`]); which identities it may have is in the entries that control sent ([`view`]).

mod answer; // what a caller is sent, from what is held
mod caller; // start here: who is at the other end
mod docker; // images of containers
mod gate; // how much one caller may take
mod keeper; // keys and certificates, made ahead and renewed
mod kubernetes; // pods
mod link; // the stream to control
mod peer_pidfd; // the one system call without a safe wrapper
mod process; // what a caller runs
mod sds; // Envoy's protocol
mod session; // one caller's stream, attested again and again
mod spiffe; // the Workload API
mod view; // what is held now

pub(crate) use keeper::keep;
pub(crate) use kubernetes::Cluster;
pub use kubernetes::{ClusterError, Kubernetes};
pub(crate) use link::Link;
pub(crate) use view::{Evidence, Hub, View, WorkloadSvid};

use crate::limits;
use crate::workload::caller::Caller;
use crate::workload::docker::Engine;
use crate::workload::gate::{Gate, Slot, What};
use crate::workload::process::Eyes;
use bartizan_runtime::workload_api::{self, Admit};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

/// What every call needs.
#[derive(Debug)]
pub(crate) struct Desk {
    hub: Arc<Hub>,
    eyes: Eyes,
    gate: Arc<Gate>,
    stop: CancellationToken,
}

/// A connection's caller, with the place that it takes.
#[derive(Clone, Debug)]
struct Connected {
    caller: Arc<Caller>,
    _slot: Arc<Slot>,
}

/// Serves until `stop` fires.
pub(crate) async fn serve(
    listener: UnixListener,
    hub: Arc<Hub>,
    engine: Option<PathBuf>,
    cluster: Option<Cluster>,
    stop: CancellationToken,
) {
    let eyes = Eyes::with(engine.map(Engine::new), cluster);
    let desk = Arc::new(Desk { hub, eyes, gate: Arc::default(), stop: stop.clone() });
    let (workloads, secrets) = (spiffe::Api(Arc::clone(&desk)), sds::Api(Arc::clone(&desk)));
    if let Err(error) = workload_api::serve(listener, admit(desk), workloads, secrets, stop).await {
        tracing::error!(%error, "the workload socket is not served any more");
    }
}

/// Whoever the kernel names gets a connection, as far as it has places left.
fn admit(desk: Arc<Desk>) -> Admit<Connected> {
    Arc::new(move |socket| {
        let caller = match Caller::of(socket) {
            Ok(caller) => Arc::new(caller),
            Err(error) => {
                tracing::warn!(%error, "a caller of the workload socket cannot be told, closing");
                return None;
            }
        };
        let slot = desk.gate.enter(What::Connection, caller.pid, caller.uid);
        if slot.is_none() {
            tracing::warn!(pid = caller.pid, uid = caller.uid, "too many connections of one caller, closing");
        }
        Some(Connected { caller, _slot: Arc::new(slot?) })
    })
}

impl Desk {
    /// False where the caller says more than it may within a second.
    fn hears(&self, caller: &Caller) -> bool {
        self.gate.hear(caller.pid, Instant::now())
    }
}

/// Pause between two looks at a caller that listens.
const LOOK_EVERY: std::time::Duration = limits::ATTEST_EVERY;
