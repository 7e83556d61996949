//! Events as records of the Open Cybersecurity Schema Framework, the form in which they are stored and handed on.
//!
//! Which class an event becomes, and why where it is not plain:
//!
//! | Event | Class | |
//! |---|---|---|
//! | request | 4002 HTTP Activity | activity by method |
//! | connection | 4001 Network Activity | close, reset or refuse: the record is written at the end |
//! | handshake | 4001 Network Activity | open, refuse or fail |
//! | refused input | 4002 or 4001 | 4002 where a status was answered, so there was some HTTP |
//! | configuration | 3004 Entity Management | update; the entity is the snapshot |
//! | process | 1007 Process Activity | launch or terminate |
//! | identity | 3002 Authentication | ticket or renewal: the caller proves who it is and gets a credential for an hour; whoever watches failed authentications sees refused identities there. Entity Management has no user and no certificate |
//! | ended | 4001 Network Activity | close where a certificate ran out, reset where trust was taken back |
//! | egress | 4001 Network Activity | open, close, fail or refuse; the destination is a host outside |
//! | person | 3002 Authentication, 3001 Account Change or 6003 API Activity | signing in and out is 3002; what is done with the account, a lock among it, 3001; what is done at the console, or may not be, 6003 |
//! | alert | 2004 Detection Finding | create, update or close; the finding is the alert, by its name |
//! | predicted | 2004 Detection Finding | create; the finding is the policy that is tried out |
//! | rotation | 3004 Entity Management | update; the entity is the authority that is replaced |
//! | telemetry | 6003 API Activity, 6008 Application Error or 0 Base Event | audit records, logs of errors, and the rest: the schema has no class for a span, a point or a line |
//! | loss | 6008 Application Error | losing events is a fault of the application that reports them; the base event (0) is what nobody looks at |
//!
//! What the schema has no place for stands under `unmapped.bartizan`. Every record has these keys there, null where they
//! do not apply: `kind`, `service`, `seen_by`, `request`, `peer`, `to`, `decision`, `decision_id`, `policies`, `epoch`, `reason`,
//! `denial`, `fleet`, `owner`, `data`. A decision has the id of the event that tells of it. `plaintext` is there, and true, for calls that came to a service, or
//! went on to one, without mutual TLS.

mod alert;
mod person;
mod predicted;
mod record;
mod schema; // the same as a JSON Schema
mod telemetry;

use self::record::{
    APPLICATION_ERROR, AUTHENTICATION, ENTITY_MANAGEMENT, HTTP_ACTIVITY, NETWORK_ACTIVITY, PROCESS_ACTIVITY, Record,
    Severity,
};
pub use self::schema::OcsfRecord;
use super::{
    Budget, Change, Clock, Config, Connection, Egress, Ended, Ending, Event, Handshake, HandshakeFailure, Identity,
    Loss, Outcome, Process, Refused, Request, Rotation, SeenBy, What,
};
use crate::decision::Verdict;
use crate::name::{Role, SpiffeId, TrustDomain};
use crate::software::Image;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// The version of the schema that the records follow: the first released one that has both PATCH as an HTTP activity
/// and the trace object. Source: ocsf-schema, tag v1.6.0.
pub const OCSF_VERSION: &str = "1.6.0";

/// What an event does not say itself: where it comes from and whom it concerns.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The fleet's trust domain.
    pub trust_domain: &'a TrustDomain,
    /// The fleet's name.
    pub fleet: &'a str,
    /// Name of the host on which it happened, where known.
    pub host: Option<&'a str>,
    /// Version of the product that writes the record.
    pub product_version: &'a str,
    /// Who answers for the event's service.
    pub owner: Option<&'a str>,
    /// Classes of data that the event's service handles.
    pub data: &'a [String],
    /// Version of its program.
    pub version: Option<&'a str>,
    /// Image that its program comes from: [`Image`].
    pub image: Option<&'a str>,
    /// Whether the event is about a call to a service that has no guard.
    pub unguarded: bool,
}

/// The OCSF record of an event.
///
/// Nothing is taken out here: an event that may hold free text has passed [`crate::redact::redact_event`] before.
pub fn to_ocsf(event: &Event, context: &Context<'_>) -> Value {
    let scene = Scene { event, context };
    let record = match &event.what {
        What::Request(it) => scene.request(it),
        What::Connection(it) => scene.connection(it),
        What::Handshake(it) => scene.handshake(it),
        What::Refused(it) => scene.refused(it),
        What::Config(it) => scene.config(it),
        What::Process(it) => scene.process(it),
        What::Identity(it) => scene.identity(it),
        What::Loss(it) => scene.loss(it),
        What::Ended(it) => scene.ended(it),
        What::Rotation(it) => scene.rotation(it),
        What::Clock(it) => scene.clock(it),
        What::Budget(it) => scene.budget(it),
        What::Egress(it) => scene.egress(it),
        What::Person(it) => scene.person(it),
        What::Alert(it) => scene.alert(it),
        What::Telemetry(it) => scene.telemetry(it),
        What::Predicted(it) => scene.predicted(it),
    };
    scene.finish(record)
}

/// An event and where it happened.
struct Scene<'a> {
    event: &'a Event,
    context: &'a Context<'a>,
}

impl Scene<'_> {
    fn request(&self, it: &Request) -> Record {
        let Request {
            peer,
            to,
            method,
            path,
            route,
            action,
            decision,
            status,
            error,
            took_us,
            added_us,
            client,
            user,
            span,
            parent_span,
        } = it;
        let activity = http_activity(method);
        let took_ms = u64::from(*took_us) / 1000;
        let mut http = json!({ "url": { "path": &**path } });
        // The schema knows nine methods and takes no other; a further one is the name of the activity.
        if activity.0 != 99 {
            http["http_method"] = Value::from(&**method);
        }
        if let Some(request) = self.event.request {
            http["uid"] = request.to_string().into();
        }
        let denied = decision.as_ref().is_some_and(|d| d.verdict == Verdict::Deny);
        let outcome = if denied { "denied" } else { "answered" };
        let message = format!("{} {method} {path} of {to}: {outcome} with {status}", self.caller(peer.as_ref()));
        let record = Record::new(HTTP_ACTIVITY, activity, message)
            .with("http_request", http)
            .with("http_response", json!({ "code": status, "latency": took_ms }))
            .with("http_status", *status)
            .with("duration", took_ms)
            .with_some("trace", self.trace(*span, *parent_span, took_ms))
            .with_some("src_endpoint", self.source(peer.as_ref(), *client))
            .with("dst_endpoint", self.service(to.as_str()))
            .with("connection_info", self.connection_info())
            .decision(decision.as_ref())
            .own_some("peer", peer.as_ref().map(SpiffeId::as_str))
            .own_some("plaintext", self.plaintext(peer.as_ref()))
            .own("to", to.as_str())
            .own_some("user", user.as_deref())
            .own("action", action.as_str())
            .own_some("route", route.as_deref())
            .own("took_us", *took_us)
            .own("added_us", *added_us);
        match error {
            _ if denied => {
                let reason = decision.as_ref().and_then(|d| d.reason.as_deref()).map(str::to_owned);
                record.failed(Severity::Medium, "denied", reason)
            }
            Some(error) => {
                record.failed(Severity::Low, status.to_string(), Some(error.to_string())).own("error", &**error)
            }
            None if *status >= 500 => record.failed(Severity::Low, status.to_string(), None),
            None => record,
        }
    }

    fn connection(&self, it: &Connection) -> Record {
        let Connection { peer, to, decision, bytes_up, bytes_down, took_us, error } = it;
        let denied = decision.as_ref().is_some_and(|d| d.verdict == Verdict::Deny);
        let (activity, outcome) = match error {
            _ if denied => ((5, "Refuse"), "denied"),
            Some(_) => ((3, "Reset"), "cut off"),
            None => ((2, "Close"), "closed"),
        };
        let record = Record::new(
            NETWORK_ACTIVITY,
            activity,
            format!("{} to {to}: {outcome}", self.caller(peer.as_ref())),
        )
        .with(
            "traffic",
            json!({ "bytes_out": bytes_up, "bytes_in": bytes_down, "bytes": bytes_up.saturating_add(*bytes_down) }),
        )
        .with("duration", took_us / 1000)
        .with_some("src_endpoint", self.source(peer.as_ref(), None))
        .with("dst_endpoint", self.service(to.as_str()))
        .with("connection_info", self.connection_info())
        .decision(decision.as_ref())
        .own_some("peer", peer.as_ref().map(SpiffeId::as_str))
        .own_some("plaintext", self.plaintext(peer.as_ref()))
        .own("to", to.as_str())
        .own("action", "connect")
        .own("took_us", *took_us);
        match error {
            _ if denied => {
                let reason = decision.as_ref().and_then(|d| d.reason.as_deref()).map(str::to_owned);
                record.failed(Severity::Medium, "denied", reason)
            }
            Some(error) => record.failed(Severity::Low, "cut_off", Some(error.to_string())).own("error", &**error),
            None => record,
        }
    }

    fn handshake(&self, it: &Handshake) -> Record {
        let Handshake { peer, remote, failure, detail, group, suite, took_us } = it;
        let (activity, outcome) = match failure {
            None => ((1, "Open"), "done"),
            Some(HandshakeFailure::Protocol | HandshakeFailure::Timeout) => ((4, "Fail"), "failed"),
            Some(_) => ((5, "Refuse"), "refused"),
        };
        // The only version that is spoken; the schema wants one also where none was agreed on.
        let mut tls = json!({ "version": "1.3", "handshake_dur": took_us / 1000 });
        if let Some(suite) = suite {
            tls["cipher"] = Value::from(&**suite);
        }
        let (source, target) = if self.event.seen_by == SeenBy::Outbound {
            (Some(self.own_end()), self.endpoint(peer.as_ref(), *remote))
        } else {
            (self.endpoint(peer.as_ref(), *remote), Some(self.own_end()))
        };
        let who = peer.as_ref().map_or_else(|| "a peer without identity".to_owned(), |id| self.short(id));
        let record = Record::new(NETWORK_ACTIVITY, activity, format!("TLS handshake with {who}: {outcome}"))
            .with("tls", tls)
            .with("duration", u64::from(took_us / 1000))
            .with_some("src_endpoint", source)
            .with_some("dst_endpoint", target)
            .with("connection_info", self.connection_info())
            .own_some("peer", peer.as_ref().map(SpiffeId::as_str))
            .own_some("group", group.as_deref())
            .own("took_us", *took_us);
        let Some(failure) = failure else { return record };
        let severity = match failure {
            // Somebody claims to be who they are not, or comes with nothing.
            HandshakeFailure::NoCertificate
            | HandshakeFailure::UntrustedIssuer
            | HandshakeFailure::ForeignDomain
            | HandshakeFailure::BadSvid
            | HandshakeFailure::WrongPeer
            | HandshakeFailure::Revoked => Severity::Medium,
            HandshakeFailure::Expired
            | HandshakeFailure::NotYetValid
            | HandshakeFailure::Protocol
            | HandshakeFailure::Timeout
            | HandshakeFailure::NotReady => Severity::Low,
        };
        let record = match failure {
            // Nobody decided anything: it broke off, or took too long.
            HandshakeFailure::Protocol | HandshakeFailure::Timeout => record,
            _ => record.judged(false),
        };
        record.own("reason", failure.as_str()).failed(severity, failure.as_str(), detail.as_deref().map(str::to_owned))
    }

    fn ended(&self, it: &Ended) -> Record {
        let Ended { peer, ending, detail, open_us, cut } = it;
        let ran_out = matches!(ending, Ending::PeerExpired | Ending::OwnExpired);
        let activity = if ran_out { (2, "Close") } else { (3, "Reset") };
        let message = format!("connection with {} ended: {}", self.caller(peer.as_ref()), ending.as_str());
        let record = Record::new(NETWORK_ACTIVITY, activity, message)
            .with("duration", open_us / 1000)
            .with_some("src_endpoint", self.source(peer.as_ref(), None))
            // Of a client without an identity nothing else is known; the schema wants one end.
            .with("dst_endpoint", self.own_end())
            .with("connection_info", self.connection_info())
            .own_some("peer", peer.as_ref().map(SpiffeId::as_str))
            .own("reason", ending.as_str())
            .own("cut", *cut);
        if ran_out {
            return record;
        }
        record.judged(false).failed(Severity::Medium, ending.as_str(), detail.as_deref().map(str::to_owned))
    }

    fn egress(&self, it: &Egress) -> Record {
        let Egress { host, address, port, protocol, outcome, first, learned, bytes_up, bytes_down, took_us, error } =
            it;
        let (activity, word) = match outcome {
            Outcome::Opened => ((1, "Open"), "opened"),
            Outcome::Closed if error.is_some() => ((3, "Reset"), "cut off"),
            Outcome::Closed => ((2, "Close"), "closed"),
            Outcome::Failed => ((4, "Fail"), "failed"),
            Outcome::Refused(_) => ((5, "Refuse"), "refused"),
        };
        let note = match (first, learned) {
            (true, true) => ", new destination, learned",
            (true, false) => ", new destination",
            (false, true) => ", learned",
            (false, false) => "",
        };
        let to = it.destination();
        let mut target = Map::new();
        target.extend(host.iter().map(|host| ("hostname".to_owned(), Value::from(&**host))));
        target.extend(address.iter().map(|address| ("ip".to_owned(), Value::from(address.to_string()))));
        if target.is_empty() {
            target.insert("name".to_owned(), "unknown".into());
        }
        if *port != 0 {
            target.insert("port".to_owned(), (*port).into());
        }
        let message = format!("{} out to {to} ({protocol}): {word}{note}", self.caller(None));
        let record = Record::new(NETWORK_ACTIVITY, activity, message)
            .with(
                "traffic",
                json!({ "bytes_out": bytes_up, "bytes_in": bytes_down, "bytes": bytes_up.saturating_add(*bytes_down) }),
            )
            .with("duration", took_us / 1000)
            .with_some("src_endpoint", self.source(None, None))
            .with("dst_endpoint", target)
            .with("connection_info", self.connection_info())
            .judged(!matches!(outcome, Outcome::Refused(_)))
            .own("to", to)
            .own("protocol", &**protocol)
            .own("new_destination", *first)
            .own("learned", *learned)
            .own("took_us", *took_us);
        match (outcome, error) {
            (Outcome::Refused(why), detail) => {
                let detail = detail.as_deref().unwrap_or(why.text()).to_owned();
                record.own("reason", why.as_str()).failed(Severity::Medium, why.as_str(), Some(detail))
            }
            (_, Some(error)) => record.failed(Severity::Low, word, Some(error.to_string())).own("error", &**error),
            (Outcome::Failed, None) => record.failed(Severity::Low, word, None),
            // Somebody should look: it was let through, and nobody had said so.
            _ if *first && *learned => Record { severity: Severity::Low, ..record },
            _ => record,
        }
    }

    fn refused(&self, it: &Refused) -> Record {
        let Refused { peer, remote, rule, status } = it;
        let message = format!("input of {} refused: {rule}", self.caller(peer.as_ref()));
        let record = if *status == 0 {
            Record::new(NETWORK_ACTIVITY, (5, "Refuse"), message)
        } else {
            // The method is not known, or not worth repeating: the input was no request.
            Record::new(HTTP_ACTIVITY, (0, "Unknown"), message)
                .with("http_response", json!({ "code": status }))
                .with("http_status", *status)
                .with_some("trace", self.trace(0, 0, 0))
        };
        record
            .with_some("src_endpoint", self.source(peer.as_ref(), *remote))
            .with("dst_endpoint", self.own_end())
            .with("connection_info", self.connection_info())
            .judged(false)
            .own_some("peer", peer.as_ref().map(SpiffeId::as_str))
            .own("reason", &**rule)
            .failed(Severity::Medium, &**rule, None)
    }

    fn config(&self, it: &Config) -> Record {
        let Config { kind, epoch, change, detail } = it;
        let change_word = match change {
            Change::Published => "published",
            Change::Applied => "applied",
            Change::AppliedFromDisk => "applied_from_disk",
            Change::Refused => "refused",
            Change::Drifted => "drifted",
            Change::Locked => "locked",
            Change::Unlocked => "unlocked",
            Change::HeldBack => "held_back",
            Change::Overridden => "overridden",
        };
        let kind = kind.as_str();
        let entity = json!({
            "name": kind, "uid": format!("{kind}/{}", epoch.0), "version": epoch.0.to_string(), "type_id": 99, "type": "Snapshot",
        });
        let record = Record::new(
            ENTITY_MANAGEMENT,
            (3, "Update"),
            format!("{kind} {}: {}", epoch.0, change_word.replace('_', " ")),
        )
        .with("entity", entity)
        .with_some("comment", detail.as_deref())
        .own("change", change_word)
        .own("epoch", epoch.0);
        let reason = detail.as_deref();
        match change {
            Change::Refused => {
                record.own_some("reason", reason).failed(Severity::High, "refused", reason.map(str::to_owned))
            }
            Change::HeldBack => {
                record.own_some("reason", reason).failed(Severity::Medium, "held_back", reason.map(str::to_owned))
            }
            _ => record,
        }
    }

    fn process(&self, it: &Process) -> Record {
        let Process { kind, executable, pid, started, exit } = it;
        let name = executable.rsplit('/').next().unwrap_or(executable);
        let (activity, happened) = if *started { ((1, "Launch"), "started") } else { ((2, "Terminate"), "ended") };
        // 1 is a server; the schema wants a device, and a name for it.
        let device = json!({ "type_id": 1, "name": self.context.host.unwrap_or("unknown") });
        let process = json!({ "pid": pid, "name": name, "path": &**executable, "file": { "name": name, "path": &**executable, "type_id": 1 } });
        let code =
            exit.as_deref().and_then(|exit| exit.strip_prefix("exit ")).and_then(|code| code.parse::<i32>().ok());
        let record = Record::new(PROCESS_ACTIVITY, activity, format!("{kind} {name} ({pid}) {happened}"))
            .with("process", process)
            .with("device", device)
            .with("actor", json!({ "app_name": "bartizan" }))
            .with_some("exit_code", code)
            .own("process_kind", &**kind)
            .own_some("exit", exit.as_deref());
        match exit {
            Some(exit) if code != Some(0) => record.failed(Severity::Low, &**exit, None),
            _ => record,
        }
    }

    fn identity(&self, it: &Identity) -> Record {
        let Identity { id, serial, not_after, renewal, refused } = it;
        let activity = if *renewal { (5, "Service Ticket Renew") } else { (3, "Authentication Ticket") };
        let outcome = if refused.is_some() { "refused" } else { "issued" };
        let certificate = serial.as_deref().map(|serial| {
            let mut certificate =
                json!({ "serial_number": serial, "issuer": self.context.trust_domain.as_str(), "subject": id.as_str() });
            if let Some(not_after) = not_after {
                certificate["expiration_time"] = not_after.as_millis().into();
            }
            certificate
        });
        let record = Record::new(AUTHENTICATION, activity, format!("identity of {}: {outcome}", self.short(id)))
            // Type 4 is a service.
            .with("user", json!({ "uid": id.as_str(), "name": self.short(id), "type_id": 4 }))
            .with("service", json!({ "name": "bartizan control" }))
            .with("auth_protocol_id", 99)
            .with("auth_protocol", "X.509-SVID")
            .with_some("certificate", certificate)
            .own("peer", id.as_str())
            .own("renewal", *renewal);
        match refused {
            Some(why) => record.own("reason", &**why).failed(Severity::Medium, "refused", Some(why.to_string())),
            None => record,
        }
    }

    fn loss(&self, it: &Loss) -> Record {
        let Loss { arrow, offered, delivered, dropped } = it;
        let record = Record::new(
            APPLICATION_ERROR,
            (1, "General Error"),
            format!("{arrow}: {dropped} of {offered} events lost"),
        )
        .own("arrow", &**arrow)
        .own("offered", *offered)
        .own("delivered", *delivered)
        .own("dropped", *dropped);
        if *dropped > 0 {
            // Whoever concludes from silence that nothing happened has to know.
            record.failed(Severity::High, "events_lost", None)
        } else {
            record
        }
    }

    fn rotation(&self, it: &Rotation) -> Record {
        let Rotation { number, what, phase, halted, detail } = it;
        let (what, phase) = (what.as_str(), phase.as_str());
        let entity = json!({
            "name": format!("{what} rotation"), "uid": format!("rotation/{number}"), "version": phase, "type_id": 99,
            "type": "Certificate Authority",
        });
        let record = Record::new(ENTITY_MANAGEMENT, (3, "Update"), format!("rotation {number} of the {what}: {phase}"))
            .with("entity", entity)
            .with("comment", &**detail)
            .own("phase", phase)
            .own("rotation", *number);
        match halted {
            // Somebody has to look: it will not go on by itself.
            Some(why) => record.own("reason", &**why).failed(Severity::High, "halted", Some(why.to_string())),
            None => record,
        }
    }

    fn clock(&self, it: &Clock) -> Record {
        let Clock { of, ahead_s, wrong } = it;
        let record = Record::new(APPLICATION_ERROR, (1, "General Error"), it.text())
            .own("clock_of", &**of)
            .own("ahead_s", *ahead_s);
        // Certificates count too early or too late there.
        if *wrong { record.failed(Severity::High, "clock", None) } else { record }
    }

    fn budget(&self, it: &Budget) -> Record {
        let Budget { added_p99_us, budget_us, over } = it;
        let way = if *over { "over" } else { "within" };
        let text =
            format!("a guard adds {added_p99_us} microseconds at the 99th percentile, {way} its budget of {budget_us}");
        let record = Record::new(APPLICATION_ERROR, (1, "General Error"), text)
            .own("added_p99_us", *added_p99_us)
            .own("budget_us", *budget_us);
        if *over { record.failed(Severity::Medium, "over_budget", None) } else { record }
    }

    fn finish(&self, record: Record) -> Value {
        let Record {
            class: (category, class, class_name),
            activity,
            severity,
            success,
            stands,
            status,
            message,
            mut body,
            mut own,
            mut profiles,
        } = record;
        let Scene { event, context } = self;
        let mut put = |key: &str, value: Value| body.insert(key.to_owned(), value);
        put("category_uid", category.into());
        put("class_uid", class.into());
        put("class_name", class_name.into());
        put("activity_id", activity.0.into());
        put("activity_name", activity.1.into());
        put("type_uid", (class * 100 + activity.0).into());
        put("severity_id", (severity as u32).into());
        put("severity", severity.name().into());
        let (status_id, word) = stands.unwrap_or(if success { (1, "Success") } else { (2, "Failure") });
        put("status_id", status_id.into());
        put("status", word.into());
        put("time", event.at.as_millis().into());
        put("message", message.into());
        if let Some((code, detail)) = status {
            put("status_code", code.into());
            if let Some(detail) = detail {
                put("status_detail", detail.into());
            }
        }
        let mut metadata = json!({
            "version": OCSF_VERSION,
            "product": { "name": "Bartizan", "vendor_name": "Bartizan", "version": context.product_version },
            "uid": event.id.to_string(),
            "tenant_uid": context.trust_domain.as_str(),
            "log_name": "bartizan",
        });
        if let Some(request) = event.request {
            metadata["correlation_uid"] = request.to_string().into();
        }
        if ["src_endpoint", "dst_endpoint"]
            .iter()
            .any(|end| body.get(*end).is_some_and(|it| it.get("container").is_some()))
        {
            profiles.push("container");
        }
        if body.contains_key("trace") {
            metadata["profiles"] = profiles.into_iter().chain(["trace"]).collect();
        } else if !profiles.is_empty() {
            metadata["profiles"] = profiles.into();
        }
        body.insert("metadata".to_owned(), metadata);

        // The same keys in every record, so that a query needs no case for each class.
        let decides = own.contains_key("decision");
        own.insert("decision_id".to_owned(), decides.then(|| event.id.to_string()).into());
        for key in ["peer", "to", "decision", "reason", "epoch"] {
            own.entry(key).or_insert(Value::Null);
        }
        own.entry("policies").or_insert_with(|| json!([]));
        own.insert("kind".to_owned(), event.class().as_str().into());
        own.insert("service".to_owned(), event.service.as_ref().map(|service| service.as_str()).into());
        own.insert("seen_by".to_owned(), self.seen_by().into());
        own.insert("request".to_owned(), event.request.map(|request| request.to_string()).into());
        own.insert("fleet".to_owned(), context.fleet.into());
        own.insert("owner".to_owned(), context.owner.into());
        own.insert("data".to_owned(), context.data.into());
        own.insert("version".to_owned(), context.version.into());
        own.insert("image".to_owned(), context.image.into());
        own.insert("denial".to_owned(), event.is_denial().into());
        body.insert("unmapped".to_owned(), json!({ "bartizan": own }));
        Value::Object(body)
    }

    fn seen_by(&self) -> &'static str {
        match self.event.seen_by {
            SeenBy::Inbound => "inbound",
            SeenBy::Outbound => "outbound",
            SeenBy::Gateway => "gateway",
            SeenBy::Control => "control",
            SeenBy::Node => "node",
            SeenBy::Supervisor => "supervisor",
            SeenBy::Envoy => "envoy",
            SeenBy::Intake => "intake",
        }
    }

    /// Who called: the proven peer, else (outbound) the own program or (at the gateway) a client from outside.
    fn source(&self, peer: Option<&SpiffeId>, address: Option<SocketAddr>) -> Option<Value> {
        match (&self.event.service, self.event.seen_by) {
            (Some(own), SeenBy::Outbound) if peer.is_none() => Some(self.service(own.as_str())),
            _ => self.endpoint(peer, address),
        }
    }

    fn endpoint(&self, peer: Option<&SpiffeId>, address: Option<SocketAddr>) -> Option<Value> {
        let mut endpoint = Map::new();
        if let Some(id) = peer {
            endpoint.insert("uid".to_owned(), id.as_str().into());
            endpoint.insert("svc_name".to_owned(), self.short(id).into());
        }
        if let Some(address) = address {
            endpoint.insert("ip".to_owned(), address.ip().to_string().into());
            endpoint.insert("port".to_owned(), address.port().into());
        }
        (!endpoint.is_empty()).then_some(Value::Object(endpoint))
    }

    /// The service that the event was written for, or we.
    fn own_end(&self) -> Value {
        self.service(self.event.service.as_ref().map_or("bartizan", |service| service.as_str()))
    }

    /// A service of the fleet, named as it is in the fleet file.
    fn service(&self, name: &str) -> Value {
        let mut it = json!({ "svc_name": name, "uid": format!("spiffe://{}/svc/{name}", self.context.trust_domain) });
        let is_own = self.event.service.as_ref().is_some_and(|own| own.as_str() == name);
        if let Some(image) = self.context.image.filter(|_| is_own) {
            it["container"] = json!({ "name": name, "image": of_image(image) });
        }
        it
    }

    /// The name of one of ours, the whole ID of a stranger.
    fn short(&self, id: &SpiffeId) -> String {
        match id.role_in(self.context.trust_domain) {
            Some(Role::Service(name)) => name.as_str().to_owned(),
            Some(Role::Control) => "control".to_owned(),
            Some(Role::Node(name)) => format!("node {name}"),
            None => id.as_str().to_owned(),
        }
    }

    /// True for what came to a service without mutual TLS, or went to one so; `None` elsewhere.
    fn plaintext(&self, peer: Option<&SpiffeId>) -> Option<bool> {
        let came = peer.is_none() && self.event.seen_by == SeenBy::Inbound;
        let went = self.context.unguarded && self.event.seen_by != SeenBy::Inbound;
        (came || went).then_some(true)
    }

    /// Who called, for people.
    fn caller(&self, peer: Option<&SpiffeId>) -> String {
        match (peer, &self.event.service, self.event.seen_by) {
            (Some(id), ..) => self.short(id),
            (None, Some(own), SeenBy::Outbound) => own.as_str().to_owned(),
            _ => "a client".to_owned(),
        }
    }

    fn connection_info(&self) -> Value {
        let (id, word) = match self.event.seen_by {
            SeenBy::Outbound => (2, "Outbound"),
            _ => (1, "Inbound"),
        };
        json!({ "direction_id": id, "direction": word, "protocol_name": "tcp" })
    }

    /// `None` where the event belongs to no request. The event is written when the request has ended.
    fn trace(&self, span: u64, parent_span: u64, took_ms: u64) -> Option<Value> {
        let mut trace = json!({ "uid": self.event.request?.to_string() });
        if span != 0 {
            let end = self.event.at.as_millis();
            let mut it =
                json!({ "uid": format!("{span:016x}"), "start_time": end.saturating_sub(took_ms), "end_time": end });
            if parent_span != 0 {
                it["parent_uid"] = format!("{parent_span:016x}").into();
            }
            if let Some(service) = &self.event.service {
                it["service"] = json!({ "name": service.as_str() });
                if let Some(version) = self.context.version {
                    it["service"]["version"] = version.into();
                }
            }
            trace["span"] = it;
        }
        Some(trace)
    }
}

/// The object `image`, by its digest where it has one: what lies behind a tag changes.
fn of_image(text: &str) -> Value {
    let Ok(image) = Image::parse(text) else { return json!({ "uid": text }) };
    let mut it = json!({ "uid": image.digest().unwrap_or(text) });
    for (key, value) in [("name", image.name()), ("tag", image.tag())] {
        if let Some(value) = value {
            it[key] = value.into();
        }
    }
    it
}

/// The activity of 4002 HTTP Activity; a method that the schema does not know is its own name.
fn http_activity(method: &str) -> (u32, &str) {
    match method {
        "CONNECT" => (1, "Connect"),
        "DELETE" => (2, "Delete"),
        "GET" => (3, "Get"),
        "HEAD" => (4, "Head"),
        "OPTIONS" => (5, "Options"),
        "POST" => (6, "Post"),
        "PUT" => (7, "Put"),
        "TRACE" => (8, "Trace"),
        "PATCH" => (9, "Patch"),
        other => (99, other),
    }
}
