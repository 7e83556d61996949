//! One proxy, from its first message to the end of its stream.

mod certificates; // when it is to renew, and what became of what it was sent

use self::certificates::remembered;
use crate::app::App;
use crate::clocks::Watched;
use crate::fleet::{id_of, is_member};
use crate::limits::{
    DOWN_WITHIN, LOGIN_ASK_BYTES_MAX, LOGIN_ASKS_MAX, OUTSIDE_TOKENS_MAX, REFUSED_BYTES_MAX, STATS_BYTES_MAX,
};
use crate::login;
use crate::publish::Current;
use crate::registry::{Certificate, Introduction, Issued, StreamId};
use crate::rotation::Orders;
use crate::settled::settle;
use crate::stream::admit::{Admitted, admit, certificate_of};
use crate::stream::batches::Batches;
use crate::stream::delegate::delegate;
use crate::stream::hello::Hello;
use crate::stream::outside_token;
use crate::stream::refusal::{Refusal, report_issued, report_refused, report_unreadable};
use crate::stream::renew::{Allowance, renew};
use crate::stream::{Peer, first_message, wire};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::stats::ProxyStats;
use bartizan_core::{Member, ServiceName, SpiffeId, Timestamp, limits};
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{Status, Streaming};
use bartizan_runtime::control_v1::{
    self, Ack, Delegate, Delegation, Down, EventsStored, LoginAnswer, LoginAsk, MintOutside, OutsideToken, Renew,
    Snapshot, Stats, Tick, Up, down, up,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

type Replies = mpsc::Sender<Result<Down, Status>>;

/// Why a session is over.
enum End {
    /// The proxy left, or we are stopping.
    Quiet,
    /// The proxy is told why.
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Runs a stream to its end. Ends by itself when the proxy leaves, breaks a rule or the app stops.
pub(crate) async fn run(
    app: Arc<App>,
    ups: Streaming<Up>,
    downs: Replies,
    peer: Option<Peer>,
    remote: Option<SocketAddr>,
) {
    let stop = app.stop.clone();
    let session = begin_and_run(&app, ups, &downs, peer, remote);
    let Some(Err(End::Refused(refusal))) = stop.run_until_cancelled(session).await else { return };
    // A proxy that does not read is not told either.
    let _ = timeout(DOWN_WITHIN, downs.send(Err(refusal.status()))).await;
}

async fn begin_and_run(
    app: &Arc<App>,
    mut ups: Streaming<Up>,
    downs: &Replies,
    peer: Option<Peer>,
    remote: Option<SocketAddr>,
) -> Result<(), End> {
    let peer_id = peer.as_ref().map(|peer| peer.id().clone());
    let first = first_message(&mut ups, |up: Up| match up.message? {
        up::Message::Hello(hello) => Some(hello),
        _ => None,
    });
    let hello = first.await.and_then(Hello::read).inspect_err(|refusal| {
        report_unreadable(app, peer_id, remote, refusal);
    })?;
    // Seen before anything is sent, so that a change in between is sent too.
    let changes = app.watch();
    let admitted = admit(app, &hello, peer.as_deref(), clock::now()).await.inspect_err(|refusal| {
        let in_force = app.in_force();
        let fleet = &in_force.desired.fleet;
        let service = hello.member.service();
        let known = is_member(fleet, &hello.member).then_some(service);
        report_refused(app, known, id_of(fleet, service), peer.is_some(), refusal);
    })?;
    let mut session = Session::open(Arc::clone(app), hello, admitted, downs.clone(), changes);
    session.run(&mut ups).await
}

/// A proxy that was let in. Leaves the registry when dropped, however the stream ends.
struct Session {
    app: Arc<App>,
    member: Member,
    id: SpiffeId,
    stream: StreamId,
    downs: Replies,
    changes: watch::Receiver<Current>,
    orders: watch::Receiver<Orders>,
    orders_seen: u64,
    /// The certificates that were sent to it last: for peers, for outside clients.
    issued: [Option<Issued>; 2],
    /// What it holds or was sent, by kind.
    sent: BTreeMap<Kind, Epoch>,
    /// Issued and not sent yet.
    first_svid: Option<control_v1::Svid>,
    not_after: Timestamp,
    spki: Vec<u8>,
    certificate: Certificate,
    allowance: Allowance,
    batches: Batches,
    /// How often delegations were asked for lately.
    delegations: Allowance,
    /// How often tokens for the outside were.
    outside_tokens: Allowance,
    /// Questions about people who log in that are worked on.
    logins: Arc<Semaphore>,
    clock: Watched,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.app.registry.detach(&self.member, self.stream);
        self.clock.end(&self.app);
        tracing::info!(member = %self.member, "a proxy left");
    }
}

impl Session {
    fn open(
        app: Arc<App>,
        hello: Hello,
        admitted: Admitted,
        downs: Replies,
        changes: watch::Receiver<Current>,
    ) -> Self {
        let Admitted { id, svid, not_after, spki, certificate, node, issuer, renewal } = admitted;
        let Hello { member, instance, pid, version, held, .. } = hello;
        if let Some(svid) = &svid {
            report_issued(&app, Some(member.service()), id.clone(), renewal, svid);
        }
        let introduction = Introduction {
            instance,
            pid,
            version,
            held: held.clone(),
            svid_not_after: not_after,
            certificate: certificate.clone(),
            node,
            issuer,
        };
        let orders = app.orders.subscribe();
        let orders_seen = orders.borrow().last();
        let stream = app.registry.attach(&member, introduction, clock::now());
        tracing::info!(%member, pid, "a proxy came");
        let clock = Watched::guard(member.service());
        Self {
            app,
            member,
            id,
            stream,
            downs,
            changes,
            orders,
            orders_seen,
            issued: [svid.as_deref().and_then(remembered), None],
            sent: held,
            first_svid: svid.map(|svid| wire(svid, false)),
            not_after,
            spki,
            certificate,
            allowance: Allowance::default(),
            delegations: Allowance::default(),
            outside_tokens: Allowance::default(),
            logins: Arc::new(Semaphore::new(LOGIN_ASKS_MAX)),
            batches: Batches::default(),
            clock,
        }
    }

    async fn run(&mut self, ups: &mut Streaming<Up>) -> Result<(), End> {
        if let Some(svid) = self.first_svid.take() {
            self.send(down::Message::Svid(svid)).await?;
        }
        self.send_snapshots().await?;
        let mut ticks = interval(limits::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = ups.message() => match message {
                    Ok(Some(up)) => self.take(up).await?,
                    // An error is the proxy or the network gone; there is nobody to tell.
                    Ok(None) | Err(_) => return Err(End::Quiet),
                },
                changed = self.changes.changed() => match changed {
                    Ok(()) => self.send_snapshots().await?,
                    Err(_) => return Err(End::Quiet),
                },
                changed = self.orders.changed() => match changed {
                    Ok(()) => self.send_orders().await?,
                    Err(_) => return Err(End::Quiet),
                },
                batch = self.batches.next_done() => self.send(down::Message::EventsStored(EventsStored { batch })).await?,
                _ = ticks.tick() => self.tick().await?,
            }
        }
    }

    async fn tick(&mut self) -> Result<(), End> {
        let now = clock::now();
        // The stream is as good as the identity that opened it, or the last one that was issued on it.
        if now >= self.not_after {
            return Err(Refusal::denied("the identity of the stream has run out").into());
        }
        self.send(down::Message::Tick(Tick { now_ms: now.as_millis() })).await
    }

    /// Sends what the proxy does not hold. Proxies refuse what is older than what they hold, and then say so.
    async fn send_snapshots(&mut self) -> Result<(), End> {
        let in_force = Arc::clone(&self.changes.borrow_and_update());
        if !is_member(&in_force.desired.fleet, &self.member) {
            return Err(Refusal::denied(format!("the fleet has no service `{}` any more", self.member)).into());
        }
        let Certificate { serial, key } = &self.certificate;
        if let Some(entry) = in_force.denied.denies_certificate(&self.id, serial, key) {
            return Err(Refusal::on_deny_list(entry).into());
        }
        for kind in Kind::ALL {
            let epoch = in_force.epoch(kind);
            if self.sent.get(&kind) == Some(&epoch) {
                continue;
            }
            let own = self.app.own();
            let envelope = match in_force.envelope(kind, &self.member, &own, clock::now()) {
                None => continue,
                Some(Err(error)) => return Err(Refusal::unable(crate::error::chain(&error)).into()),
                Some(Ok(envelope)) => envelope,
            };
            self.send(down::Message::Snapshot(Snapshot { envelope })).await?;
            self.sent.insert(kind, epoch);
        }
        Ok(())
    }

    async fn take(&mut self, up: Up) -> Result<(), End> {
        self.app.registry.heard(&self.member, self.stream, clock::now());
        match up.message {
            None | Some(up::Message::Hello(_)) => Err(Refusal::malformed("an empty message, or a second Hello").into()),
            Some(up::Message::Ack(ack)) => Ok(self.acknowledged(ack)?),
            Some(up::Message::Renew(request)) => self.renew(request).await,
            Some(up::Message::Delegate(request)) => self.delegate(&request).await,
            Some(up::Message::Login(asked)) => Ok(self.login(asked)?),
            Some(up::Message::MintOutside(request)) => self.mint_outside(request).await,
            Some(up::Message::Installed(installed)) => {
                self.installed(installed);
                Ok(())
            }
            Some(up::Message::Clock(reading)) => {
                self.clock.read(&self.app, Some(self.member.service()), reading, clock::now());
                Ok(())
            }
            Some(up::Message::Retiring(_)) => {
                self.app.registry.retires(&self.member, self.stream);
                Ok(())
            }
            Some(up::Message::Stats(stats)) => Ok(self.counted(&stats)?),
            Some(up::Message::Events(events)) => {
                let batch = events.batch;
                if self.batches.take(&self.app, self.member.service(), events)? {
                    self.send(down::Message::EventsStored(EventsStored { batch })).await?;
                }
                Ok(())
            }
        }
    }

    fn acknowledged(&mut self, ack: Ack) -> Result<(), Refusal> {
        let kind = Kind::parse(&ack.kind).ok_or_else(|| Refusal::malformed("an acknowledgement of unknown kind"))?;
        let epoch = Epoch(ack.epoch);
        let registry = &self.app.registry;
        // No event from here: the proxy writes one, which also tells of what it took up while we were away.
        if ack.refused.is_empty() {
            registry.took_up(&self.member, self.stream, kind, epoch);
        } else {
            let why = cut(ack.refused, REFUSED_BYTES_MAX);
            tracing::error!(member = %self.member, kind = kind.as_str(), epoch = epoch.0, why, "a proxy refused a snapshot");
            registry.refused(&self.member, self.stream, kind, why);
            self.app.indicators.refused(kind, epoch, clock::now());
        }
        Ok(())
    }

    async fn renew(&mut self, request: Renew) -> Result<(), End> {
        let edge = request.edge;
        let (app, now) = (Arc::clone(&self.app), clock::now());
        let node = app.registry.node_of(&self.member, self.stream);
        let issued =
            renew(&app, &request, &self.member, &self.id, node.as_ref(), &self.spki, &mut self.allowance, now).await;
        match issued {
            Ok((svid, spki)) => {
                report_issued(&self.app, Some(self.member.service()), self.id.clone(), true, &svid);
                self.issued[usize::from(edge)] = remembered(&svid);
                if !edge {
                    self.certificate = certificate_of(&svid, &spki);
                    (self.not_after, self.spki) = (svid.not_after, spki);
                    let certificate = self.certificate.clone();
                    self.app.registry.renewed(&self.member, self.stream, svid.not_after, certificate);
                }
                self.send(down::Message::Svid(wire(svid, edge))).await
            }
            Err(refusal) => {
                report_refused(&self.app, Some(self.member.service()), self.id.clone(), true, &refusal);
                let what = if edge { "edge" } else { "identity" }.to_owned();
                // Its identity is known, so it may know the reason.
                self.send(down::Message::Refusal(control_v1::Refusal { what, why: refusal.detail().to_owned() })).await
            }
        }
    }

    async fn delegate(&mut self, request: &Delegate) -> Result<(), End> {
        let now = clock::now();
        if let Err(error) = settle(self.app.options.leading.as_ref()).await {
            let why = error.to_string();
            return self.send(down::Message::Refusal(control_v1::Refusal { what: "delegation".to_owned(), why })).await;
        }
        let answer =
            match delegate(&self.app, request, &self.member, (&self.id, &self.certificate), &mut self.delegations, now)
            {
                Ok((text, until)) => down::Message::Delegation(Delegation { text, until_ms: until.as_millis() }),
                Err(refusal) => {
                    let why = refusal.detail().to_owned();
                    tracing::warn!(member = %self.member, why, "a delegation was refused");
                    down::Message::Refusal(control_v1::Refusal { what: "delegation".to_owned(), why })
                }
            };
        self.send(answer).await
    }

    async fn mint_outside(&mut self, request: MintOutside) -> Result<(), End> {
        let now = clock::now();
        // Who leads no more knows nothing of what was revoked since.
        let leads = settle(self.app.options.leading.as_ref()).await.map_err(|error| Refusal::unable(error.to_string()));
        let minted = leads.and_then(|()| {
            outside_token::mint(&self.app, &request, &self.member, &self.id, &mut self.outside_tokens, now)
        });
        let (token, until_ms, refused) = match minted {
            Ok((token, until)) => (token, until.as_millis(), String::new()),
            Err(refusal) => {
                // Who asks without end is told of once a minute, and not as often as it asks.
                if !refusal.is_exhausted() || self.outside_tokens.is_first_beyond(OUTSIDE_TOKENS_MAX) {
                    report_refused(&self.app, Some(self.member.service()), self.id.clone(), true, &refusal);
                }
                (String::new(), 0, refusal.detail().to_owned())
            }
        };
        // As long as what was asked for may be: it goes back.
        let audience = cut(request.audience, limits::AUDIENCE_BYTES_MAX);
        self.send(down::Message::OutsideToken(OutsideToken { audience, token, until_ms, refused })).await
    }

    /// Answered beside the stream: a provider may take its time.
    fn login(&self, asked: LoginAsk) -> Result<(), Refusal> {
        let LoginAsk { request, ask } = asked;
        if *self.member.service() != ServiceName::gateway() {
            return Err(Refusal::denied("people log in at the gateway alone"));
        }
        if ask.len() > LOGIN_ASK_BYTES_MAX {
            return Err(Refusal::malformed(format!("a question about a log-in of {} bytes", ask.len())));
        }
        let Ok(place) = Arc::clone(&self.logins).try_acquire_owned() else {
            tracing::warn!(most = LOGIN_ASKS_MAX, "too many people log in at once; the gateway waits in vain");
            return Ok(());
        };
        let (app, downs) = (Arc::clone(&self.app), self.downs.clone());
        tokio::spawn(async move {
            let answer = login::answer(app, ask).await;
            let message = down::Message::Login(LoginAnswer { request, answer });
            // A gateway that went away asks again.
            let _ = timeout(DOWN_WITHIN, downs.send(Ok(Down { message: Some(message) }))).await;
            drop(place);
        });
        Ok(())
    }

    fn counted(&self, stats: &Stats) -> Result<(), Refusal> {
        if stats.totals.len() > STATS_BYTES_MAX {
            return Err(Refusal::malformed(format!("counters of {} bytes", stats.totals.len())));
        }
        let totals: ProxyStats =
            postcard::from_bytes(&stats.totals).map_err(|e| Refusal::malformed(format!("counters: {e}")))?;
        let now = clock::now();
        if let Some(process) = self.app.registry.process_of(&self.member, self.stream) {
            let in_force = self.app.in_force();
            self.app.indicators.count(&self.member, process, &totals, &in_force.desired.fleet.synthetic, now);
        }
        self.app.registry.counted(&self.member, self.stream, totals, now);
        Ok(())
    }

    async fn send(&self, message: down::Message) -> Result<(), End> {
        match timeout(DOWN_WITHIN, self.downs.send(Ok(Down { message: Some(message) }))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Quiet),
            Err(_) => Err(Refusal::exhausted("the proxy does not read what it is sent").into()),
        }
    }
}

/// At most `bytes_max` bytes of `text`, whole characters, without control characters.
pub(super) fn cut(text: String, bytes_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_reason_is_cut_between_characters_and_stays_on_one_line() {
        assert_eq!(cut("a\nb\u{1b}[31m".to_owned(), 100), "a b [31m");
        assert_eq!(cut("éé".to_owned(), 3), "é");
        assert_eq!(cut("x".repeat(5000), 1024).len(), 1024);
    }
}
