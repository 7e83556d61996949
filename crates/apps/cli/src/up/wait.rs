//! When a part counts as ready.

use super::edge;
use super::part::Part;
use super::pulse::Pulse;
use super::record::Recorder;
use super::screen::Screen;
use super::spaces::Spaces;
use crate::data_dir::DataDir;
use crate::limits::{CONNECT_WITHIN, READY_POLL};
use bartizan_core::fleet::Fleet;
use bartizan_core::group::GroupStatus;
use bartizan_core::plan::Plan;
use bartizan_core::status::Status;
use bartizan_core::{Member, ServiceName};
use bartizan_node::api::Health;
use bartizan_runtime::{listen, local};
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// What waiting needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    /// The fleet.
    pub(crate) fleet: Arc<Fleet>,
    /// Where everything listens; `None` in mode `off`.
    pub(crate) plan: Option<Arc<Plan>>,
    /// The data folder.
    pub(crate) data: DataDir,
    /// The network namespaces of programs.
    pub(crate) spaces: Arc<Spaces>,
    /// Control's view.
    pub(crate) pulse: Pulse,
    /// Where warnings are printed.
    pub(crate) screen: Arc<Screen>,
    /// Where warnings are kept.
    pub(crate) recorder: Arc<Recorder>,
}

impl Waiter {
    /// Returns once `part`, running as process `pid`, does its work. Has no end of its own; drop it to give up.
    pub(crate) async fn ready(&self, part: &Part, pid: u32) {
        match part {
            Part::Control => answers::<Status>(&self.data.control_socket(), "/v1/status").await,
            Part::ControlMember(number) => {
                answers::<GroupStatus>(&self.data.member(*number).control_socket(), "/v1/group").await;
                // Whoever it is: the others wait for one that leads.
                answers::<Status>(&self.data.control_socket(), "/v1/status").await;
            }
            Part::Node => answers::<Health>(&self.data.node_socket(), "/v1/health").await,
            // It was seen through its beginning when it was started.
            Part::Porter(_) => {}
            Part::Sidecar(member) => self.proxy(member, pid).await,
            Part::Program(member) => self.program(member).await,
            Part::Gateway => {
                self.proxy(&ServiceName::gateway().into(), pid).await;
                if let Some(gateway) = &self.fleet.gateway {
                    self.edge(loopback_of(gateway.listen)).await;
                }
            }
        }
    }

    /// A proxy is ready when control says that this very process enforces the newest of everything.
    async fn proxy(&self, member: &Member, pid: u32) {
        let there = |status: &Status| {
            status.proxies.iter().any(|p| p.member() == *member && p.pid == Some(pid) && p.is_at(&status.epochs))
        };
        self.pulse.until(there).await;
    }

    /// It listens by then; its certificate for outside clients may come a moment later.
    async fn edge(&self, addr: SocketAddr) {
        while !edge::answers(addr, &self.data).await {
            tokio::time::sleep(READY_POLL).await;
        }
    }

    async fn program(&self, member: &Member) {
        let listen = match &self.plan {
            Some(plan) => plan.program(&self.fleet, member),
            None => self.fleet.services.get(member.service()).map(|service| service.listen),
        };
        let Some(listen) = listen else { return };
        if !self.spaces.has(member) {
            accepts(listen).await;
            return self.warn_if_exposed(member.service(), listen);
        }
        // Without its namespace it is not ready, whatever answers at that address out here.
        while !self.accepts_inside(member, listen).await {
            tokio::time::sleep(READY_POLL).await;
        }
    }

    async fn accepts_inside(&self, member: &Member, addr: SocketAddr) -> bool {
        let Ok(Some(space)) = self.spaces.get(member) else { return false };
        space.inside.connect_once(addr, CONNECT_WITHIN).await.is_ok()
    }

    /// Says so where a program can be reached from outside the machine, which goes past its sidecar.
    pub(crate) fn warn_if_exposed(&self, service: &ServiceName, addr: SocketAddr) {
        if listen::wildcard_listener(addr.port()) {
            self.screen.line(&format!(
                "WARNING: `{service}` listens on port {} beyond loopback: other machines reach it past its sidecar; \
                 make it listen on {addr}",
                addr.port()
            ));
            self.recorder.exposed(service, addr);
        }
    }
}

/// Returns once something accepts connections at `addr`.
pub(crate) async fn accepts(addr: SocketAddr) {
    while !is_open(addr).await {
        tokio::time::sleep(READY_POLL).await;
    }
}

/// Whether something accepts connections at `addr` now.
pub(crate) async fn is_open(addr: SocketAddr) -> bool {
    listen::connect(addr, CONNECT_WITHIN).await.is_ok()
}

/// Where a listener is reached from this machine: `0.0.0.0` is no address to connect to.
pub(crate) fn loopback_of(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, v6.port())),
        addr => addr,
    }
}

/// Returns once a local API answers with a `T`.
async fn answers<T: DeserializeOwned>(socket: &Path, path: &str) {
    while local::get::<T>(socket, path).await.is_err() {
        tokio::time::sleep(READY_POLL).await;
    }
}
