//! One event of each kind, and of the kinds with several outcomes the one that has most to say.

use bartizan_core::alerts::{Severity, Urgency};
use bartizan_core::egress::Refusal;
use bartizan_core::event::{
    AlertStep, Alerted, Budget, Change, Clock, Config, Connection, Deed, Egress, Event, EventId, Handshake,
    HandshakeFailure, Identity, Judged, Loss, Outcome, Person, Predicted, Process, Refused, Request, Rotation, SeenBy,
    Signal, Telemetry, What,
};
use bartizan_core::rotation::{Phase, Rotated};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{Action, RequestId, ServiceName, SpiffeId, Timestamp, Verdict};
use std::sync::Arc;

pub(crate) const AT_MS: u64 = 1_700_000_000_123;

pub(crate) fn request_id() -> RequestId {
    RequestId::parse("4bf92f3577b34da6a3ce929d0e0e4736").unwrap()
}

pub(crate) fn event(seen_by: SeenBy, what: What) -> Event {
    Event {
        id: EventId(1, 2),
        at: Timestamp::from_millis(AT_MS),
        service: Some(ServiceName::parse("accounts").unwrap()),
        seen_by,
        request: matches!(what, What::Request(_)).then(request_id),
        what,
    }
}

pub(crate) fn peer() -> Option<SpiffeId> {
    Some(SpiffeId::parse("spiffe://bank.example/svc/payment").unwrap())
}

pub(crate) fn judged(verdict: Verdict, reason: &str) -> Option<Judged> {
    let policies = vec!["fleet:calls#payment".into(), "limits".into()];
    Some(Judged { verdict, policies, reason: Some(reason.into()), epoch: Epoch(7) })
}

pub(crate) fn request(verdict: Verdict, text: &str) -> Request {
    let denied = verdict == Verdict::Deny;
    Request {
        peer: peer(),
        to: ServiceName::parse("accounts").unwrap(),
        method: "GET".into(),
        path: format!("/accounts/{text}").into(),
        route: Some("balance".into()),
        action: Action::Read,
        decision: judged(verdict, text),
        status: if denied { 403 } else { 200 },
        error: denied.then(|| text.into()),
        took_us: 2_500,
        added_us: 80,
        client: None,
        user: None,
        span: 0x00f0_67aa_0ba9_02b7,
        parent_span: 0xb7,
    }
}

pub(crate) fn egress(host: &str, outcome: Outcome) -> Egress {
    Egress {
        host: Some(host.into()),
        address: Some("192.0.2.7".parse().unwrap()),
        port: 443,
        protocol: "https".into(),
        outcome,
        first: true,
        learned: false,
        bytes_up: 1,
        bytes_down: 2,
        took_us: 5_000,
        error: None,
    }
}

/// `text` stands wherever an event has free text.
pub(crate) fn all(text: &str) -> Vec<Event> {
    let some: Option<Arc<str>> = Some(text.into());
    let to = ServiceName::parse("postgres").unwrap();
    vec![
        event(SeenBy::Inbound, What::Request(Request { method: text.into(), ..request(Verdict::Deny, text) })),
        event(
            SeenBy::Outbound,
            What::Connection(Connection {
                peer: None,
                to,
                decision: judged(Verdict::Allow, text),
                bytes_up: 10,
                bytes_down: 20,
                took_us: 5_000,
                error: some.clone(),
            }),
        ),
        event(
            SeenBy::Inbound,
            What::Handshake(Handshake {
                peer: None,
                remote: Some("127.0.0.1:40000".parse().unwrap()),
                failure: Some(HandshakeFailure::NoCertificate),
                detail: some.clone(),
                group: Some("X25519MLKEM768".into()),
                suite: Some("TLS13_AES_128_GCM_SHA256".into()),
                took_us: 900,
            }),
        ),
        event(
            SeenBy::Gateway,
            What::Refused(Refused {
                peer: None,
                remote: Some("[::1]:9".parse().unwrap()),
                rule: text.into(),
                status: 400,
            }),
        ),
        event(
            SeenBy::Control,
            What::Config(Config {
                kind: Kind::Policies,
                epoch: Epoch(8),
                change: Change::Refused,
                detail: some.clone(),
            }),
        ),
        event(
            SeenBy::Supervisor,
            What::Process(Process {
                kind: "program".into(),
                executable: format!("/opt/{text}").into(),
                pid: 42,
                started: false,
                exit: some.clone(),
            }),
        ),
        event(
            SeenBy::Control,
            What::Identity(Identity {
                id: peer().unwrap(),
                serial: None,
                not_after: None,
                renewal: false,
                refused: some.clone(),
            }),
        ),
        event(
            SeenBy::Control,
            What::Loss(Loss { arrow: "control.store".into(), offered: 10, delivered: 7, dropped: 3 }),
        ),
        event(
            SeenBy::Control,
            What::Rotation(Rotation {
                number: 1,
                what: Rotated::Root,
                phase: Phase::Reverting,
                halted: some,
                detail: text.into(),
            }),
        ),
        event(
            SeenBy::Inbound,
            What::Predicted(Predicted {
                policy: text.into(),
                from: ServiceName::parse("payment").unwrap(),
                to: ServiceName::parse("accounts").unwrap(),
                action: Action::Write,
                verdict: Verdict::Deny,
                calls: 3,
            }),
        ),
        event(SeenBy::Control, What::Budget(Budget { added_p99_us: 900, budget_us: 500, over: true })),
        event(SeenBy::Control, What::Clock(Clock { of: text.into(), ahead_s: -90, wrong: true })),
        event(
            SeenBy::Control,
            What::Person(Person {
                subject: Some("5f2c".into()),
                name: Some(text.into()),
                deed: Deed::NotSignedIn,
                factors: Some("pwd".into()),
                reason: Some(text.into()),
                remote: Some("[::1]:9".parse().unwrap()),
                by: Some(text.into()),
            }),
        ),
        event(
            SeenBy::Control,
            What::Person(Person {
                subject: None,
                name: None,
                deed: Deed::Locked,
                factors: None,
                reason: None,
                remote: None,
                by: None,
            }),
        ),
        event(
            SeenBy::Control,
            What::Alert(Alerted {
                id: "a17".into(),
                rule: text.into(),
                step: AlertStep::Started,
                severity: Severity::Critical,
                urgency: Urgency::Page,
                incident: "i3".into(),
                summary: text.into(),
                count: 3,
                by: Some(text.into()),
            }),
        ),
        event(
            SeenBy::Control,
            What::Person(Person {
                subject: None,
                name: Some(text.into()),
                deed: Deed::Forbidden,
                factors: None,
                reason: Some(text.into()),
                remote: Some("[::1]:9".parse().unwrap()),
                by: None,
            }),
        ),
        event(
            SeenBy::Outbound,
            What::Egress(Egress { error: Some(text.into()), ..egress(text, Outcome::Refused(Refusal::Undeclared)) }),
        ),
        event(SeenBy::Intake, What::Telemetry(telemetry(Signal::Log, text))),
        event(SeenBy::Intake, What::Telemetry(telemetry(Signal::Audit, text))),
        event(SeenBy::Intake, What::Telemetry(logged(Signal::Access, text))),
        event(SeenBy::Intake, What::Telemetry(logged(Signal::Log, text))),
        event(SeenBy::Intake, What::Telemetry(Telemetry { failed: true, ..telemetry(Signal::Span, text) })),
    ]
}

/// A request in an access log, or a sign-in.
fn logged(signal: Signal, text: &str) -> Telemetry {
    let attributes = [
        ("client.address", "192.0.2.7"),
        ("user.name", text),
        ("http.request.method", "GET"),
        ("url.path", "/accounts/17"),
        ("http.response.status_code", "403"),
        ("destination.service", "accounts"),
        ("event.category", "authentication"),
        ("event.outcome", "failure"),
    ];
    let attributes = attributes.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    Telemetry { attributes, ..telemetry(signal, text) }
}

pub(crate) fn telemetry(signal: Signal, text: &str) -> Telemetry {
    Telemetry {
        signal,
        source: "otlp".into(),
        from: "collector".into(),
        said_at: Some(Timestamp::from_millis(AT_MS - 5)),
        came_at: Timestamp::from_millis(AT_MS),
        emitter: Some(text.into()),
        name: text.into(),
        severity: if signal == Signal::Log { 17 } else { 9 },
        body: text.into(),
        attributes: vec![(text.into(), text.into()), ("user.name".into(), text.into())],
        cut: 0,
        span: 7,
        parent_span: 6,
        took_us: 5,
        failed: signal == Signal::Log,
        security: false,
    }
}
