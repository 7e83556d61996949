//! Attached to a control process, and on without one: first contact, snapshots, events, restarts, bad snapshots.

use crate::client::{get, mtls, status, talk, until};
use crate::stub::{Stub, answers, api, mesh, published, serve, until_serving};
use crate::world::{World, free_addr, name, policies};
use bartizan_core::event::{Change, Event, What};
use bartizan_core::snapshot::{Epoch, Freshness, GatewaySide, Kind, Policies};
use bartizan_core::{Secret, ServiceName};
use bartizan_crypto::forge::Recipe;
use bartizan_crypto::key::KeyPair;
use bartizan_crypto::random;
use bartizan_identity::TrustBundles;
use bartizan_proxy::attach::{Attach, AttachError};
use bartizan_proxy::disk::Disk;
use bartizan_proxy::identity_slot::IdentitySlots;
use bartizan_proxy::intake::Intake;
use bartizan_proxy::listeners::Listeners;
use bartizan_proxy::live::Proxy;
use bartizan_proxy::worker;
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::Addresses;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SEAL_KEY: [u8; 32] = [7; 32];

/// One life of a proxy process, as `run` puts it together, without the node.
struct Life {
    proxy: Arc<Proxy>,
    drained: CancellationToken,
    stop: CancellationToken,
    attach: JoinHandle<Result<(), AttachError>>,
}

impl Life {
    async fn begin(stub: &Stub, service: &str, state_dir: &Path, control: impl Into<Addresses>, voucher: bool) -> Self {
        let proxy = Arc::new(Proxy::new(name(service), stub.world.domain.clone(), random::u64()));
        proxy.change(|live| live.bundles = Some(Arc::clone(&stub.world.bundles)));
        let stop = CancellationToken::new();
        let worker = worker::start(&proxy, 0, &stop).unwrap();
        let disk = Arc::new(Disk::open(state_dir).unwrap());
        let listeners = Listeners::new(vec![worker.listen.clone()], stop.clone());
        let intake = Intake::new(Arc::clone(&proxy), Arc::clone(&disk), listeners);
        let key = KeyPair::generate().unwrap();
        let mut slots = IdentitySlots::new(Arc::clone(&proxy), disk, key, "voucher".into(), Secret::new(SEAL_KEY));
        if !voucher {
            slots.refused(false); // as after the voucher's time
        }
        let mut attach = Attach::new(Arc::clone(&proxy), slots, intake, control);
        attach.start_from_disk().await;
        let drained = CancellationToken::new();
        let token = drained.clone();
        let attach = tokio::spawn(async move { attach.run(token).await });
        Self { proxy, drained, stop, attach }
    }

    /// The orderly end: what is left goes to control.
    async fn end(self) -> Result<(), AttachError> {
        self.stop.cancel();
        self.drained.cancel();
        self.attach.await.unwrap()
    }

    /// The other end.
    fn kill(self) {
        self.stop.cancel();
        self.attach.abort();
    }
}

#[tokio::test]
async fn first_contact_gives_identity_and_snapshots_and_events_arrive() {
    let (stub, directory, addr, dir) = published().await;
    let _control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    until_serving(&stub, &directory).await;
    for kind in Kind::ALL {
        until("it is acknowledged", async || stub.acked(kind, 1, false)).await;
    }
    until("the request's event is there", async || stub.events().iter().any(|e| matches!(e.what, What::Request(_))))
        .await;
    until("statistics are there", async || {
        stub.state.lock().unwrap().stats.as_ref().is_some_and(|s| s.inbound.get("web").is_some_and(|e| e.calls > 0))
    })
    .await;
    assert_eq!(life.proxy.heard.freshness(), Freshness::Fresh);
    let hello = stub.state.lock().unwrap().hellos[0].clone();
    assert_eq!((hello.0.voucher.as_str(), hello.1), ("voucher", None), "the voucher speaks, no certificate is shown");

    // The last events are sent before the end, and the counters balance.
    let response = talk(mtls(&stub.world, mesh(&directory), "web").await, get("/last")).await;
    assert_eq!(status(&response), 200);
    let proxy = Arc::clone(&life.proxy);
    life.end().await.unwrap();
    let last = |e: &Event| matches!(&e.what, What::Request(r) if &*r.path == "/last");
    assert!(stub.events().iter().any(last));
    let counts = proxy.events.counts();
    assert_eq!((counts.dropped, counts.delivered), (0, counts.offered));
}

#[tokio::test]
async fn without_control_the_proxy_goes_on_and_events_are_sent_again() {
    let (stub, directory, addr, dir) = published().await;
    stub.state.lock().unwrap().confirm = false;
    let control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    until_serving(&stub, &directory).await;
    until("a batch is there", async || !stub.state.lock().unwrap().batches.is_empty()).await;
    drop(control);
    let first = stub.state.lock().unwrap().batches[0].clone();

    assert!(answers(&stub, &directory).await, "control is gone, the proxy is not");
    stub.state.lock().unwrap().confirm = true;
    let before = stub.state.lock().unwrap().batches.len();
    let _control = serve(&stub, addr).await;
    until("the batch comes again", async || stub.state.lock().unwrap().batches[before..].contains(&first)).await;
    until("all are confirmed", async || {
        let counts = life.proxy.events.counts();
        counts.delivered == counts.offered
    })
    .await;
    let (hello, peer) = stub.state.lock().unwrap().hellos.last().unwrap().clone();
    assert_eq!(peer, Some(stub.world.id("api")), "the certificate speaks now");
    assert!(hello.voucher.is_empty() && hello.held.len() == Kind::ALL.len(), "{hello:?}");
    life.kill();
}

#[tokio::test]
async fn where_one_address_of_control_is_dead_the_next_one_is_tried() {
    let (stub, directory, first, dir) = published().await;
    // Nobody answers there: the kernel takes connections, and that is all.
    let silent = std::net::TcpListener::bind(free_addr()).unwrap();
    let second = free_addr();
    let both = Addresses::new(vec![silent.local_addr().unwrap(), first, second]).unwrap();
    let (at_first, at_second) = (serve(&stub, first).await, serve(&stub, second).await);
    let life = Life::begin(&stub, "api", dir.path(), both, true).await;
    until("it comes to the one behind the silent one", async || !stub.state.lock().unwrap().hellos.is_empty()).await;
    until_serving(&stub, &directory).await;

    drop(at_first);
    until("it comes to the next one", async || stub.state.lock().unwrap().hellos.len() == 2).await;
    let (hello, peer) = stub.state.lock().unwrap().hellos[1].clone();
    assert_eq!(peer, Some(stub.world.id("api")), "with its certificate");
    assert_eq!(hello.held.len(), Kind::ALL.len(), "{hello:?}");
    assert!(answers(&stub, &directory).await);
    stub.publish(stub.signed(Kind::Policies, 2, policies(""))).await;
    until("what that one publishes is enforced", async || stub.acked(Kind::Policies, 2, false)).await;

    // And back, past the silent one.
    let _at_first = serve(&stub, first).await;
    drop(at_second);
    until("it comes back to the one before", async || stub.state.lock().unwrap().hellos.len() == 3).await;
    assert_eq!(life.proxy.heard.freshness(), Freshness::Fresh);
    life.kill();
}

#[tokio::test]
async fn a_restarted_proxy_serves_from_disk_while_control_is_away() {
    let (stub, directory, addr, dir) = published().await;
    let control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    until_serving(&stub, &directory).await;
    drop(control);
    life.kill();
    until("the port is free", async || tokio::net::TcpStream::connect(mesh(&directory)).await.is_err()).await;

    let life = Life::begin(&stub, "api", dir.path(), addr, false).await;
    until_serving(&stub, &directory).await;
    let from_disk = |e: &Event| matches!(&e.what, What::Config(c) if c.change == Change::AppliedFromDisk);
    let _control = serve(&stub, addr).await;
    until("it says so to control", async || {
        let acks = stub.state.lock().unwrap().acks.iter().filter(|a| a.from_disk).count();
        acks >= Kind::ALL.len() && stub.events().iter().filter(|e| from_disk(e)).count() == Kind::ALL.len()
    })
    .await;
    life.kill();
}

#[tokio::test]
async fn a_half_written_snapshot_is_refused_and_the_one_before_is_used() {
    let (stub, directory, addr, dir) = published().await;
    let control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    until_serving(&stub, &directory).await;
    // The second epoch lets nobody in, so it shows which one is in force.
    let nobody = policies("forbid(principal, action, resource);");
    stub.publish(stub.signed(Kind::Policies, 2, &nobody)).await;
    until("it is enforced", async || stub.acked(Kind::Policies, 2, false)).await;
    assert!(!answers(&stub, &directory).await);
    drop(control);
    life.kill();
    let snapshot = dir.path().join("policies.snap");
    let whole = std::fs::read(&snapshot).unwrap();
    std::fs::write(&snapshot, &whole[..whole.len() / 2]).unwrap();

    let life = Life::begin(&stub, "api", dir.path(), addr, false).await;
    until_serving(&stub, &directory).await;
    assert_eq!(life.proxy.live().epochs[&Kind::Policies], Epoch(1));
    let _control = serve(&stub, addr).await;
    until("the refusal is reported", async || {
        stub.events().iter().any(|e| matches!(&e.what, What::Config(c) if c.change == Change::Refused))
    })
    .await;
    until("control's newer one is in force again", async || life.proxy.live().epochs[&Kind::Policies] == Epoch(2))
        .await;
    life.kill();
}

#[tokio::test]
async fn a_bad_snapshot_is_refused_with_a_reason_and_the_one_before_stays() {
    let (stub, directory, addr, dir) = published().await;
    let _control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    until_serving(&stub, &directory).await;

    stub.publish(stub.signed(Kind::Policies, 2, policies("permit(principal, action"))).await;
    until("policies that do not compile", async || stub.acked(Kind::Policies, 2, true)).await;
    let others = Policies { share_of: Some(name("web")), ..policies("") };
    stub.publish(stub.signed(Kind::Policies, 3, &others)).await;
    until("another guard's share of the policies", async || stub.acked(Kind::Policies, 3, true)).await;
    stub.publish(stub.signed(Kind::Directory, 3, stub.world.directory("web"))).await;
    until("another proxy's directory", async || stub.acked(Kind::Directory, 3, true)).await;
    let forger = Stub::new(World::new());
    stub.publish(forger.signed(Kind::Bundles, 4, forger.world.bundles.snapshot())).await;
    until("another control's bundles", async || stub.acked(Kind::Bundles, 4, true)).await;

    assert!(answers(&stub, &directory).await);
    let acks = stub.state.lock().unwrap().acks.clone();
    assert!(acks.iter().any(|a| a.refused.contains("extra.cedar:1:")), "the reason names the place: {acks:?}");
    assert!(acks.iter().any(|a| a.refused.contains("svc/web")), "{acks:?}");
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        Kind::ALL.len() + 1,
        "the snapshots and the identity are kept"
    );
    life.kill();
}

#[tokio::test]
async fn a_directory_whose_port_is_taken_is_refused_and_tried_again() {
    let (stub, directory, addr, dir) = published().await;
    let rival = std::net::TcpListener::bind(mesh(&directory)).unwrap();
    let _control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    until("it is refused", async || stub.acked(Kind::Directory, 1, true)).await;
    drop(rival);
    until("it is enforced once the port is free", async || stub.acked(Kind::Directory, 1, false)).await;
    until_serving(&stub, &directory).await;
    life.kill();
}

#[tokio::test]
async fn certificates_are_renewed_in_time_with_a_fresh_key() {
    let stub = Stub::new(World::new());
    let directory = api(&stub.world).await;
    stub.publish_all(&directory, &policies("")).await;
    let (stub, addr, dir) = (Arc::new(stub), free_addr(), tempfile::tempdir().unwrap());
    let _control = serve(&stub, addr).await;
    // A short-lived certificate on disk stands for one that was issued half its life ago.
    let disk = Disk::open(dir.path()).unwrap();
    let (now, id) = (clock::now(), stub.world.id("api"));
    let old = Recipe::leaf(id.as_str(), now).with(|r| r.not_after = now.plus(Duration::from_secs(30)));
    let (chain, key) = stub.world.forge(&old);
    let old_key = key.public_spki().to_vec();
    let kept = bartizan_proxy::disk::Kept { chain, key };
    disk.keep_identity(bartizan_proxy::disk::Slot::Svid, "api", &kept, &Secret::new(SEAL_KEY)).unwrap();

    let life = Life::begin(&stub, "api", dir.path(), addr, false).await;
    let due = life.proxy.live().identity.as_ref().unwrap().not_after;
    until("a new one is in use", async || life.proxy.live().identity.as_ref().unwrap().not_after > due).await;
    let keys = stub.state.lock().unwrap().keys.clone();
    assert!(keys.len() == 1 && !keys.contains(&old_key));
    until_serving(&stub, &directory).await;
    let kept = disk.identity(bartizan_proxy::disk::Slot::Svid, "api", &Secret::new(SEAL_KEY)).unwrap();
    assert_eq!(kept.key.public_spki(), keys[0], "and on disk");
    life.kill();
}

#[tokio::test]
async fn bundles_on_disk_do_not_hide_a_root_that_came_since() {
    let stub = Stub::new(World::new());
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(dir.path()).unwrap());
    disk.keep_snapshot(Kind::Bundles, &stub.signed(Kind::Bundles, 1, stub.world.bundles.snapshot())).unwrap();
    let newer = Recipe::ca("CN=next", clock::now()).self_signed().der;
    let (domain, old) = (&stub.world.domain, stub.world.bundles.roots_of(stub.world.domain.as_str()).unwrap());
    let both = Arc::new(TrustBundles::of(domain, [old, &[newer]].concat()).unwrap());
    // Away while the root was replaced, then as always.
    for (started_with, epoch) in [(both, None), (Arc::clone(&stub.world.bundles), Some(Epoch(1)))] {
        let proxy = Arc::new(Proxy::new(name("api"), domain.clone(), random::u64()));
        proxy.change(|live| live.bundles = Some(Arc::clone(&started_with)));
        let mut intake =
            Intake::new(Arc::clone(&proxy), Arc::clone(&disk), Listeners::new(vec![], CancellationToken::new()));
        let taken = intake.from_disk().await;
        assert_eq!((taken.len(), taken[0].refused.is_none()), (1, epoch.is_some()), "{taken:?}");
        assert_eq!(proxy.live().epochs.get(&Kind::Bundles).copied(), epoch);
        assert_eq!(proxy.live().bundles.as_ref(), Some(&started_with));
        disk.keep_snapshot(Kind::Bundles, &stub.signed(Kind::Bundles, 1, stub.world.bundles.snapshot())).unwrap();
    }
}

#[tokio::test]
async fn control_names_the_time_of_a_renewal_and_is_told_what_became_of_it() {
    let stub = Stub::new(World::new());
    let directory = api(&stub.world).await;
    stub.publish_all(&directory, &policies("")).await;
    let (stub, addr, dir) = (Arc::new(stub), free_addr(), tempfile::tempdir().unwrap());
    let _control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    until("the first one is in use", async || life.proxy.live().identity.is_some()).await;
    let generation = life.proxy.live().generation;
    // An hour off: half life comes first, and nothing happens now.
    stub.renew_at(clock::now().plus(Duration::from_secs(3600)).as_millis()).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(stub.state.lock().unwrap().keys.len(), 1);
    stub.renew_at(clock::now().as_millis()).await;
    until("another one is in use", async || life.proxy.live().generation > generation).await;
    until("control is told", async || stub.state.lock().unwrap().installed.len() == 2).await;
    let state = stub.state.lock().unwrap();
    assert!(state.keys.len() == 2 && state.installed.iter().all(|it| it.refused.is_empty() && !it.edge));
    drop(state);
    life.kill();
}

#[tokio::test]
async fn the_gateway_gets_a_certificate_for_outside_clients_too() {
    let stub = Stub::new(World::new());
    let mut directory = stub.world.directory("gateway");
    let listen = free_addr();
    directory.own.gateway = Some(GatewaySide::new(listen, Vec::new()));
    stub.publish_all(&directory, &policies("")).await;
    let (stub, addr, dir) = (Arc::new(stub), free_addr(), tempfile::tempdir().unwrap());
    let _control = serve(&stub, addr).await;
    let life = Life::begin(&stub, ServiceName::gateway().as_str(), dir.path(), addr, true).await;
    until("the edge certificate is in use", async || life.proxy.live().edge.is_some()).await;
    until("the gateway listens", async || tokio::net::TcpStream::connect(listen).await.is_ok()).await;
    let response = talk(crate::client::tls(listen, None, &["http/1.1"]).await.unwrap(), get("/")).await;
    assert_eq!(status(&response), 404);
    life.kill();
}

#[tokio::test]
async fn a_refused_voucher_and_no_certificate_end_the_process() {
    let mut stub = Stub::new(World::new());
    stub.refuse_all = true;
    let (stub, addr, dir) = (Arc::new(stub), free_addr(), tempfile::tempdir().unwrap());
    let _control = serve(&stub, addr).await;
    let life = Life::begin(&stub, "api", dir.path(), addr, true).await;
    let ended = tokio::time::timeout(crate::world::PATIENCE, life.attach).await.unwrap().unwrap();
    assert!(matches!(ended, Err(AttachError::NoIdentity)));
    life.stop.cancel();
}
