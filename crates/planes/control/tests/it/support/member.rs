//! A proxy that does what it is told for as long as it runs: takes bundles up, renews when it is asked to, comes back when
//! control was away, and shakes hands with others as it would over TLS.

use crate::support::{Connection, Node, Running, Stream, hello, message};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::snapshot::{Bundles, Epoch, Kind};
use bartizan_core::stats::ProxyStats;
use bartizan_core::{Role, SpiffeId, Timestamp, TrustDomain};
use bartizan_crypto::{KeyPair, csr, random};
use bartizan_identity::{TrustBundles, envelope, expect_peer, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::{Ack, Down, Held, Hello, Installed, Renew, Stats, Svid, down, up};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What a member is at a moment.
pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: KeyPair,
    pub(crate) bundles: Arc<TrustBundles>,
    held: BTreeMap<Kind, Epoch>,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    /// Refuses whatever certificate it is sent from now on.
    pub(crate) stubborn: bool,
    /// Reads and says nothing from now on, as a stopped process does.
    pub(crate) frozen: bool,
    pub(crate) issued_at: Vec<Timestamp>,
}

pub(crate) struct Member {
    pub(crate) state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Life {
    state: Arc<Mutex<State>>,
    domain: TrustDomain,
    listen: SocketAddr,
    instance: u64,
    renew_at: Option<Timestamp>,
    asked: Option<KeyPair>,
}

impl Member {
    /// Comes with a voucher of `node`, and stays.
    pub(crate) async fn start(control: &Running, node: &Node, service: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let (voucher, csr) = (node.vouch(control, service, &key), csr::make(&key).unwrap());
        let state = Arc::new(Mutex::new(State {
            name: service.to_owned(),
            chain: Vec::new(),
            key,
            bundles: Arc::clone(&control.bundles),
            held: BTreeMap::new(),
            completed: 0,
            failed: 0,
            stubborn: false,
            frozen: false,
            issued_at: Vec::new(),
        }));
        let (domain, listen) = (control.domain.clone(), control.listen);
        let (state_of, instance) = (Arc::clone(&state), random::u64());
        let mut life = Life { state: state_of, domain, listen, instance, renew_at: None, asked: None };
        let first = Hello { voucher, csr, ..hello(service) };
        let task = tokio::spawn(async move {
            let mut first = Some(first);
            loop {
                life.stream(&mut first).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { state, task }
    }

    pub(crate) fn has_identity(&self) -> bool {
        !self.state.lock().unwrap().chain.is_empty()
    }

    /// Whether this one accepts what the other shows. Counted by both, as real ones do.
    pub(crate) fn shakes_hands_with(&self, other: &Self) -> bool {
        let (chain, id) = {
            let other = other.state.lock().unwrap();
            (other.chain.clone(), other.name.clone())
        };
        let bundles = Arc::clone(&self.state.lock().unwrap().bundles);
        let chain: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let good = verify_peer(&chain, &bundles, clock::now()).inspect_err(|e| eprintln!("{id}: {e}")).is_ok();
        let mut own = self.state.lock().unwrap();
        if good {
            own.completed += 1
        } else {
            own.failed += 1
        }
        good
    }
}

impl Life {
    async fn stream(&mut self, first: &mut Option<Hello>) -> Option<()> {
        let (hello, own) = {
            let state = self.state.lock().unwrap();
            let held = state.held.iter().map(|(kind, epoch)| Held { kind: kind.as_str().into(), epoch: epoch.0 });
            let hello = first.clone().unwrap_or_else(|| hello(&state.name));
            let own = first.is_none().then(|| (state.chain.clone(), KeyPair::from_pkcs8(&state.key.pkcs8()).unwrap()));
            (Hello { instance: self.instance, held: held.collect(), ..hello }, own)
        };
        let bundles = Arc::clone(&self.state.lock().unwrap().bundles);
        let own = own.as_ref().map(|(chain, key)| (chain, key));
        let connection = Connection::try_open(self.listen, &self.domain, bundles, own).await?;
        let mut stream = connection.attach(vec![message(up::Message::Hello(hello))]).await;
        let mut second = tokio::time::interval(Duration::from_millis(200));
        loop {
            if self.state.lock().unwrap().frozen {
                return std::future::pending().await;
            }
            tokio::select! {
                down = stream.message() => self.hear(&stream, down?, first).await,
                _ = second.tick() => self.tick(&stream).await,
            }
        }
    }

    async fn hear(&mut self, stream: &Stream, down: Down, first: &mut Option<Hello>) {
        match down.message {
            Some(down::Message::Snapshot(snapshot)) => {
                let (kind, epoch) = self.take_up(&snapshot.envelope);
                let kind = kind.as_str().to_owned();
                stream
                    .send(up::Message::Ack(Ack { kind, epoch: epoch.0, refused: String::new(), from_disk: false }))
                    .await;
            }
            Some(down::Message::Svid(svid)) => {
                *first = None;
                let edge = svid.edge;
                let refused = self.install(svid).err().unwrap_or_default();
                stream.send(up::Message::Installed(Installed { edge, refused })).await;
            }
            Some(down::Message::RenewAt(order)) if !order.edge => {
                self.renew_at = Some(Timestamp::from_millis(order.at_ms));
            }
            Some(down::Message::RenewAt(_)) => {
                let csr = csr::make(&KeyPair::generate().unwrap()).unwrap();
                stream.send(up::Message::Renew(Renew { csr, edge: true })).await;
            }
            _ => {}
        }
    }

    fn take_up(&self, json: &[u8]) -> (Kind, Epoch) {
        let mut state = self.state.lock().unwrap();
        let bundles = Arc::clone(&state.bundles);
        for kind in Kind::ALL {
            let held = state.held.get(&kind).copied().unwrap_or_default();
            let opened = envelope::open::<serde_json::Value>(json, kind, &self.domain, &bundles, held);
            let Ok(opened) = opened else { continue };
            if kind == Kind::Bundles {
                let read: Bundles = serde_json::from_value(opened.payload).unwrap();
                state.bundles = Arc::new(TrustBundles::read(&read).unwrap());
            }
            state.held.insert(kind, opened.epoch);
            return (kind, opened.epoch);
        }
        panic!("{} refuses a snapshot", state.name);
    }

    fn install(&mut self, svid: Svid) -> Result<(), String> {
        let mut state = self.state.lock().unwrap();
        if svid.edge {
            return Ok(());
        }
        if state.stubborn {
            return Err("it would be refused by peers".to_owned());
        }
        let chain: Vec<&[u8]> = svid.chain.iter().map(Vec::as_slice).collect();
        verify_peer(&chain, &state.bundles, clock::now()).map_err(|refusal| refusal.to_string())?;
        state.issued_at.push(clock::now());
        if let Some(key) = self.asked.take() {
            state.key = key;
        }
        state.chain = svid.chain;
        Ok(())
    }

    async fn tick(&mut self, stream: &Stream) {
        if self.renew_at.is_some_and(|at| clock::now() >= at) {
            self.renew_at = None;
            let key = KeyPair::generate().unwrap();
            let csr = csr::make(&key).unwrap();
            self.asked = Some(key);
            stream.send(up::Message::Renew(Renew { csr, edge: false })).await;
        }
        let (completed, failed) = {
            let state = self.state.lock().unwrap();
            (state.completed, state.failed)
        };
        let totals = ProxyStats {
            handshakes_attempted: completed + failed,
            handshakes_completed: completed,
            handshakes_failed: [(HandshakeFailure::UntrustedIssuer, failed)].into(),
            resident_bytes: 1,
            ..ProxyStats::default()
        };
        stream.send(up::Message::Stats(Stats { totals: postcard::to_allocvec(&totals).unwrap() })).await;
    }
}

/// Only control of our own domain is control.
pub(crate) fn is_control(domain: &TrustDomain, bundles: &TrustBundles, chain: &[&[u8]]) -> bool {
    let expected = SpiffeId::of(domain, &Role::Control);
    verify_peer(chain, bundles, clock::now()).and_then(|peer| expect_peer(peer, &expected)).is_ok()
}
