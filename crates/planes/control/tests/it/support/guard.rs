//! A real guard in this process, put together as its own process does it, without node and signals.

use crate::support::{Node, Running};
use bartizan_core::snapshot::{Directory, Kind};
use bartizan_core::{Member, Secret};
use bartizan_crypto::{KeyPair, random};
use bartizan_proxy::attach::{Attach, AttachError};
use bartizan_proxy::conn::Side;
use bartizan_proxy::disk::Disk;
use bartizan_proxy::doors::Doors;
use bartizan_proxy::identity_slot::IdentitySlots;
use bartizan_proxy::intake::Intake;
use bartizan_proxy::listeners::Listeners;
use bartizan_proxy::live::Proxy;
use bartizan_proxy::worker::{self, Door, Handle};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Guard {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) doors: Arc<Doors>,
    stop: CancellationToken,
    drained: CancellationToken,
    worker: Option<Handle>,
    attach: Option<JoinHandle<Result<(), AttachError>>>,
    _state: tempfile::TempDir,
}

impl Guard {
    /// Begins, with a voucher of `node`. It serves once it [holds everything](Self::is_whole).
    pub(crate) fn begin(control: &Running, node: &Node, member: &str) -> Self {
        let (member, state) = (Member::parse(member).unwrap(), tempfile::tempdir().unwrap());
        let proxy = Arc::new(Proxy::new(member.service().clone(), control.domain.clone(), random::u64()));
        proxy.change(|live| live.bundles = Some(Arc::clone(&control.bundles)));
        let (stop, drained) = (CancellationToken::new(), CancellationToken::new());
        let worker = worker::start(&proxy, 0, &stop).unwrap();
        let doors = Arc::new(Doors::new(vec![worker.listen.clone()], false));
        let disk = Arc::new(Disk::open(state.path()).unwrap());
        let listeners = Listeners::behind(Arc::clone(&doors), stop.clone());
        let intake = Intake::new(Arc::clone(&proxy), Arc::clone(&disk), listeners);
        let key = KeyPair::generate().unwrap();
        let voucher = node.vouch(control, member.service().as_str(), &key);
        let slots = IdentitySlots::new(Arc::clone(&proxy), disk, key, voucher, Secret::new([7; 32]));
        let mut attach = Attach::new(Arc::clone(&proxy), slots, intake, control.listen).of_instance(member.number());
        let until = drained.clone();
        let attach = tokio::spawn(async move { attach.run(until).await });
        Self { proxy, doors, stop, drained, worker: Some(worker), attach: Some(attach), _state: state }
    }

    /// Whether it has an identity and a snapshot of every kind.
    pub(crate) fn is_whole(&self) -> bool {
        let live = self.proxy.live();
        live.identity.is_some() && Kind::ALL.iter().all(|kind| live.epochs.contains_key(kind))
    }

    pub(crate) fn directory(&self) -> Arc<Directory> {
        Arc::clone(self.proxy.live().directory.as_ref().unwrap())
    }

    /// Where other guards call.
    pub(crate) fn mesh(&self) -> SocketAddr {
        self.directory().own.inbound.as_ref().unwrap().mesh
    }

    /// Every port that it listens on, but those for the own program's calls. These stand in the program's network
    /// namespace where it has one, and are plain on purpose.
    pub(crate) fn doors_to_others(&self) -> Vec<SocketAddr> {
        let keys = self.doors.keys().into_iter();
        keys.filter(|(door, _)| !matches!(door, Door::Traffic(Side::Outbound(_)))).map(|(_, addr)| addr).collect()
    }

    /// The orderly end: what is under way is finished.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        let worker = self.worker.take().unwrap();
        tokio::task::spawn_blocking(|| worker.join()).await.unwrap();
        self.drained.cancel();
        // A guard whose service is gone from the fleet ends by itself, with that reason.
        let ended = tokio::time::timeout(Duration::from_secs(60), self.attach.take().unwrap()).await;
        let _ = ended.expect("a guard that is told to end does");
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(attach) = self.attach.take() {
            attach.abort();
        }
    }
}
