//! One node, from its first message to the end of its stream.

use crate::app::App;
use crate::clocks::Watched;
use crate::limits::{DOWN_WITHIN, NODE_ISSUES_MAX, REFUSED_BYTES_MAX};
use crate::publish::Current;
use crate::registry::StreamId;
use crate::rotation::{Orders, node_member};
use crate::settled::settle;
use crate::stream::refusal::{Refusal, report_unreadable};
use crate::stream::renew::Allowance;
use crate::stream::session::cut;
use crate::stream::{Peer, first_message, node_answer, node_hello, wire};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::workload::Entry;
use bartizan_core::{Role, ServiceName, SpiffeId, limits};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Code, Status, Streaming};
use bartizan_runtime::control_v1::{
    Ack, Entries, IssueWorkload, Jwt, MintJwt, NodeDown, NodeRefusal, NodeUp, RenewAt, Snapshot, Tick, WorkloadSvid,
    node_down, node_up,
};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

type Replies = mpsc::Sender<Result<NodeDown, Status>>;

/// Why a session is over: `None` where the node left or we are stopping, else what the node is told.
type End = Option<Refusal>;

/// Runs a stream to its end. Ends by itself when the node leaves, breaks a rule or the app stops.
pub(super) async fn run(
    app: Arc<App>,
    ups: Streaming<NodeUp>,
    downs: Replies,
    peer: Option<Peer>,
    remote: Option<SocketAddr>,
) {
    let stop = app.stop.clone();
    let session = begin_and_run(&app, ups, &downs, peer, remote);
    let Some(Err(Some(refusal))) = stop.run_until_cancelled(session).await else { return };
    tracing::warn!(why = refusal.detail(), "a node's stream was ended");
    // A node that does not read is not told either.
    let _ = timeout(DOWN_WITHIN, downs.send(Err(refusal.status()))).await;
}

async fn begin_and_run(
    app: &Arc<App>,
    mut ups: Streaming<NodeUp>,
    downs: &Replies,
    peer: Option<Peer>,
    remote: Option<SocketAddr>,
) -> Result<(), End> {
    let peer_id = peer.as_ref().map(|peer| peer.id().clone());
    let admitted = admit(app, &mut ups, peer).await;
    let mut session = match admitted {
        Ok((name, peer, hello)) => {
            // Seen before anything is sent, so that a change in between is sent too.
            let changes = app.watch();
            let held = hello.held.get(&Kind::Bundles).copied();
            let stream = app.nodes.attach(&name, hello, &peer, clock::now());
            let orders = app.orders.subscribe();
            let orders_seen = orders.borrow().last();
            tracing::info!(node = %name, "a node came");
            let clock = Watched::node(&name);
            Session {
                app: Arc::clone(app),
                name,
                stream,
                downs: downs.clone(),
                changes,
                orders,
                orders_seen,
                bundles: held,
                entries: None,
                peer,
                allowance: Allowance::default(),
                clock,
            }
        }
        Err(refusal) => {
            report_unreadable(app, peer_id, remote, &refusal);
            return Err(Some(refusal));
        }
    };
    session.run(&mut ups).await
}

/// Lets a node in, by the certificate of its connection and nothing else.
async fn admit(
    app: &App,
    ups: &mut Streaming<NodeUp>,
    peer: Option<Peer>,
) -> Result<(ServiceName, Peer, crate::node_registry::NodeIntroduction), Refusal> {
    let peer = peer.ok_or_else(|| Refusal::denied("a node's stream without a certificate"))?;
    if clock::now() >= peer.not_after() {
        return Err(Refusal::denied("the certificate of the connection has run out"));
    }
    let authority = app.authority();
    let Some(Role::Node(certified)) = peer.id().role_in(authority.domain()) else {
        return Err(Refusal::denied(format!("`{}` is no node", peer.id())));
    };
    let first = first_message(ups, |up: NodeUp| match up.message? {
        node_up::Message::Hello(hello) => Some(hello),
        _ => None,
    });
    let (name, hello) = node_hello::read(first.await?)?;
    if name != certified {
        let wanted = SpiffeId::of(authority.domain(), &Role::Node(name));
        return Err(Refusal::denied(format!("`{}` asked to be `{wanted}`", peer.id())));
    }
    Ok((certified, peer, hello))
}

/// A node that was let in. Leaves the registry when dropped, however the stream ends.
struct Session {
    app: Arc<App>,
    name: ServiceName,
    stream: StreamId,
    downs: Replies,
    changes: watch::Receiver<Current>,
    orders: watch::Receiver<Orders>,
    orders_seen: u64,
    /// The epoch of bundles that it holds or was sent.
    bundles: Option<Epoch>,
    /// The entries that it was sent on this stream.
    entries: Option<Vec<Entry>>,
    /// Who it is: the stream is as good as the certificate that opened it.
    peer: Peer,
    allowance: Allowance,
    clock: Watched,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.app.nodes.detach(&self.name, self.stream);
        self.clock.end(&self.app);
        tracing::info!(node = %self.name, "a node left");
    }
}

impl Session {
    async fn run(&mut self, ups: &mut Streaming<NodeUp>) -> Result<(), End> {
        self.send_changes().await?;
        let mut ticks = interval(limits::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = ups.message() => match message {
                    Ok(Some(up)) => self.take(up).await?,
                    Ok(None) | Err(_) => return Err(None),
                },
                changed = self.changes.changed() => match changed {
                    Ok(()) => self.send_changes().await?,
                    Err(_) => return Err(None),
                },
                ordered = self.orders.changed() => match ordered {
                    Ok(()) => self.send_order().await?,
                    Err(_) => return Err(None),
                },
                _ = ticks.tick() => self.tick().await?,
            }
        }
    }

    async fn tick(&mut self) -> Result<(), End> {
        let now = clock::now();
        if now >= self.peer.not_after() {
            return Err(Some(Refusal::denied("the identity of the stream has run out")));
        }
        self.send(node_down::Message::Tick(Tick { now_ms: now.as_millis() })).await
    }

    /// Passes on when it is to renew, where that was just decided.
    async fn send_order(&mut self) -> Result<(), End> {
        let orders = Arc::clone(&self.orders.borrow_and_update());
        let seen = std::mem::replace(&mut self.orders_seen, orders.last());
        let Some(order) = orders.to(&node_member(self.name.as_str()), seen) else { return Ok(()) };
        let renew = RenewAt { at_ms: order.at.as_millis(), reason: order.reason, edge: false };
        self.send(node_down::Message::RenewAt(renew)).await
    }

    /// Sends what the node does not have: bundles first, since what it is issued later is checked by them.
    async fn send_changes(&mut self) -> Result<(), End> {
        let in_force = Arc::clone(&self.changes.borrow_and_update());
        if let Some(entry) = in_force.denied.denies(&self.peer) {
            return Err(Some(Refusal::on_deny_list(entry)));
        }
        let epoch = in_force.epoch(Kind::Bundles);
        if self.bundles != Some(epoch) {
            self.send(node_down::Message::Snapshot(Snapshot { envelope: in_force.bundles().to_vec() })).await?;
            self.bundles = Some(epoch);
        }
        let workloads = in_force.desired.fleet.workloads.values();
        let is_served = |entry: &&Entry| entry.is_for(&self.name) && in_force.denied.denies_id(&entry.id).is_none();
        let entries: Vec<Entry> = workloads.filter(is_served).cloned().collect();
        if self.entries.as_ref() != Some(&entries) {
            let json = serde_json::to_vec(&entries).map_err(|error| Some(Refusal::unable(error.to_string())))?;
            self.send(node_down::Message::Entries(Entries { entries: json })).await?;
            self.app.nodes.sent_entries(&self.name, self.stream, entries.len());
            self.entries = Some(entries);
        }
        Ok(())
    }

    async fn take(&mut self, up: NodeUp) -> Result<(), End> {
        self.app.nodes.heard(&self.name, self.stream, clock::now());
        match up.message {
            None | Some(node_up::Message::Hello(_)) => {
                Err(Some(Refusal::malformed("an empty message, or a second NodeHello")))
            }
            Some(node_up::Message::Ack(ack)) => Ok(self.acknowledged(ack).map_err(Some)?),
            Some(node_up::Message::Clock(reading)) => {
                self.clock.read(&self.app, None, reading, clock::now());
                Ok(())
            }
            Some(node_up::Message::Issue(request)) => self.issue(request).await,
            Some(node_up::Message::Mint(request)) => self.mint(request).await,
        }
    }

    fn acknowledged(&self, ack: Ack) -> Result<(), Refusal> {
        let kind = Kind::parse(&ack.kind).ok_or_else(|| Refusal::malformed("an acknowledgement of unknown kind"))?;
        let (nodes, epoch) = (&self.app.nodes, Epoch(ack.epoch));
        if ack.refused.is_empty() {
            nodes.took_up(&self.name, self.stream, kind, epoch);
        } else {
            let why = cut(ack.refused, REFUSED_BYTES_MAX);
            tracing::error!(node = %self.name, kind = kind.as_str(), epoch = epoch.0, why, "a node refused a snapshot");
            nodes.refused(&self.name, self.stream, kind, why);
        }
        Ok(())
    }

    async fn issue(&mut self, asked: IssueWorkload) -> Result<(), End> {
        let answer = match self.may_ask() {
            Ok(()) => node_answer::issue(&self.app, &self.name, &asked, clock::now()).await,
            Err(refusal) => Err(refusal),
        };
        let request = asked.request;
        self.send(match answer {
            Ok(svid) => node_down::Message::Svid(WorkloadSvid { request, svid: Some(wire(svid, false)) }),
            Err(refusal) => refused(request, &refusal),
        })
        .await
    }

    async fn mint(&mut self, asked: MintJwt) -> Result<(), End> {
        let leads = settle(self.app.options.leading.as_ref()).await.map_err(|error| Refusal::unable(error.to_string()));
        let may = leads.and_then(|()| self.may_ask());
        let answer = may.and_then(|()| node_answer::mint(&self.app, &self.name, &asked, clock::now()));
        let request = asked.request;
        self.send(match answer {
            Ok(token) => node_down::Message::Jwt(Jwt { request, token }),
            Err(refusal) => refused(request, &refusal),
        })
        .await
    }

    fn may_ask(&mut self) -> Result<(), Refusal> {
        if self.allowance.take(clock::now(), NODE_ISSUES_MAX) {
            return Ok(());
        }
        Err(Refusal::exhausted(format!("a node asked more than {NODE_ISSUES_MAX} times within a minute")))
    }

    async fn send(&self, message: node_down::Message) -> Result<(), End> {
        match timeout(DOWN_WITHIN, self.downs.send(Ok(NodeDown { message: Some(message) }))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(None),
            Err(_) => Err(Some(Refusal::exhausted("the node does not read what it is sent"))),
        }
    }
}

/// A node's identity is known, so it may know the reason.
fn refused(request: u64, refusal: &Refusal) -> node_down::Message {
    let passing = matches!(refusal.status().code(), Code::Unavailable | Code::ResourceExhausted);
    node_down::Message::Refusal(NodeRefusal { request, why: refusal.detail().to_owned(), passing })
}
