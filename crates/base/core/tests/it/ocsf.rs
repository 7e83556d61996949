//! Events as OCSF records: what the schema requires is there, and the interesting parts are where a query looks.

use crate::ocsf_schema::Schema;
use crate::samples::{AT_MS, all, egress, event, peer, request, request_id};
use bartizan_core::egress::Refusal;
use bartizan_core::event::Upshot;
use bartizan_core::event::{
    AlertStep, Change, Config, Connection, Context, Deed, Ended, Ending, Event, Handshake, HandshakeFailure, Identity,
    Loss, OCSF_VERSION, Outcome, Process, Refused, Request, Rotation, SeenBy, Signal, Telemetry, What, to_ocsf,
};
use bartizan_core::rotation::{Phase, Rotated};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{ServiceName, SpiffeId, Timestamp, TrustDomain, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const IMAGE: &str = "r.bank.test/accounts:1.4@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn record(event: &Event) -> Value {
    record_of(event, None, None)
}

/// The same where the fleet file says what runs.
fn released(event: &Event) -> Value {
    record_of(event, Some("1.4.2"), Some(IMAGE))
}

fn record_of(event: &Event, version: Option<&str>, image: Option<&str>) -> Value {
    let trust_domain = TrustDomain::parse("bank.example").unwrap();
    let data = ["pii".to_owned()];
    let context = Context {
        trust_domain: &trust_domain,
        fleet: "bank",
        host: Some("host-1"),
        product_version: "0.1.0",
        owner: Some("core-banking"),
        data: &data,
        version,
        image,
        unguarded: false,
    };
    to_ocsf(event, &context)
}

#[test]
fn every_kind_has_what_its_class_requires() {
    let kinds = [
        (4002, "request", 4),
        (4001, "connection", 4),
        (4001, "handshake", 4),
        (4002, "refused", 4),
        (3004, "config", 3),
        (1007, "process", 1),
        (3002, "identity", 3),
        (6008, "loss", 6),
        (3004, "rotation", 3),
        (2004, "predicted", 2),
        (6008, "budget", 6),
        (6008, "clock", 6),
        (3002, "person", 3),
        (3001, "person", 3),
        (2004, "alert", 2),
        (6003, "person", 6),
        (4001, "egress", 4),
        (6008, "telemetry", 6),
        (6003, "telemetry", 6),
        (4002, "telemetry", 4),
        (3002, "telemetry", 3),
        (0, "telemetry", 0),
    ];
    let (events, schema) = (all("text"), Schema::published());
    assert_eq!(schema.version(), OCSF_VERSION);
    assert_eq!(events.len(), kinds.len());
    for (event, (class_uid, kind, category_uid)) in events.iter().zip(kinds) {
        let record = record(event);
        let number = |pointer: &str| {
            record.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{kind}: no {pointer}"))
        };
        assert_eq!((number("/class_uid"), number("/category_uid")), (class_uid, category_uid), "{kind}");
        assert_eq!(number("/type_uid"), class_uid * 100 + number("/activity_id"), "{kind}");
        assert_eq!(number("/time"), AT_MS);
        assert!((1..=6).contains(&number("/severity_id")) && (1..=2).contains(&number("/status_id")), "{kind}");
        assert_eq!(record["metadata"]["version"], OCSF_VERSION);
        assert_eq!(record["metadata"]["product"]["name"], "Bartizan");
        assert_eq!(record["metadata"]["uid"], "00000000000000010000000000000002");
        assert_eq!(schema.faults(&record), Vec::<String>::new(), "{kind}: {record:#}");
        let released = released(event);
        assert_eq!(schema.faults(&released), Vec::<String>::new(), "{kind}: {released:#}");
        if record.get("tls").is_some() {
            assert_eq!(record["tls"]["version"], "1.3");
        }
        let own = &record["unmapped"]["bartizan"];
        assert_eq!((&own["kind"], &own["service"], &own["fleet"]), (&json!(kind), &json!("accounts"), &json!("bank")));
        for key in [
            "seen_by",
            "request",
            "peer",
            "to",
            "decision",
            "decision_id",
            "policies",
            "epoch",
            "reason",
            "denial",
            "owner",
            "data",
            "version",
            "image",
        ] {
            assert!(own.get(key).is_some(), "{kind}: no unmapped.bartizan.{key}");
        }
        assert_eq!(own["denial"], event.is_denial());
        assert_eq!(event.upshot() == Upshot::Ok, record["status"] != "Failure", "{kind}: {record:#}");
    }
}

#[test]
fn version_and_image_stand_where_the_schema_has_them() {
    let event = event(SeenBy::Inbound, What::Request(request(Verdict::Allow, "x")));
    let it = released(&event);
    assert_eq!(it["trace"]["span"]["service"], json!({ "name": "accounts", "version": "1.4.2" }));
    let image = json!({ "uid": &IMAGE[25..], "name": "r.bank.test/accounts", "tag": "1.4" });
    assert_eq!(it["dst_endpoint"]["container"], json!({ "name": "accounts", "image": image }));
    assert!(it["src_endpoint"].get("container").is_none(), "of the caller nothing is known here: {it:#}");
    assert!(it["metadata"]["profiles"].as_array().unwrap().contains(&json!("container")), "{it:#}");
    let own = &it["unmapped"]["bartizan"];
    assert_eq!((&own["version"], &own["image"]), (&json!("1.4.2"), &json!(IMAGE)));
}

#[test]
fn the_schema_finds_what_is_wrong() {
    let schema = Schema::published();
    let good = record(&event(SeenBy::Inbound, What::Request(request(Verdict::Deny, "x"))));
    assert_eq!(schema.faults(&good), Vec::<String>::new());
    let gone = |pointer: &'static str, key: &'static str| {
        move |it: &mut Value| _ = it.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key)
    };
    let set = |pointer: &'static str, key: &'static str, value: Value| {
        move |it: &mut Value| it.pointer_mut(pointer).unwrap()[key] = value.clone()
    };
    type Change = Box<dyn Fn(&mut Value)>;
    let changes: Vec<(&str, Change)> = vec![
        ("severity_id: is required", Box::new(gone("", "severity_id"))),
        ("metadata.product: is required", Box::new(gone("/metadata", "product"))),
        ("trace.uid: is required", Box::new(gone("/trace", "uid"))),
        ("src_enpoint: is no attribute", Box::new(set("", "src_enpoint", json!({})))),
        ("http_response.code: \"403\" is no integer_t", Box::new(set("/http_response", "code", json!("403")))),
        ("time: 1.5 is no timestamp_t", Box::new(set("", "time", json!(1.5)))),
        ("activity_id: 12 is none of", Box::new(set("", "activity_id", json!(12)))),
        ("type_uid: 400203 where it has to be 400212", Box::new(set("", "activity_id", json!(12)))),
        ("severity: \"High\" where 3 is \"Medium\"", Box::new(set("", "severity", json!("High")))),
        ("trace: is of the profile `trace`", Box::new(set("/metadata", "profiles", json!(["security_control"])))),
        ("src_endpoint.ip: \"payment\" is no address", Box::new(set("/src_endpoint", "ip", json!("payment")))),
        ("src_endpoint.port: 70000 is beyond", Box::new(set("/src_endpoint", "port", json!(70000)))),
        ("authorizations: {} is no list", Box::new(set("", "authorizations", json!({})))),
        ("class_uid: 9 is no class", Box::new(set("", "class_uid", json!(9)))),
        ("src_endpoint: at_least_one", Box::new(set("", "src_endpoint", json!({ "port": 1 })))),
    ];
    for (fault, change) in changes {
        let mut record = good.clone();
        change(&mut record);
        let found = schema.faults(&record);
        assert!(found.iter().any(|it| it.starts_with(fault)), "{fault}: {found:?}");
    }
}

/// Whoever saw it, for whom, in whatever request: what a record has depends on these.
#[test]
fn every_outcome_of_every_kind_is_good_by_the_schema() {
    let schema = Schema::published();
    let parts = [
        SeenBy::Inbound,
        SeenBy::Outbound,
        SeenBy::Gateway,
        SeenBy::Control,
        SeenBy::Node,
        SeenBy::Supervisor,
        SeenBy::Envoy,
        SeenBy::Intake,
    ];
    let (mut checked, mut faults) = (0, BTreeSet::new());
    for what in all("text").into_iter().map(|event| event.what).chain(outcomes()) {
        for seen_by in parts {
            for (service, request) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut event = event(seen_by, what.clone());
                event.service = event.service.filter(|_| service);
                event.request = request.then(request_id);
                let found = schema.faults(&record(&event)).into_iter();
                faults.extend(found.map(|fault| format!("{} {seen_by:?}: {fault}", event.class())));
                checked += 1;
            }
        }
    }
    assert_eq!(faults, BTreeSet::new());
    assert!(checked > 2_000, "{checked}");
}

/// What samples leave out.
fn outcomes() -> Vec<What> {
    let samples = || all("text").into_iter().map(|event| event.what);
    let mut all = Vec::new();
    for failure in HandshakeFailure::ALL.into_iter().map(Some).chain([None]) {
        for peer in [peer(), None] {
            let (remote, detail, group, suite, took_us) = (None, None, None, None, 7);
            all.push(What::Handshake(Handshake { peer, remote, failure, detail, group, suite, took_us }));
        }
    }
    for ending in Ending::ALL {
        all.extend([peer(), None].map(|peer| What::Ended(Ended { peer, ending, detail: None, open_us: 1, cut: 0 })));
    }
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", ""] {
        for (verdict, peer) in [(Verdict::Allow, peer()), (Verdict::Deny, None)] {
            all.push(What::Request(Request { method: method.into(), peer, ..request(verdict, "x") }));
        }
    }
    all.push(What::Request(Request { decision: None, span: 0, took_us: u32::MAX, ..request(Verdict::Allow, "x") }));
    for status in [0, 400, 431] {
        all.push(What::Refused(Refused { peer: peer(), remote: None, rule: "x".into(), status }));
    }
    for change in [Change::Published, Change::Applied, Change::AppliedFromDisk, Change::Refused, Change::Drifted] {
        all.push(What::Config(Config { kind: Kind::Bundles, epoch: Epoch(1), change, detail: None }));
    }
    for outcome in [Outcome::Opened, Outcome::Closed, Outcome::Failed, Outcome::Refused(Refusal::Undeclared)] {
        let nowhere = bartizan_core::event::Egress { host: None, address: None, port: 0, ..egress("x", outcome) };
        all.extend([What::Egress(egress("x", outcome)), What::Egress(nowhere)]);
    }
    for sample in samples() {
        match sample {
            What::Person(it) => {
                all.extend(DEEDS.map(|deed| What::Person(bartizan_core::event::Person { deed, ..it.clone() })));
            }
            What::Alert(it) => {
                all.extend(STEPS.map(|step| What::Alert(bartizan_core::event::Alerted { step, ..it.clone() })))
            }
            What::Process(it) => {
                let started = Process { started: true, exit: None, ..it.clone() };
                all.extend([What::Process(started), What::Process(Process { exit: Some("exit 0".into()), ..it })]);
            }
            What::Identity(it) => {
                let issued = Identity {
                    serial: Some("0a".into()),
                    not_after: Some(Timestamp::from_secs(5)),
                    refused: None,
                    ..it
                };
                all.push(What::Identity(Identity { renewal: true, ..issued.clone() }));
                all.push(What::Identity(issued));
            }
            What::Telemetry(it) => {
                for signal in [Signal::Log, Signal::Span, Signal::Metric, Signal::Audit, Signal::Access] {
                    for (severity, name) in [(0, "list"), (9, "create"), (13, ""), (17, "exec"), (24, "delete")] {
                        let (name, span) = (name.into(), 7);
                        all.push(What::Telemetry(Telemetry { signal, severity, name, span, ..it.clone() }));
                    }
                }
            }
            _ => {}
        }
    }
    all
}

const DEEDS: [Deed; 20] = [
    Deed::SignedIn,
    Deed::NotSignedIn,
    Deed::Locked,
    Deed::SignedOut,
    Deed::Added,
    Deed::Removed,
    Deed::Disabled,
    Deed::Enabled,
    Deed::Invited,
    Deed::PasswordSet,
    Deed::FactorAdded,
    Deed::FactorRemoved,
    Deed::RolesSet,
    Deed::ManyRefused,
    Deed::NotTold,
    Deed::KeyLost,
    Deed::Acted,
    Deed::Forbidden,
    Deed::EventsHeld,
    Deed::EventsReleased,
];

const STEPS: [AlertStep; 6] = [
    AlertStep::Started,
    AlertStep::Acknowledged,
    AlertStep::Escalated,
    AlertStep::Ended,
    AlertStep::Silenced,
    AlertStep::Unsilenced,
];

#[test]
fn a_denied_request_says_who_what_and_why() {
    let record = record(&event(SeenBy::Inbound, What::Request(request(Verdict::Deny, "over the limit"))));
    let expected: Value = serde_json::from_str(DENIED).unwrap();
    assert_eq!(record, expected, "{record:#}");
}

const DENIED: &str = r#"{
    "category_uid": 4,
    "class_uid": 4002,
    "class_name": "HTTP Activity",
    "activity_id": 3,
    "activity_name": "Get",
    "type_uid": 400203,
    "severity_id": 3,
    "severity": "Medium",
    "status_id": 2,
    "status": "Failure",
    "status_code": "denied",
    "status_detail": "over the limit",
    "time": 1700000000123,
    "duration": 2,
    "message": "payment GET /accounts/over the limit of accounts: denied with 403",
    "metadata": {
        "version": "1.6.0",
        "product": { "name": "Bartizan", "vendor_name": "Bartizan", "version": "0.1.0" },
        "uid": "00000000000000010000000000000002",
        "correlation_uid": "4bf92f3577b34da6a3ce929d0e0e4736",
        "tenant_uid": "bank.example",
        "log_name": "bartizan",
        "profiles": ["security_control", "trace"]
    },
    "action_id": 2,
    "action": "Denied",
    "disposition_id": 2,
    "disposition": "Blocked",
    "authorizations": [
        { "decision": "deny", "policy": { "uid": "fleet:calls#payment", "version": "7" } },
        { "decision": "deny", "policy": { "uid": "limits", "version": "7" } }
    ],
    "policy": { "uid": "fleet:calls#payment", "version": "7", "is_applied": true, "desc": "over the limit" },
    "http_request": {
        "http_method": "GET",
        "url": { "path": "/accounts/over the limit" },
        "uid": "4bf92f3577b34da6a3ce929d0e0e4736"
    },
    "http_response": { "code": 403, "latency": 2 },
    "http_status": 403,
    "src_endpoint": { "svc_name": "payment", "uid": "spiffe://bank.example/svc/payment" },
    "dst_endpoint": { "svc_name": "accounts", "uid": "spiffe://bank.example/svc/accounts" },
    "connection_info": { "direction_id": 1, "direction": "Inbound", "protocol_name": "tcp" },
    "trace": {
        "uid": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span": {
            "uid": "00f067aa0ba902b7",
            "parent_uid": "00000000000000b7",
            "start_time": 1700000000121,
            "end_time": 1700000000123,
            "service": { "name": "accounts" }
        }
    },
    "unmapped": {
        "bartizan": {
            "kind": "request",
            "service": "accounts",
            "seen_by": "inbound",
            "request": "4bf92f3577b34da6a3ce929d0e0e4736",
            "peer": "spiffe://bank.example/svc/payment",
            "to": "accounts",
            "decision": "deny",
            "decision_id": "00000000000000010000000000000002",
            "policies": ["fleet:calls#payment", "limits"],
            "epoch": 7,
            "reason": "over the limit",
            "denial": true,
            "action": "read",
            "route": "balance",
            "took_us": 2500,
            "added_us": 80,
            "fleet": "bank",
            "owner": "core-banking",
            "data": ["pii"],
            "version": null,
            "image": null
        }
    }
}"#;

#[test]
fn outcomes_and_activities() {
    let request = |change: &dyn Fn(&mut Request)| {
        let mut it = request(Verdict::Allow, "1");
        change(&mut it);
        What::Request(it)
    };
    let handshake = |failure| {
        What::Handshake(Handshake {
            peer: peer(),
            remote: None,
            failure,
            detail: None,
            group: None,
            suite: None,
            took_us: 1,
        })
    };
    let refused = |status| What::Refused(Refused { peer: None, remote: None, rule: "headers_too_long".into(), status });
    let config = |change| What::Config(Config { kind: Kind::Bundles, epoch: Epoch(1), change, detail: None });
    let process = |started, exit: Option<&str>| {
        let exit = exit.map(Into::into);
        What::Process(Process { kind: "sidecar".into(), executable: "/bin/x".into(), pid: 1, started, exit })
    };
    let connection = |error: Option<&str>| {
        let to = ServiceName::parse("postgres").unwrap();
        let error = error.map(Into::into);
        What::Connection(Connection { peer: peer(), to, decision: None, bytes_up: 1, bytes_down: 2, took_us: 1, error })
    };
    let identity = |renewal| {
        let not_after = Some(Timestamp::from_secs(5));
        What::Identity(Identity { id: peer().unwrap(), serial: Some("0a".into()), not_after, renewal, refused: None })
    };
    let loss = |dropped| What::Loss(Loss { arrow: "proxy.queue".into(), offered: 9, delivered: 9 - dropped, dropped });
    let rotation = |halted: Option<&str>| {
        let (number, what, phase) = (1, Rotated::Root, Phase::Active);
        What::Rotation(Rotation { number, what, phase, halted: halted.map(Into::into), detail: "wave 1".into() })
    };
    let out = |outcome, learned, error: Option<&str>| {
        let error = error.map(Into::into);
        What::Egress(bartizan_core::event::Egress { learned, error, ..egress("api.partner.example", outcome) })
    };
    // type_uid, severity_id, status_id, disposition_id (0 where the record has none)
    for (why, what, expected) in [
        ("allowed", request(&|_| {}), [400_203, 1, 1, 1]),
        ("other method", request(&|r| r.method = "PROPFIND".into()), [400_299, 1, 1, 1]),
        ("patch", request(&|r| r.method = "PATCH".into()), [400_209, 1, 1, 1]),
        ("program failed", request(&|r| r.status = 500), [400_203, 2, 2, 1]),
        ("not found is an answer", request(&|r| r.status = 404), [400_203, 1, 1, 1]),
        ("upstream gone", request(&|r| (r.status, r.error) = (502, Some("gone".into()))), [400_203, 2, 2, 1]),
        ("nothing decided", request(&|r| r.decision = None), [400_203, 1, 1, 0]),
        ("handshake", handshake(None), [400_101, 1, 1, 0]),
        ("wrong peer", handshake(Some(HandshakeFailure::WrongPeer)), [400_105, 3, 2, 2]),
        ("slow peer", handshake(Some(HandshakeFailure::Timeout)), [400_104, 2, 2, 0]),
        ("refused with an answer", refused(431), [400_200, 3, 2, 2]),
        ("refused without one", refused(0), [400_105, 3, 2, 2]),
        ("published", config(Change::Published), [300_403, 1, 1, 0]),
        ("snapshot refused", config(Change::Refused), [300_403, 4, 2, 0]),
        ("started", process(true, None), [100_701, 1, 1, 0]),
        ("ended well", process(false, Some("exit 0")), [100_702, 1, 1, 0]),
        ("ended badly", process(false, Some("exit 3")), [100_702, 2, 2, 0]),
        ("killed", process(false, Some("signal 9")), [100_702, 2, 2, 0]),
        ("connection", connection(None), [400_102, 1, 1, 0]),
        ("connection cut", connection(Some("idle")), [400_103, 2, 2, 0]),
        ("first identity", identity(false), [300_203, 1, 1, 0]),
        ("renewed identity", identity(true), [300_205, 1, 1, 0]),
        ("no loss", loss(0), [600_801, 1, 1, 0]),
        ("loss", loss(2), [600_801, 4, 2, 0]),
        ("out", out(Outcome::Opened, false, None), [400_101, 1, 1, 1]),
        ("out and back", out(Outcome::Closed, false, None), [400_102, 1, 1, 1]),
        ("out and cut off", out(Outcome::Closed, false, Some("idle")), [400_103, 2, 2, 1]),
        ("out, nobody there", out(Outcome::Failed, false, Some("no route")), [400_104, 2, 2, 1]),
        ("not let out", out(Outcome::Refused(Refusal::Undeclared), false, None), [400_105, 3, 2, 2]),
        ("out, as nobody forbids it yet", out(Outcome::Opened, true, None), [400_101, 2, 1, 1]),
        ("rotation goes on", rotation(None), [300_403, 1, 1, 0]),
        ("rotation halted", rotation(Some("canary")), [300_403, 4, 2, 0]),
    ] {
        let record = record(&event(SeenBy::Inbound, what));
        let number = |key: &str| record[key].as_u64().unwrap_or(0);
        assert_eq!(
            [number("type_uid"), number("severity_id"), number("status_id"), number("disposition_id")],
            expected,
            "{why}"
        );
    }
}

#[test]
fn what_goes_out_names_its_destination_and_what_is_new() {
    let record = record(&event(SeenBy::Outbound, What::Egress(egress("api.partner.example", Outcome::Opened))));
    assert_eq!(record["message"], "accounts out to api.partner.example:443 (https): opened, new destination");
    let target = json!({ "hostname": "api.partner.example", "ip": "192.0.2.7", "port": 443 });
    assert_eq!((&record["dst_endpoint"], &record["src_endpoint"]["svc_name"]), (&target, &json!("accounts")));
    assert_eq!(record["traffic"], json!({ "bytes_out": 1, "bytes_in": 2, "bytes": 3 }));
    assert_eq!(record["unmapped"]["bartizan"]["new_destination"], true);
}

#[test]
fn ends_of_a_connection() {
    let own = json!({ "svc_name": "accounts", "uid": "spiffe://bank.example/svc/accounts" });
    let peer_end = json!({ "svc_name": "payment", "uid": "spiffe://bank.example/svc/payment" });
    let handshake = What::Handshake(Handshake {
        peer: peer(),
        remote: None,
        failure: None,
        detail: None,
        group: None,
        suite: None,
        took_us: 1,
    });
    let inbound = record(&event(SeenBy::Inbound, handshake.clone()));
    assert_eq!((&inbound["src_endpoint"], &inbound["dst_endpoint"]), (&peer_end, &own));
    let outbound = record(&event(SeenBy::Outbound, handshake));
    assert_eq!((&outbound["src_endpoint"], &outbound["dst_endpoint"]), (&own, &peer_end));

    let mut from_outside = request(Verdict::Allow, "1");
    (from_outside.peer, from_outside.client) = (None, Some("192.0.2.7:5000".parse().unwrap()));
    let edge = record(&event(SeenBy::Gateway, What::Request(from_outside)));
    assert_eq!(edge["src_endpoint"], json!({ "ip": "192.0.2.7", "port": 5000 }));

    let mut from_own_program = request(Verdict::Allow, "1");
    (from_own_program.peer, from_own_program.to) = (None, ServiceName::parse("ledger").unwrap());
    let out = record(&event(SeenBy::Outbound, What::Request(from_own_program)));
    assert_eq!((&out["src_endpoint"], &out["dst_endpoint"]["svc_name"]), (&own, &json!("ledger")));

    let mut stranger = request(Verdict::Deny, "1");
    stranger.peer = Some(SpiffeId::parse("spiffe://evil.example/svc/payment").unwrap());
    let record = record(&event(SeenBy::Inbound, What::Request(stranger)));
    assert_eq!(
        record["src_endpoint"]["svc_name"], "spiffe://evil.example/svc/payment",
        "a stranger never looks like one of ours"
    );
}

#[test]
fn a_call_without_mutual_tls_is_marked() {
    let of = |seen_by, peer: Option<SpiffeId>| {
        let it = record(&event(seen_by, What::Request(Request { peer, ..request(Verdict::Allow, "7") })));
        it["unmapped"]["bartizan"]["plaintext"].clone()
    };
    assert_eq!(of(SeenBy::Inbound, None), true);
    assert!(
        of(SeenBy::Inbound, peer()).is_null() && of(SeenBy::Gateway, None).is_null(),
        "outside it is TLS all the same"
    );
}

#[test]
fn a_call_to_a_service_without_a_guard_is_marked() {
    let trust_domain = TrustDomain::parse("bank.example").unwrap();
    let of = |seen_by, unguarded| {
        let context = Context {
            trust_domain: &trust_domain,
            fleet: "bank",
            host: None,
            product_version: "0.1.0",
            owner: None,
            data: &[],
            version: None,
            image: None,
            unguarded,
        };
        let it = event(seen_by, What::Request(Request { peer: None, ..request(Verdict::Allow, "7") }));
        to_ocsf(&it, &context)["unmapped"]["bartizan"]["plaintext"].clone()
    };
    assert_eq!((of(SeenBy::Gateway, true), of(SeenBy::Outbound, true)), (json!(true), json!(true)));
    assert!(of(SeenBy::Gateway, false).is_null() && of(SeenBy::Outbound, false).is_null());
}
