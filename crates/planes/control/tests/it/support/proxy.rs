//! A proxy's end of the stream.

use crate::support::{Node, Running, wait_for};
use bartizan_core::deny::DenyList;
use bartizan_core::event::Event;
use bartizan_core::snapshot::{Bundles, Directory, Epoch, Kind, Policies, Signed};
use bartizan_core::stats::ProxyStats;
use bartizan_core::{Role, SpiffeId};
use bartizan_crypto::{KeyPair, csr, random};
use bartizan_identity::{expect_peer, verify_peer};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{self, Status, Streaming};
use bartizan_runtime::control_v1::{Ack, Down, Events, Hello, Renew, Stats, Svid, Up, down, up};
use bartizan_runtime::tls::{self, Judge, JudgeError};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// A connection to control, which was verified as any proxy does.
pub(crate) struct Connection {
    pub(crate) client: control_stream::Client,
}

impl Connection {
    pub(crate) async fn open(control: &Running, own: Option<(&Vec<Vec<u8>>, &KeyPair)>) -> Self {
        let identity = own.map(|(chain, key)| tls::Identity::new(chain, key).unwrap());
        let tls = tls::Client::new(identity.as_ref(), control_stream::ALPN).unwrap();
        let bundles = Arc::clone(&control.bundles);
        let expected = SpiffeId::of(&control.domain, &Role::Control);
        let judge: Judge<()> = Arc::new(move |chain| {
            let judged = verify_peer(chain, &bundles, clock::now()).and_then(|peer| expect_peer(peer, &expected));
            judged.map(drop).map_err(|refusal| JudgeError { failure: refusal.failure, detail: refusal.detail })
        });
        Self { client: control_stream::connect(control.listen, tls, judge).await.unwrap() }
    }

    /// As [`Connection::open`], by roots of one's own; `None` where control is not there.
    pub(crate) async fn try_open(
        listen: std::net::SocketAddr,
        domain: &bartizan_core::TrustDomain,
        bundles: Arc<bartizan_identity::TrustBundles>,
        own: Option<(&Vec<Vec<u8>>, &KeyPair)>,
    ) -> Option<Self> {
        let identity = own.map(|(chain, key)| tls::Identity::new(chain, key).unwrap());
        let tls = tls::Client::new(identity.as_ref(), control_stream::ALPN).unwrap();
        let domain = domain.clone();
        let judge: Judge<()> =
            Arc::new(move |chain| match crate::support::member::is_control(&domain, &bundles, chain) {
                true => Ok(()),
                false => {
                    let (failure, detail) =
                        (bartizan_core::event::HandshakeFailure::WrongPeer, "not control".to_owned());
                    Err(JudgeError { failure, detail })
                }
            });
        Some(Self { client: control_stream::connect(listen, tls, judge).await.ok()? })
    }

    /// Opens a stream and sends `messages`.
    pub(crate) async fn attach(mut self, messages: Vec<Up>) -> Stream {
        let (ups, queue) = mpsc::channel(64);
        for message in messages {
            ups.send(message).await.unwrap();
        }
        let downs = self.client.attach(ReceiverStream::new(queue)).await.unwrap().into_inner();
        Stream { ups, downs }
    }
}

/// An open stream.
pub(crate) struct Stream {
    ups: mpsc::Sender<Up>,
    downs: Streaming<Down>,
}

impl Stream {
    /// The next message of any kind; `None` where the stream has ended.
    pub(crate) async fn message(&mut self) -> Option<Down> {
        self.downs.message().await.ok().flatten()
    }

    pub(crate) async fn send(&self, message: up::Message) {
        // Where control is gone, reading will tell.
        let _ = self.ups.send(Up { message: Some(message) }).await;
    }

    /// The next message that is no tick; `Err` where the stream was ended with a status, `Ok(None)` where without.
    pub(crate) async fn next(&mut self) -> Result<Option<down::Message>, Status> {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(20), self.downs.message()).await;
            match next.expect("control says something within 20 s")? {
                Some(Down { message: Some(down::Message::Tick(_)) }) => {}
                Some(Down { message }) => return Ok(message),
                None => return Ok(None),
            }
        }
    }

    /// The status with which control ends the stream.
    pub(crate) async fn refusal(mut self) -> Status {
        match self.next().await {
            Err(status) => status,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// True where a tick comes.
    pub(crate) async fn ticks(&mut self) -> bool {
        matches!(self.downs.message().await, Ok(Some(Down { message: Some(down::Message::Tick(_)) })))
    }
}

/// A Hello without anything but a name: of a service, or of one of its instances, such as `ledger.2`.
pub(crate) fn hello(member: &str) -> Hello {
    let (service, number) = member.split_once('.').unwrap_or((member, "0"));
    Hello {
        service: service.to_owned(),
        number: number.parse().unwrap(),
        voucher: String::new(),
        csr: Vec::new(),
        instance: random::u64(),
        pid: std::process::id(),
        version: "0.1.0".to_owned(),
        held: Vec::new(),
    }
}

pub(crate) fn message(message: up::Message) -> Up {
    Up { message: Some(message) }
}

/// A proxy that was let in.
pub(crate) struct Proxy {
    pub(crate) service: String,
    pub(crate) instance: u64,
    pub(crate) key: KeyPair,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) stream: Stream,
    pub(crate) held: BTreeMap<Kind, Epoch>,
}

impl Proxy {
    /// Comes with a voucher and takes up everything that it is sent.
    pub(crate) async fn come(control: &Running, node: &Node, service: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let hello =
            Hello { voucher: node.vouch(control, service, &key), csr: csr::make(&key).unwrap(), ..hello(service) };
        let instance = hello.instance;
        let stream = Connection::open(control, None).await.attach(vec![message(up::Message::Hello(hello))]).await;
        let mut it =
            Self { service: service.to_owned(), instance, key, chain: Vec::new(), stream, held: BTreeMap::new() };
        it.chain = it.svid().await.chain;
        for _ in Kind::ALL {
            it.take_up(control).await;
        }
        it.settle(control).await;
        it
    }

    /// Comes again as the same process with its certificate, holding what it holds. Nothing is read from the stream.
    pub(crate) async fn come_back(self, control: &Running) -> Self {
        let held = self.held.iter();
        let held = held
            .map(|(kind, epoch)| bartizan_runtime::control_v1::Held { kind: kind.as_str().to_owned(), epoch: epoch.0 });
        let hello = Hello { held: held.collect(), instance: self.instance, ..hello(&self.service) };
        let connection = Connection::open(control, Some((&self.chain, &self.key))).await;
        let stream = connection.attach(vec![message(up::Message::Hello(hello))]).await;
        Self { stream, ..self }
    }

    pub(crate) async fn svid(&mut self) -> Svid {
        match self.stream.next().await {
            Ok(Some(down::Message::Svid(svid))) => svid,
            other => panic!("expected an identity, got {other:?}"),
        }
    }

    /// The next snapshot, opened as a proxy opens it.
    pub(crate) async fn snapshot(&mut self, control: &Running) -> (Kind, Epoch, Vec<u8>) {
        let envelope = match self.stream.next().await {
            Ok(Some(down::Message::Snapshot(snapshot))) => snapshot.envelope,
            other => panic!("expected a snapshot, got {other:?}"),
        };
        let mut found = Kind::ALL.into_iter().filter_map(|kind| {
            let epoch = match kind {
                Kind::Bundles => open::<Bundles>(control, kind, &envelope)?.epoch,
                Kind::DenyList => open::<DenyList>(control, kind, &envelope)?.epoch,
                Kind::Policies => open::<Policies>(control, kind, &envelope)?.epoch,
                Kind::Directory => open::<Directory>(control, kind, &envelope)?.epoch,
            };
            Some((kind, epoch))
        });
        let (kind, epoch) = found.next().expect("a proxy accepts what control sends");
        (kind, epoch, envelope.clone())
    }

    /// Takes the next snapshot and acknowledges it.
    pub(crate) async fn take_up(&mut self, control: &Running) -> (Kind, Epoch, Vec<u8>) {
        let (kind, epoch, envelope) = self.snapshot(control).await;
        self.ack(kind, epoch, "").await;
        self.held.insert(kind, epoch);
        (kind, epoch, envelope)
    }

    pub(crate) async fn ack(&self, kind: Kind, epoch: Epoch, refused: &str) {
        let (kind, refused) = (kind.as_str().to_owned(), refused.to_owned());
        self.stream.send(up::Message::Ack(Ack { kind, epoch: epoch.0, refused, from_disk: false })).await;
    }

    /// Waits until control knows what we hold.
    pub(crate) async fn settle(&self, control: &Running) {
        wait_for("acknowledgement in the status", async || {
            let status = control.proxy(&self.service).await;
            (status.attached && status.held == self.held).then_some(())
        })
        .await;
    }

    pub(crate) async fn renew(&self, csr: Vec<u8>, edge: bool) {
        self.stream.send(up::Message::Renew(Renew { csr, edge })).await;
    }

    pub(crate) async fn send_stats(&self, totals: &ProxyStats) {
        self.stream.send(up::Message::Stats(Stats { totals: postcard::to_allocvec(totals).unwrap() })).await;
    }

    /// Sends a batch and waits for its confirmation.
    pub(crate) async fn deliver(&mut self, batch: u64, events: &[Event]) {
        let records = events.iter().map(|event| postcard::to_allocvec(event).unwrap()).collect();
        self.stream.send(up::Message::Events(Events { batch, records })).await;
        self.confirmed(batch).await;
    }

    pub(crate) async fn confirmed(&mut self, batch: u64) {
        match self.stream.next().await {
            Ok(Some(down::Message::EventsStored(stored))) => assert_eq!(stored.batch, batch),
            other => panic!("expected a confirmation, got {other:?}"),
        }
    }
}

pub(crate) fn open<P: DeserializeOwned>(control: &Running, kind: Kind, envelope: &[u8]) -> Option<Signed<P>> {
    bartizan_identity::envelope::open(envelope, kind, &control.domain, &control.bundles, Epoch(0)).ok()
}
