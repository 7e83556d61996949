//! Events: stored, counted, found, and without what must not be in them.

use crate::support::{Place, Proxy, Running, service, wait_for};
use bartizan_control::limits::EVENT_BYTES_MAX;
use bartizan_core::event::{Event, EventId, Judged, Process, Request, SeenBy, What};
use bartizan_core::limits::CLOCK_SKEW;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::{Accepted, StoreStatus};
use bartizan_core::{Action, RequestId, Timestamp, Verdict};
use bartizan_runtime::control_v1::{Events, up};
use bartizan_runtime::{clock, local};
use std::time::Duration;
use tokio_stream::StreamExt;

/// Event `n` of `accounts`: a request at `n` milliseconds, denied where `n` is odd.
fn request(n: u64) -> Event {
    let verdict = if n % 2 == 1 { Verdict::Deny } else { Verdict::Allow };
    let decision =
        Judged { verdict, policies: vec!["fleet:calls/payment->accounts".into()], reason: None, epoch: Epoch(1) };
    let request = Request {
        peer: Some("spiffe://bank.test/svc/payment".parse().unwrap()),
        to: service("accounts"),
        method: "GET".into(),
        path: format!("/accounts/{n}").into(),
        route: None,
        action: Action::Read,
        decision: Some(decision),
        status: if n % 2 == 1 { 403 } else { 200 },
        error: None,
        took_us: 700,
        added_us: 70,
        client: None,
        user: None,
        span: n + 1,
        parent_span: 0,
    };
    Event {
        id: EventId(42, n),
        at: Timestamp::from_millis(n),
        service: Some(service("accounts")),
        seen_by: SeenBy::Inbound,
        request: RequestId::parse(&format!("{:032x}", n + 1)),
        what: What::Request(request),
    }
}

fn balanced(store: &StoreStatus) {
    assert_eq!(store.offered, store.stored + store.known + store.lost_total() + store.waiting, "{store:?}");
}

/// The `n` of each record that is one of ours.
fn numbers(records: &[serde_json::Value]) -> Vec<u64> {
    records.iter().map(|record| record["time"].as_u64().unwrap()).filter(|time| *time < 1_000_000).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_delivers_is_stored_and_found_by_every_filter() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    for batch in 0..4 {
        let events: Vec<Event> = (batch * 10..batch * 10 + 10).map(request).collect();
        proxy.deliver(batch + 1, &events).await;
    }
    let all: Vec<u64> = (0..40).collect();
    for (query, expected, why) in [
        ("?service=accounts&limit=1000&until_ms=1000", all.clone(), "service"),
        ("?service=ledger&limit=1000&until_ms=1000", vec![], "another service"),
        ("?deny=true&limit=1000&until_ms=1000", all.iter().copied().filter(|n| n % 2 == 1).collect(), "denied"),
        ("?since_ms=37&until_ms=39", vec![37, 38], "time"),
        ("?until_ms=1000&limit=3", vec![37, 38, 39], "the newest"),
        ("?request=00000000000000000000000000000005", vec![4], "request"),
        ("?outcome=ok,failed&until_ms=10&class=request", vec![0, 2, 4, 6, 8], "outcome and class"),
        ("?class=person,loss&until_ms=1000", vec![], "another class"),
        ("?identity=payment&until_ms=3", vec![0, 1, 2], "a service's identity"),
        ("?identity=spiffe%3A%2F%2Fbank.test%2Fsvc%2Fpayment&until_ms=3", vec![0, 1, 2], "an identity"),
        ("?identity=ledger&until_ms=1000", vec![], "another identity"),
        ("?text=%2FACCOUNTS%2F17&until_ms=1000", vec![17], "text"),
        ("?oldest=true&until_ms=1000&limit=2", vec![0, 1], "the oldest"),
        ("?oldest=true&until_ms=1000&limit=2&cursor=1.2a.1", vec![2, 3], "behind a cursor"),
    ] {
        assert_eq!(numbers(&control.events(query).await), expected, "{why}");
    }
    for (query, word) in [
        ("?service=No", "service name"),
        ("?limit=100000", "limit"),
        ("?request=1", "request id"),
        ("?sevice=accounts", "sevice"),
        ("?deny=perhaps", "deny"),
        ("?deny=true&outcome=ok", "the same thing"),
        ("?outcome=good", "known here: ok, denied, failed"),
        ("?class=requests", "known here: request, connection"),
        ("?text=", "1 to 256 bytes"),
        ("?cursor=1.2", "bartizan-next"),
        ("?follow=true&oldest=true", "follow"),
    ] {
        let error = local::get_text(control.socket(), &format!("/v1/events{query}")).await.unwrap_err();
        let local::LocalError::Refused { status, body } = error else { panic!("{error:?}") };
        assert_eq!(status, 400, "{query}");
        assert!(body.contains(word), "{query}: {body}");
    }
    balanced(&control.status().await.store);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_ocsf_with_their_context() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    proxy.deliver(1, &[request(1)]).await;
    let record = control.events("?until_ms=1000").await.pop().unwrap();
    assert_eq!(record["class_uid"], 4002);
    let text = record.to_string();
    for context in ["core-banking", "bank.test", "pii", "spiffe://bank.test/svc/payment"] {
        assert!(text.contains(context), "no {context} in {text}");
    }
    // What control did itself on the way here is recorded too.
    let classes: Vec<u64> =
        control.events("?limit=1000").await.iter().map(|it| it["class_uid"].as_u64().unwrap()).collect();
    for (class, what) in [(1007, "process"), (3002, "identity"), (3004, "configuration"), (4001, "handshake")] {
        assert!(classes.contains(&class), "no event of class {class}, {what}: {classes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_twice_is_stored_once() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let events: Vec<Event> = (0..10).map(request).collect();
    proxy.deliver(1, &events).await;
    let mut proxy = proxy.come_back(&control).await;
    proxy.deliver(1, &events).await;
    assert_eq!(numbers(&control.events("?until_ms=1000").await).len(), 10);
    let store = control.status().await.store;
    assert_eq!(store.known, 10);
    balanced(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_speaks_for_itself_alone_and_good_events_survive_bad_ones() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let bytes = |event: &Event| postcard::to_allocvec(event).unwrap();
    let records = vec![
        bytes(&request(2)),
        bytes(&Event { service: Some(service("ledger")), ..request(4) }),
        bytes(&Event { service: None, ..request(6) }),
        bytes(&Event { seen_by: SeenBy::Control, ..request(8) }),
        bytes(&Event { seen_by: SeenBy::Gateway, ..request(10) }),
        Vec::new(),
        vec![0xff; 100],
        vec![0; EVENT_BYTES_MAX + 1],
        bytes(&request(12)),
    ];
    proxy.stream.send(up::Message::Events(Events { batch: 1, records })).await;
    proxy.confirmed(1).await;
    assert_eq!(numbers(&control.events("?until_ms=1000").await), [2, 12]);
    let store = control.status().await.store;
    assert_eq!(store.lost.get("unreadable"), Some(&7), "{store:?}");
    balanced(&store);
    proxy.deliver(2, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_comes_from_the_future() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let far = clock::now().plus(Duration::from_secs(86_400));
    proxy.deliver(1, &[Event { at: far, ..request(7) }]).await;
    let found = control.events("?service=accounts&deny=true&limit=10").await;
    let ours = found.iter().find(|record| record.to_string().contains("/accounts/7")).expect("it is stored");
    let latest = clock::now().plus(CLOCK_SKEW).as_millis();
    assert!(ours["time"].as_u64().unwrap() <= latest, "it would stand before all others for a day: {ours}");
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmations_come_in_order() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    for batch in 1..=20 {
        let events: Vec<Event> =
            if batch % 5 == 0 { Vec::new() } else { (0..100).map(|n| request(batch * 1000 + n)).collect() };
        let records = events.iter().map(|event| postcard::to_allocvec(event).unwrap()).collect();
        proxy.stream.send(up::Message::Events(Events { batch, records })).await;
    }
    for batch in 1..=20 {
        proxy.confirmed(batch).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_is_counted_and_nobody_has_to_wait() {
    let place = Place::new();
    let mut options = place.options();
    options.events_bytes_max = Some(512 << 10);
    let control = Running::start_with(&place, options.clone()).await;
    let mut proxy = control.proxy_of("accounts").await;
    let mut sent = 0;
    let lost = wait_for("lost event", async || {
        let events: Vec<Event> = (sent * 100..sent * 100 + 100).map(request).collect();
        sent += 1;
        proxy.deliver(sent, &events).await;
        control.status().await.store.lost.get("disk_full").copied()
    })
    .await;
    let store = control.status().await.store;
    assert!(lost > 0 && store.stored > 0, "{store:?}");
    assert!(store.reason.as_deref().is_some_and(|reason| reason.contains("no space left")), "{store:?}");
    balanced(&store);
    assert_eq!(
        numbers(&control.events("?until_ms=1000000&limit=10000&service=accounts").await).len() as u64 % 100,
        0,
        "whole batches"
    );

    // Who is already there goes on, who comes is let in, and policies can change.
    place.write("policies/night.cedar", "forbid (principal == Workload::\"payment\", action, resource);");
    assert_eq!(control.reload().await.unwrap().changed, [Kind::Policies]);
    proxy.take_up(&control).await;
    control.proxy_of("payment").await;
    control.stop().await;

    // With room again, it stores again.
    options.events_bytes_max = Some(64 << 20);
    let control = Running::start_with(&place, options).await;
    let mut proxy = proxy.come_back(&control).await;
    proxy.deliver(1, &[request(999_999)]).await;
    assert_eq!(numbers(&control.events("?since_ms=999999&until_ms=1000000").await), [999_999]);
    assert_eq!(control.status().await.store.reason, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_token_is_nowhere_in_the_database() {
    const MARKER: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmF0dXJlLW1hcmtlcg";
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let mut event = request(2);
    let What::Request(what) = &mut event.what else { unreachable!() };
    what.path = format!("/reset/Bearer%20{MARKER}").into();
    what.error = Some(format!("upstream said: authorization: Bearer {MARKER}").into());
    proxy.deliver(1, &[event]).await;
    let id = request(2).request.unwrap();
    for path in ["/v1/events?until_ms=1000".to_owned(), format!("/v1/explain/{id}"), format!("/v1/trace/{id}")] {
        let text = control.text(&path).await;
        assert!(text.contains("[redacted]") && !text.contains("c2lnbmF0dXJlLW1hcmtlcg"), "{path}: {text}");
    }
    let search = |when: &str| {
        let mut files = 0;
        let folders = [place.data(), place.data().join("events")];
        for entry in folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
            let path = entry.unwrap().path();
            if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(20).any(|window| window == &MARKER.as_bytes()[MARKER.len() - 20..]);
                assert!(!found, "{when}, in {}", path.display());
                files += usize::from(path.extension().is_some_and(|it| it == "events"));
            }
        }
        assert!(files > 0);
    };
    search("while it runs");
    control.stop().await;
    search("after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_sees_what_happens() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy: Proxy = control.proxy_of("accounts").await;
    proxy.deliver(1, &[request(1), request(2), request(3)]).await;
    let mut lines =
        local::lines(control.socket(), "/v1/events?follow=true&service=accounts&deny=true&until_ms=1000&limit=1")
            .await
            .unwrap();
    let mut next = async || -> serde_json::Value {
        let line = tokio::time::timeout(std::time::Duration::from_secs(20), lines.next()).await.unwrap();
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    };
    assert_eq!(next().await["time"], 3, "the newest denied one of those that are there");
    proxy.deliver(2, &[request(4), request(5)]).await;
    assert_eq!(next().await["time"], 5, "then what happens and fits");
    drop(proxy);
    control.stop().await; // does not wait for who follows
    let end = tokio::time::timeout(std::time::Duration::from_secs(20), lines.next()).await.unwrap();
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_hands_in_its_own_events_and_nobody_elses() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let started = Event {
        id: EventId(9, 9),
        at: Timestamp::from_millis(5),
        service: Some(service("accounts")),
        seen_by: SeenBy::Supervisor,
        request: None,
        what: What::Process(Process {
            kind: "program".into(),
            executable: "/bin/bank".into(),
            pid: 7,
            started: true,
            exit: None,
        }),
    };
    let accepted: Accepted = control.post("/v1/events", &vec![started.clone()]).await.unwrap();
    assert_eq!(accepted, Accepted { accepted: 1, dropped: 0 });
    wait_for("the event", async || control.events("?until_ms=1000").await.pop()).await;
    let accepted: Accepted = control.post("/v1/events", &Vec::<Event>::new()).await.unwrap();
    assert_eq!(accepted, Accepted { accepted: 0, dropped: 0 });

    let forged = Event { seen_by: SeenBy::Inbound, ..started.clone() };
    for body in
        [serde_json::json!([forged]), serde_json::json!({"not": "a list"}), serde_json::json!(vec![started; 513])]
    {
        let error = control.post::<Accepted>("/v1/events", &body).await.unwrap_err();
        assert!(matches!(error, local::LocalError::Refused { status: 400, .. }), "{error:?}");
    }
}
