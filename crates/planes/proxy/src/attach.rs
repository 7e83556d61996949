//! The stream to control: identity and snapshots down; acknowledgements, events and statistics up.
//!
//! A stream that breaks costs nothing: the proxy goes on with what it holds, and the next stream takes up where this one
//! ended. What cannot be sent waits, in bounded queues.

use crate::batches::Batches;
use crate::counters;
use crate::identity_slot::{IdentitySlots, jitter};
use crate::intake::{Intake, Taken, describe};
use crate::limits;
use crate::live::Proxy;
use crate::login::{Asker, LoginSlot, Question};
use crate::predictions;
use crate::users::DelegationSlot;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::limits::STALE_AFTER;
use bartizan_core::login::Ask;
use bartizan_core::snapshot::Freshness;
use bartizan_core::{Role, Timestamp};
use bartizan_crypto::CryptoError;
use bartizan_runtime::clock;
use bartizan_runtime::control_stream::{self, Addresses, Code, ConnectError, Pauses, Status, Streaming};
use bartizan_runtime::control_v1::{
    Ack, Clock, Down, EventsStored, Held, Hello, Installed, LoginAnswer, LoginAsk, Refusal, RenewAt, Retiring,
    Snapshot, Stats, Tick, Up, down, up,
};
use bartizan_runtime::tls::{self, Judge, JudgeError, TlsError};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Why the proxy cannot go on. Whoever started it starts it again, with a new ticket.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Neither voucher nor certificate counts any more.
    #[error("there is no identity and no voucher left to get one with, start again with a new ticket")]
    NoIdentity,
    /// No key or request can be made.
    #[error("no certificate can be asked for")]
    Crypto(#[from] CryptoError),
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
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
    #[error("control refused us an identity")]
    NoIdentity,
}

/// The proxy's end of the stream, over reconnects.
#[derive(Debug)]
pub struct Attach {
    proxy: Arc<Proxy>,
    slots: IdentitySlots,
    delegation: DelegationSlot,
    cookies: LoginSlot,
    /// Questions about people who log in; `None` where another one has them.
    questions: Option<mpsc::Receiver<Question>>,
    /// Who waits for an answer, by the number of the question on this stream.
    asked: BTreeMap<u64, Asker>,
    /// The number of the last one.
    last_asked: u64,
    intake: Intake,
    batches: Batches,
    control: Addresses,
    /// Which instance of its service this is.
    number: u16,
    /// What is in force; said again on each stream.
    taken: Vec<Taken>,
    outbox: VecDeque<up::Message>,
}

impl Attach {
    /// Attaches to control, at whichever of its addresses `control` is reached.
    pub fn new(proxy: Arc<Proxy>, slots: IdentitySlots, intake: Intake, control: impl Into<Addresses>) -> Self {
        let (batches, taken, outbox) = (Batches::default(), Vec::new(), VecDeque::new());
        let (delegation, cookies, asked) = (DelegationSlot::default(), LoginSlot::default(), BTreeMap::new());
        let questions = proxy.login.questions();
        Self {
            proxy,
            slots,
            delegation,
            cookies,
            questions,
            asked,
            last_asked: 0,
            intake,
            batches,
            control: control.into(),
            number: 1,
            taken,
            outbox,
        }
    }

    /// The same, for another than the first instance of the service.
    #[must_use]
    pub fn of_instance(self, number: u16) -> Self {
        Self { number, ..self }
    }

    /// Takes up what is on disk, so that the proxy serves before control is reached, or without it.
    pub async fn start_from_disk(&mut self) {
        // Bundles first: the certificate is checked by them. Control was heard when it issued the certificate; nothing
        // newer is known.
        self.taken = self.intake.from_disk().await;
        if let Some(issued) = self.slots.from_disk() {
            self.proxy.heard.ago(clock::now().since(issued));
        }
    }

    /// Stays attached until `drained`, then sends what is left and returns.
    ///
    /// Cancel by `drained`; a dropped future loses the events that are not confirmed.
    ///
    /// # Errors
    /// [`AttachError`]; the process has to start anew.
    pub async fn run(&mut self, drained: CancellationToken) -> Result<(), AttachError> {
        let mut pauses = Pauses::new(limits::RETRY_FIRST, limits::RETRY_MAX);
        while !drained.is_cancelled() {
            let hello = self.slots.hello()?.ok_or(AttachError::NoIdentity)?;
            let (began, control) = (Instant::now(), self.control.current());
            let ended = Box::pin(self.stream(control, hello, &drained)).await;
            self.slots.stream_gone();
            self.batches.stream_gone();
            self.outbox.clear();
            self.asked.clear(); // whoever waits hears that nobody answers
            let Err(error) = ended else { return Ok(()) };
            if matches!(&error, StreamError::Refused(s) if matches!(s.code(), Code::Unauthenticated | Code::PermissionDenied))
            {
                self.slots.refused(false);
            }
            if began.elapsed() > limits::RETRY_MAX {
                pauses.had_success();
                tracing::warn!(%control, error = &error as &dyn std::error::Error, "the stream to control broke, trying again");
            } else {
                tracing::debug!(%control, error = &error as &dyn std::error::Error, "control is not reached, trying again");
            }
            self.control.did_not_do(control);
            self.wait(pauses.after_failure(self.control.count(), jitter()), &drained).await;
        }
        Ok(())
    }

    /// A pause between two tries, in which listeners that could not be bound are still tried.
    async fn wait(&mut self, pause: Duration, drained: &CancellationToken) {
        let until = Instant::now() + pause;
        if let Some(taken) = self.intake.retry().await {
            self.taken.push(taken);
        }
        tokio::select! {
            () = sleep_until(until) => {}
            () = drained.cancelled() => {}
        }
    }

    /// One stream, from connecting to its end. `Ok` where it was ended by us.
    async fn stream(
        &mut self,
        control: SocketAddr,
        hello: Hello,
        drained: &CancellationToken,
    ) -> Result<(), StreamError> {
        let mut client = control_stream::connect(control, self.client()?, judge(&self.proxy)).await?;
        let (up, messages) = mpsc::channel(limits::UP_QUEUE_MAX);
        self.outbox.push_back(up::Message::Hello(self.complete(hello)));
        self.acknowledge_all();
        // Hello goes first and before control answers, so it has to wait in the channel.
        while let Some(message) = self.outbox.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(Up { message: Some(message) })) = up.try_send(wrap(message)) {
                self.outbox.push_front(message);
                break;
            }
        }
        let attached = timeout(STALE_AFTER, client.attach(ReceiverStream::new(messages))).await;
        let mut down = attached.map_err(|_| StreamError::Silent)?.map_err(refused)?.into_inner();
        tracing::info!(%control, "attached to control");
        self.converse(&up, &mut down, drained).await
    }

    async fn converse(
        &mut self,
        up: &mpsc::Sender<Up>,
        down: &mut Streaming<Down>,
        drained: &CancellationToken,
    ) -> Result<(), StreamError> {
        let proxy = Arc::clone(&self.proxy);
        let mut retiring = false;
        let (mut second, mut flush) = (interval(limits::STATS_EVERY), interval(limits::EVENTS_EVERY));
        for ticks in [&mut second, &mut flush] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut leave_at = None;
        self.delegation.attached_again(&self.proxy);
        self.cookies.attached_again();
        proxy.tokens.attached_again(clock::now());
        proxy.heard.now();
        loop {
            let leaving = async {
                match leave_at {
                    None => drained.cancelled().await,
                    Some(at) => sleep_until(at).await,
                }
            };
            tokio::select! {
                message = down.message() => {
                    let message = message.map_err(refused)?.ok_or(StreamError::Closed)?;
                    proxy.heard.now();
                    self.hear(message).await;
                }
                permit = up.reserve(), if !self.outbox.is_empty() => {
                    let permit = permit.map_err(|_| StreamError::Closed)?;
                    if let Some(message) = self.outbox.pop_front() {
                        permit.send(wrap(message));
                    }
                }
                question = next(&mut self.questions) => self.ask(question.ask, question.answer),
                () = proxy.winding_down.cancelled(), if !retiring => {
                    retiring = true;
                    self.outbox.push_back(up::Message::Retiring(Retiring {}));
                }
                _ = second.tick() => self.every_second().await?,
                _ = flush.tick() => self.send_events(),
                () = proxy.events.full_batch() => self.send_events(),
                () = leaving => {
                    if leave_at.is_some() {
                        return Ok(()); // what is not confirmed by now is lost with the process
                    }
                    leave_at = Some(Instant::now() + limits::FLUSH_TIME);
                    predictions::tell(&proxy, true);
                    self.report();
                    self.send_events();
                }
            }
            let all_said = self.outbox.is_empty() && self.batches.is_empty() && proxy.events.is_empty();
            if leave_at.is_some() && all_said {
                return Ok(());
            }
        }
    }

    async fn hear(&mut self, message: Down) {
        match message.message {
            Some(down::Message::Svid(svid)) => {
                let edge = svid.edge;
                let taken = self.slots.issued(svid);
                let refused = taken.as_ref().err().map(|error| describe(error)).unwrap_or_default();
                self.outbox.push_back(up::Message::Installed(Installed { edge, refused }));
                match taken {
                    Ok(()) => tracing::info!(edge, "a new certificate is in use"),
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, edge, "a certificate is refused");
                        self.slots.refused(edge);
                    }
                }
            }
            Some(down::Message::Snapshot(Snapshot { envelope })) => {
                if let Some(taken) = self.intake.from_control(&envelope).await {
                    self.acknowledge(taken);
                    self.ask_for_tokens(); // at once where its rules want some
                }
            }
            Some(down::Message::OutsideToken(given)) => self.proxy.tokens.given(given, clock::now()),
            Some(down::Message::Delegation(given)) => self.delegation.given(&self.proxy, given),
            Some(down::Message::Login(LoginAnswer { request, answer })) => {
                let asker = self.asked.remove(&request);
                match (asker, serde_json::from_slice(&answer)) {
                    (Some(asker), Ok(answer)) => self.proxy.login.answered(asker, answer),
                    (_, Err(error)) => tracing::warn!(%error, "control's answer about a log-in cannot be read"),
                    (None, Ok(_)) => {}
                }
            }
            Some(down::Message::EventsStored(EventsStored { batch })) => {
                self.batches.confirmed(batch, &self.proxy.events);
                self.send_events();
            }
            Some(down::Message::Refusal(Refusal { what, why })) => {
                tracing::warn!(%what, %why, "control refused a request");
                match what.as_str() {
                    "edge" => self.slots.refused(true),
                    "identity" => self.slots.refused(false),
                    _ => {}
                }
            }
            Some(down::Message::RenewAt(RenewAt { at_ms, reason, edge })) => {
                tracing::info!(edge, %reason, "control names a time for the next certificate");
                self.slots.renew_at(edge, Timestamp::from_millis(at_ms));
            }
            Some(down::Message::Tick(Tick { now_ms: tick_ms })) => {
                let now_ms = clock::now().as_millis();
                self.outbox.push_back(up::Message::Clock(Clock { now_ms, tick_ms }));
            }
            None => {}
        }
    }

    /// Sends a question on, where not too many wait already; whoever asks hears that nobody answers then.
    fn ask(&mut self, ask: Ask, asker: Asker) {
        let Ok(bytes) = serde_json::to_vec(&ask) else { return };
        if self.asked.len() >= limits::LOGIN_QUESTIONS_MAX {
            // Those that nobody waits for any more make room.
            self.asked.retain(|_, asker| asker.still_waits());
        }
        if self.asked.len() >= limits::LOGIN_QUESTIONS_MAX {
            return;
        }
        self.last_asked += 1;
        let request = self.last_asked;
        self.asked.insert(request, asker);
        self.outbox.push_back(up::Message::Login(LoginAsk { request, ask: bytes }));
    }

    async fn every_second(&mut self) -> Result<(), StreamError> {
        if self.proxy.heard.freshness() > Freshness::Fresh {
            return Err(StreamError::Silent);
        }
        if self.slots.is_hopeless() {
            return Err(StreamError::NoIdentity);
        }
        self.report();
        predictions::tell(&self.proxy, false);
        self.outbox.extend(self.slots.due().into_iter().map(up::Message::Renew));
        self.outbox.extend(self.delegation.due(&self.proxy).map(up::Message::Delegate));
        self.ask_for_tokens();
        if let Some((ask, asker)) = self.cookies.due(&self.proxy) {
            self.ask(ask, asker);
        }
        if let Some(taken) = self.intake.retry().await {
            self.acknowledge(taken);
        }
        Ok(())
    }

    fn ask_for_tokens(&mut self) {
        let live = self.proxy.live();
        let due = self.proxy.tokens.due(live.directory.as_deref(), clock::now());
        self.outbox.extend(due.into_iter().map(up::Message::MintOutside));
    }

    /// Statistics are totals, so one waiting report is enough.
    fn report(&mut self) {
        self.outbox.retain(|message| !matches!(message, up::Message::Stats(_)));
        let mut stats = counters::sum(&self.proxy.counters(), &self.proxy.events);
        stats.egress = self.proxy.egress.stats();
        stats.limits = self.proxy.live().limits.stats();
        stats.shortages = self.proxy.shortages.stats();
        (stats.predicted, stats.predicted_unlisted) = self.proxy.predictions.stats();
        match postcard::to_stdvec(&stats) {
            Ok(totals) => self.outbox.push_back(up::Message::Stats(Stats { totals })),
            Err(error) => tracing::error!(%error, "statistics cannot be encoded"),
        }
    }

    fn send_events(&mut self) {
        while let Some(events) = self.batches.next(&self.proxy.events) {
            self.outbox.push_back(up::Message::Events(events));
        }
    }

    fn acknowledge(&mut self, taken: Taken) {
        self.outbox.push_back(up::Message::Ack(ack(&taken)));
        self.taken.retain(|before| before.kind != taken.kind || taken.refused.is_some());
        if taken.refused.is_none() {
            self.taken.push(taken);
        }
    }

    /// Tells a control that may just have started what is in force here.
    fn acknowledge_all(&mut self) {
        self.outbox.extend(
            self.taken.iter().filter(|taken| taken.refused.is_none()).map(|taken| up::Message::Ack(ack(taken))),
        );
    }

    fn complete(&self, hello: Hello) -> Hello {
        let held = self
            .proxy
            .live()
            .epochs
            .iter()
            .map(|(kind, epoch)| Held { kind: kind.as_str().into(), epoch: epoch.0 })
            .collect();
        Hello {
            service: self.proxy.name.to_string(),
            instance: self.proxy.instance,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            held,
            number: self.number.into(),
            ..hello
        }
    }

    /// Shows the certificate, but not on the first contact: there the voucher speaks.
    fn client(&self) -> Result<tls::Client, TlsError> {
        let live = self.proxy.live();
        let own = if self.slots.is_first_contact() { None } else { live.identity_at(clock::now()) };
        tls::Client::new(own.map(|own| &own.shown), control_stream::ALPN)
    }
}

/// The next question; never, where there is nobody who asks.
async fn next(questions: &mut Option<mpsc::Receiver<Question>>) -> Question {
    if let Some(questions) = questions
        && let Some(question) = questions.recv().await
    {
        return question;
    }
    std::future::pending().await
}

fn wrap(message: up::Message) -> Up {
    Up { message: Some(message) }
}

fn ack(taken: &Taken) -> Ack {
    Ack {
        kind: taken.kind.as_str().to_owned(),
        epoch: taken.epoch.0,
        refused: taken.refused.clone().unwrap_or_default(),
        from_disk: taken.from_disk,
    }
}

fn refused(status: Status) -> StreamError {
    StreamError::Refused(Box::new(status))
}

/// Only a control process of our own trust domain is control.
fn judge(proxy: &Arc<Proxy>) -> Judge<()> {
    let proxy = Arc::clone(proxy);
    Arc::new(move |chain| {
        let refuse = |failure, detail: String| JudgeError { failure, detail };
        let peer = proxy.live().verify(chain, clock::now()).map_err(|r| refuse(r.failure, r.detail))?;
        match peer.id().role_in(&proxy.domain) {
            Some(Role::Control) => Ok(()),
            _ => Err(refuse(HandshakeFailure::WrongPeer, format!("`{}` is not control", peer.id()))),
        }
    })
}
