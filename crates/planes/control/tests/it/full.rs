//! A store that is full: as declared further events are refused or the oldest go, both counted, shown and alerted; who brings how much; and
//! guards that tell nothing.

use crate::alerts::firing;
use crate::support::{Place, Proxy, Running, service, wait_for};
use bartizan_core::balance::Balance;
use bartizan_core::event::{Event, EventId, Judged, Request, SeenBy, What};
use bartizan_core::retention::WhenFull;
use bartizan_core::snapshot::Epoch;
use bartizan_core::status::Status;
use bartizan_core::{Action, RequestId, ServiceName, Verdict};
use bartizan_runtime::clock;
use std::time::Duration;

/// Events of a batch, a count.
const BATCH: u64 = 500;

/// Request `n`, as the guard of `by` saw it.
fn request(n: u64, by: &str, seen_by: SeenBy) -> Event {
    let policies = vec!["fleet:calls/payment->accounts".into()];
    let what = What::Request(Request {
        peer: None,
        to: service("accounts"),
        method: "GET".into(),
        path: format!("/accounts/{n}").into(),
        route: None,
        action: Action::Read,
        decision: Some(Judged { verdict: Verdict::Allow, policies, reason: None, epoch: Epoch(1) }),
        status: 200,
        error: None,
        took_us: 700,
        added_us: 70,
        client: None,
        user: None,
        span: n + 1,
        parent_span: 0,
    });
    let request = RequestId::parse(&format!("{:032x}", n + 1));
    let service = ServiceName::parse(by).ok();
    Event { id: EventId(42, n), at: clock::now(), service, seen_by, request, what }
}

/// Delivers batch after batch until `done` says so.
async fn fill(control: &Running, proxy: &mut Proxy, done: impl Fn(&Status) -> bool) -> Status {
    for batch in 1..=400 {
        let events: Vec<Event> =
            (batch * BATCH..(batch + 1) * BATCH).map(|n| request(n, "accounts", SeenBy::Inbound)).collect();
        proxy.deliver(batch, &events).await;
        let status = control.status().await;
        if done(&status) {
            return status;
        }
    }
    panic!("it never was full: {:?}", control.status().await.events);
}

fn value(metrics: &str, series: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_that_refuses_is_counted_shown_and_alerted_until_there_is_room() {
    let place = Place::new();
    let mut options = place.options();
    options.events_bytes_max = Some(2 << 20);
    let control = Running::start_with(&place, options).await;
    let mut proxy = control.proxy_of("accounts").await;
    assert!(firing(&control, "StoreFull").await.is_none(), "there is room");
    let full = fill(&control, &mut proxy, |status| status.store.lost.contains_key("disk_full")).await;
    assert_eq!((full.events.when_full, full.events.displaced), (WhenFull::Refuse, 0), "{:?}", full.events);
    assert!(full.events.bytes <= 2 << 20 && full.events.bytes > 1 << 20, "{:?}", full.events);
    let alert = wait_for("the alert", async || firing(&control, "StoreFull").await).await;
    assert!(alert.owner == "platform" && alert.title.contains("events have taken"), "{alert:?}");
    wait_for("the alert of what was lost", async || firing(&control, "EventsLost").await).await;
    let status = control.status().await;
    let metrics = control.text("/v1/metrics").await;
    let lost = value(&metrics, "bartizan_events_lost_total{reason=\"disk_full\"}").unwrap();
    assert!(lost >= status.store.lost["disk_full"] && lost >= BATCH, "{lost}");
    let dropped = value(&metrics, "bartizan_security_spans_dropped_total{at=\"-control\"}").unwrap();
    assert!(dropped >= BATCH, "{dropped} of {lost}");

    // As the runbook says; nothing has to be started anew.
    place.edit_fleet("services:", "events: { bytes: 64M }\nservices:");
    control.reload().await.unwrap();
    proxy.deliver(900, &[request(900_000, "accounts", SeenBy::Inbound)]).await;
    wait_for("its end", async || firing(&control, "StoreFull").await.is_none().then_some(())).await;
    let after = control.status().await;
    assert_eq!((after.store.reason, after.events.bytes_max), (None, Some(64 << 20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_that_drops_keeps_the_newest_and_says_how_many_went() {
    let place = Place::new();
    place.edit_fleet("services:", "events: { when_full: drop }\nservices:");
    let mut options = place.options();
    options.events_bytes_max = Some(2 << 20);
    let control = Running::start_with(&place, options).await;
    let mut proxy = control.proxy_of("accounts").await;
    let full = fill(&control, &mut proxy, |status| status.events.displaced > 0).await;
    assert_eq!((full.events.when_full, full.store.lost_total()), (WhenFull::Drop, 0), "{full:?}");
    assert!(full.events.bytes <= 2 << 20, "{:?}", full.events);
    let newest = control.events("?service=accounts&class=request&limit=1").await;
    assert_eq!(newest.len(), 1, "the newest are there");
    let first = request(BATCH, "accounts", SeenBy::Inbound).request.unwrap();
    assert_eq!(control.events(&format!("?request={first}")).await.len(), 0, "and the oldest are not");
    wait_for("the alert", async || firing(&control, "StoreFull").await).await;
    let metrics = control.text("/v1/metrics").await;
    let gone = value(&metrics, "bartizan_events_gone_total{reason=\"room\"}").unwrap();
    assert!(gone >= full.events.displaced, "{gone}");
    assert_eq!(value(&metrics, "bartizan_security_spans_dropped_total{at=\"-control\"}"), Some(0), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_brings_how_much_in_a_day_is_told_also_after_a_start() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let events: Vec<Event> = (0..100).map(|n| request(n, "accounts", SeenBy::Inbound)).collect();
    proxy.deliver(1, &events).await;
    proxy.deliver(2, &events[..10]).await;
    let of = |balance: &Balance, source: &str| balance.ingest.iter().find(|it| it.source == source).cloned();
    let balance: Balance = control.get("/v1/balance").await;
    let accounts = of(&balance, "accounts").unwrap();
    assert_eq!(accounts.events, 110, "those that came twice were carried twice");
    assert!((30 * 110..300 * 110).contains(&accounts.bytes), "{accounts:?}");
    assert_eq!(accounts.day.as_secs() % 86_400, 0, "{accounts:?}");
    assert!(of(&balance, "-control").is_some_and(|it| it.events > 0), "{:?}", balance.ingest);
    let metrics = control.text("/v1/metrics").await;
    assert_eq!(value(&metrics, "bartizan_ingest_events{source=\"accounts\"}"), Some(110));
    assert_eq!(value(&metrics, "bartizan_ingest_bytes{source=\"accounts\"}"), Some(accounts.bytes));
    control.stop().await;

    let control = Running::start(&place).await;
    let again: Balance = control.get("/v1/balance").await;
    // Midnight may have passed.
    assert!(again.ingest.contains(&accounts), "{:?}", again.ingest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_tells_nothing_of_what_the_gateway_saw_answered_is_alerted() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut gateway = control.proxy_of("gateway").await;
    let mut accounts = control.proxy_of("accounts").await;
    let seen = |n| request(n, "gateway", SeenBy::Gateway);
    gateway.deliver(1, &[seen(1), seen(2), seen(3)]).await;
    accounts.deliver(1, &[request(1_000_000, "accounts", SeenBy::Inbound)]).await;
    // Of two of the three its guard tells.
    let told = |n: u64| Event { id: EventId(43, n), ..request(n, "accounts", SeenBy::Inbound) };
    accounts.deliver(2, &[told(1), told(2)]).await;
    let mut alert = None;
    for _ in 0..120 {
        alert = firing(&control, "TelemetryGap").await;
        if alert.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let alert = alert.expect("a hop is missing");
    assert_eq!(alert.service.as_deref(), Some("accounts"));
    assert!(alert.title.starts_with("1 calls that accounts answered"), "{alert:?}");
}
