//! The stream to control: anchors and entries down; acknowledgements and questions for workloads up.
//!
//! A stream that breaks costs nothing: what is held stays in force, and the next stream brings what changed meanwhile.

use crate::join::{Candidate, fraction};
use crate::limits::{ENTRIES_MAX, JOIN_WITHIN, RETRY_FIRST, RETRY_MAX, UP_QUEUE_MAX};
use crate::own::Own;
use crate::workload::view::{Answer, Ask, AskError, Chain, Evidence, Hub, Wanted};
use bartizan_core::Timestamp;
use bartizan_core::limits::STALE_AFTER;
use bartizan_core::snapshot::{Bundles, Epoch, Kind, Signed};
use bartizan_core::workload::Entry;
use bartizan_identity::jwt_svid::JwtKeys;
use bartizan_identity::{TrustBundles, envelope};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{self, ALPN, ConnectError, Pauses, Status, Streaming};
use bartizan_runtime::control_v1::{
    Ack, Clock, Entries, Held, IssueWorkload, MintJwt, NodeDown, NodeHello, NodeRefusal, NodeUp, RenewAt, Snapshot,
    Tick, node_down, node_up,
};
use bartizan_runtime::tls::{self, Identity, TlsError};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("control ended the stream: {} ({:?})", .0.message(), .0.code())]
    Refused(Box<Status>),
    #[error("control closed the stream")]
    Closed,
    #[error("control was silent for {} s", STALE_AFTER.as_secs())]
    Silent,
}

impl From<Status> for LinkError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// The node's end of the stream, over reconnects.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) candidate: Arc<Candidate>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) own: watch::Receiver<Own>,
    pub(crate) asks: mpsc::Receiver<Ask>,
    /// Random per process.
    pub(crate) instance: u64,
    pub(crate) workload_socket: Option<PathBuf>,
    /// When control wants us to renew our own identity.
    pub(crate) renew: watch::Sender<Timestamp>,
}

/// Questions on their way, by number.
#[derive(Debug, Default)]
struct Pending {
    last: u64,
    svids: HashMap<u64, oneshot::Sender<Answer<Chain>>>,
    jwts: HashMap<u64, oneshot::Sender<Answer<String>>>,
}

impl Link {
    /// Stays attached. Ends when its future is dropped.
    pub(crate) async fn run(mut self) {
        let mut pauses = Pauses::new(RETRY_FIRST, RETRY_MAX);
        loop {
            let (began, control) = (Instant::now(), self.candidate.control.current());
            let Err(error) = Box::pin(self.stream(control)).await else {
                continue; // our own identity is a new one: attached again with that
            };
            if began.elapsed() > RETRY_MAX {
                pauses.had_success();
                tracing::warn!(%control, error = &error as &dyn std::error::Error, "the stream to control broke, trying again");
            } else {
                tracing::debug!(%control, error = &error as &dyn std::error::Error, "control is not reached, trying again");
            }
            self.candidate.control.did_not_do(control);
            self.wait(pauses.after_failure(self.candidate.control.count(), fraction()), &error).await;
        }
    }

    /// A pause between two tries, in which questions are answered with why there is no answer.
    async fn wait(&mut self, pause: Duration, why: &LinkError) {
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                Some(ask) = self.asks.recv() => refuse(ask.what, AskError::Away(why.to_string())),
            }
        }
    }

    /// One stream, from connecting to its end. `Ok` where it is to be opened again with another identity of ours.
    async fn stream(&mut self, control: SocketAddr) -> Result<(), LinkError> {
        let own = self.own.borrow_and_update().clone();
        let identity = Identity::new(own.chain(), own.key())?;
        let tls = tls::Client::new(Some(&identity), ALPN)?;
        let mut client = control_stream::connect(control, tls, self.candidate.judge()).await?;
        let (up, messages) = mpsc::channel(UP_QUEUE_MAX);
        // Hello goes first and before control answers, so it has to wait in the channel.
        up.try_send(wrap(node_up::Message::Hello(self.hello()))).map_err(|_| LinkError::Closed)?;
        let attached = timeout(JOIN_WITHIN, client.attach_node(ReceiverStream::new(messages))).await;
        let mut down = attached.map_err(|_| LinkError::Silent)??.into_inner();
        tracing::info!(%control, "attached to control");
        self.converse(&up, &mut down).await
    }

    fn hello(&self) -> NodeHello {
        let epoch = self.hub.view().epoch;
        let held = (epoch > Epoch(0)).then(|| Held { kind: Kind::Bundles.as_str().to_owned(), epoch: epoch.0 });
        let socket = self.workload_socket.as_ref().map(|path| path.display().to_string());
        NodeHello {
            name: self.candidate.name.to_string(),
            instance: self.instance,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            held: held.into_iter().collect(),
            workload_socket: socket.unwrap_or_default(),
        }
    }

    async fn converse(&mut self, up: &mpsc::Sender<NodeUp>, down: &mut Streaming<NodeDown>) -> Result<(), LinkError> {
        // Dropped at the end of the stream, which tells whoever waits for an answer.
        let mut pending = Pending::default();
        loop {
            tokio::select! {
                message = timeout(STALE_AFTER, down.message()) => {
                    let message = message.map_err(|_| LinkError::Silent)??.ok_or(LinkError::Closed)?;
                    if let Some(answer) = self.hear(message, &mut pending) {
                        up.send(wrap(answer)).await.map_err(|_| LinkError::Closed)?;
                    }
                }
                Some(ask) = self.asks.recv() => {
                    let question = pending.add(ask);
                    up.send(wrap(question)).await.map_err(|_| LinkError::Closed)?;
                }
                changed = self.own.changed() => return changed.map_err(|_| LinkError::Closed),
            }
        }
    }

    fn hear(&self, message: NodeDown, pending: &mut Pending) -> Option<node_up::Message> {
        match message.message? {
            node_down::Message::Snapshot(Snapshot { envelope }) => {
                return Some(node_up::Message::Ack(self.take_bundles(&envelope)));
            }
            node_down::Message::Entries(Entries { entries }) => self.take_entries(&entries),
            node_down::Message::Svid(answer) => {
                let chain = answer.svid.map(|svid| svid.chain).unwrap_or_default();
                pending.answer_svid(answer.request, Ok(chain));
            }
            node_down::Message::Jwt(answer) => pending.answer_jwt(answer.request, Ok(answer.token)),
            node_down::Message::Refusal(NodeRefusal { request, why, passing }) => {
                let error = if passing { AskError::Away(why) } else { AskError::Refused(why) };
                pending.answer_svid(request, Err(error.clone()));
                pending.answer_jwt(request, Err(error));
            }
            node_down::Message::RenewAt(RenewAt { at_ms, reason, edge: _ }) => {
                tracing::info!(reason, "control asks for a renewal");
                self.renew.send_replace(Timestamp::from_millis(at_ms));
            }
            node_down::Message::Tick(Tick { now_ms: tick_ms }) => {
                return Some(node_up::Message::Clock(Clock { now_ms: clock::now().as_millis(), tick_ms }));
            }
        }
        None
    }

    /// Verified by the anchors in force, as a proxy does it.
    fn take_bundles(&self, json: &[u8]) -> Ack {
        let view = self.hub.view();
        let opened = envelope::open(json, Kind::Bundles, &self.hub.domain, &view.bundles, view.epoch);
        let taken = opened.map_err(|error| error.to_string()).and_then(|signed: Signed<Bundles>| {
            let bundles = TrustBundles::read(&signed.payload).map_err(|error| error.to_string())?;
            let jwt_keys = JwtKeys::read(&signed.payload).map_err(|error| error.to_string())?;
            let evidence = Evidence { envelope: json.to_vec(), anchors: Arc::clone(&view.bundles) };
            self.hub.change(|view| {
                (view.bundles, view.jwt_keys) = (Arc::new(bundles), Arc::new(jwt_keys));
                (view.epoch, view.evidence) = (signed.epoch, Some(Arc::new(evidence)));
            });
            Ok(signed.epoch)
        });
        let kind = Kind::Bundles.as_str().to_owned();
        match taken {
            Ok(epoch) => {
                tracing::info!(epoch = epoch.0, "took up bundles");
                Ack { kind, epoch: epoch.0, refused: String::new(), from_disk: false }
            }
            Err(refused) => {
                tracing::error!(why = refused, "bundles are refused; those before stay in force");
                Ack { kind, epoch: 0, refused, from_disk: false }
            }
        }
    }

    fn take_entries(&self, json: &[u8]) {
        match serde_json::from_slice::<Vec<Entry>>(json) {
            Ok(entries) if entries.len() <= ENTRIES_MAX => {
                tracing::info!(entries = entries.len(), "took up registration entries");
                self.hub.change(|view| view.entries = Arc::new(entries));
            }
            Ok(entries) => tracing::error!(entries = entries.len(), "too many entries; those before stay in force"),
            Err(error) => tracing::error!(%error, "entries cannot be read; those before stay in force"),
        }
    }
}

impl Pending {
    fn add(&mut self, ask: Ask) -> node_up::Message {
        self.last += 1;
        let (request, entry, spiffe_id) = (self.last, ask.entry.name.to_string(), ask.entry.id.to_string());
        // Whoever stopped waiting is forgotten, so that answers that never come do not pile up.
        self.svids.retain(|_, answer| !answer.is_closed());
        self.jwts.retain(|_, answer| !answer.is_closed());
        match ask.what {
            Wanted::Svid { csr, answer } => {
                self.svids.insert(request, answer);
                node_up::Message::Issue(IssueWorkload { request, entry, spiffe_id, csr })
            }
            Wanted::Jwt { audiences, answer } => {
                self.jwts.insert(request, answer);
                node_up::Message::Mint(MintJwt { request, entry, spiffe_id, audiences })
            }
        }
    }

    fn answer_svid(&mut self, request: u64, answer: Answer<Chain>) {
        if let Some(waiting) = self.svids.remove(&request) {
            let _ = waiting.send(answer); // it may have stopped waiting
        }
    }

    fn answer_jwt(&mut self, request: u64, answer: Answer<String>) {
        if let Some(waiting) = self.jwts.remove(&request) {
            let _ = waiting.send(answer);
        }
    }
}

fn refuse(wanted: Wanted, error: AskError) {
    // Whoever asked may have stopped waiting.
    match wanted {
        Wanted::Svid { answer, .. } => drop(answer.send(Err(error))),
        Wanted::Jwt { answer, .. } => drop(answer.send(Err(error))),
    }
}

fn wrap(message: node_up::Message) -> NodeUp {
    NodeUp { message: Some(message) }
}
