//! Numbers: what proxies count appears in the status and in the metrics.

use crate::support::{Place, Running, service, wait_for};
use bartizan_core::SpiffeId;
use bartizan_core::event::{Ending, Event, EventId, Handshake, HandshakeFailure, SeenBy, What};
use bartizan_core::stats::{EdgeStats, Histogram, ProxyStats};

fn totals(calls: u64, denied: u64) -> ProxyStats {
    let mut added = Histogram::default();
    (0..calls).for_each(|_| added.record(150));
    let edge = EdgeStats { calls, denied, failed: 1, unauthenticated: 2, expected: 20, attacks: 7 };
    ProxyStats {
        inbound: [("payment".to_owned(), edge), (String::new(), EdgeStats::default())].into(),
        outbound: [(service("ledger"), edge)].into(),
        handshakes_attempted: 10,
        handshakes_completed: 7,
        handshakes_failed: [(HandshakeFailure::Expired, 2), (HandshakeFailure::Timeout, 1)].into(),
        refused: 4,
        ended: [(Ending::Revoked, 6)].into(),
        events_offered: 100,
        events_dropped: 5,
        events_delivered: 90,
        added_by_caller: [("payment".to_owned(), added.clone())].into(),
        added,
        resident_bytes: 12 << 20,
        cpu_us: 2_500_000,
        ..ProxyStats::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_of_a_proxy_reach_status_and_metrics() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let proxy = control.proxy_of("accounts").await;
    proxy.send_stats(&totals(1000, 30)).await;
    wait_for("counters", async || (control.proxy("accounts").await.calls == 1000).then_some(())).await;
    let shown = wait_for("rates", async || {
        proxy.send_stats(&totals(1500, 40)).await; // again: of two readings in one millisecond the first counts
        Some(control.proxy("accounts").await).filter(|it| it.calls_per_s > 0.0)
    })
    .await;
    assert_eq!((shown.calls, shown.denied, shown.failed, shown.input_refused), (1500, 40, 1, 4));
    assert!(shown.denied_per_s > 0.0 && shown.calls_per_s > shown.denied_per_s);
    let (p50, p99) = (shown.added_p50_us.unwrap(), shown.added_p99_us.unwrap());
    assert!((150..=170).contains(&p50) && (150..=170).contains(&p99), "{p50} {p99}");
    assert_eq!((shown.events.offered, shown.events.dropped, shown.events.delivered), (100, 5, 90));
    assert_eq!(shown.handshakes.failed[&HandshakeFailure::Expired], 2);

    let text = control.text("/v1/metrics").await;
    for line in [
        "bartizan_calls_total{from=\"payment\",to=\"accounts\"} 1500",
        "bartizan_calls_total{from=\"-outside\",to=\"accounts\"} 0",
        "bartizan_denied_total{from=\"payment\",to=\"accounts\"} 40",
        "bartizan_unauthenticated_total{from=\"payment\",to=\"accounts\"} 2",
        "bartizan_denied_expected_total{from=\"payment\",to=\"accounts\"} 20",
        "bartizan_denied_attacks_total{from=\"payment\",to=\"accounts\"} 7",
        "bartizan_handshakes_attempted_total{service=\"accounts\"} 10",
        "bartizan_handshakes_completed_total{service=\"accounts\"} 7",
        "bartizan_handshakes_failed_total{service=\"accounts\",cause=\"expired\"} 2",
        "bartizan_trust_ended_total{service=\"accounts\",reason=\"revoked\"} 6",
        "bartizan_unauthorised_total{what=\"call\"} 40",
        "bartizan_unauthorised_total{what=\"handshake\"} 2",
        "bartizan_unauthorised_total{what=\"identity\"} 0",
        "bartizan_proxy_events_total{service=\"accounts\",what=\"dropped\"} 5",
        "bartizan_epoch{kind=\"policies\"} 1",
        "bartizan_proxy_epoch{service=\"accounts\",kind=\"directory\"} 1",
        "bartizan_proxy_attached{service=\"ledger\"} 0",
        "bartizan_proxy_cpu_seconds_total{service=\"accounts\"} 2.5",
    ] {
        assert!(text.lines().any(|it| it == line), "no line {line} in\n{text}");
    }
    let edge = "bartizan_edge_added_microseconds{from=\"payment\",to=\"accounts\",quantile=\"0.99\"} 1";
    assert!(text.contains(edge), "no line {edge} in\n{text}");
    let map: bartizan_core::overview::FleetMap = control.get("/v1/map").await;
    let edge = map.edges.iter().find(|it| (&*it.from, &*it.to) == ("payment", "accounts")).unwrap();
    assert!(edge.added_p99_us.is_some_and(|us| (150..=170).contains(&us)), "{edge:?}");
    assert!(text.contains("bartizan_certificate_expiry_seconds{service=\"accounts\"} 35"), "an hour, almost\n{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(text.contains(&format!("# TYPE {} ", name.split('{').next().unwrap())), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_identities_count_as_attempts() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let csr = || bartizan_crypto::csr::make(&bartizan_crypto::KeyPair::generate().unwrap()).unwrap();
    for _ in 0..3 {
        assert!(crate::support::Node::ask(&control, None, "node", "guess", csr()).await.is_err());
    }
    let text = control.text("/v1/metrics").await;
    assert!(text.contains("bartizan_unauthorised_total{what=\"identity\"} 3"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_edge_agreed_on_is_listed() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let handshake = |n: u64, group: &str| Event {
        id: EventId(77, n),
        at: bartizan_runtime::clock::now(),
        service: Some(service("accounts")),
        seen_by: SeenBy::Inbound,
        request: None,
        what: What::Handshake(Handshake {
            peer: Some(SpiffeId::parse("spiffe://bank.test/svc/payment").unwrap()),
            remote: None,
            failure: None,
            detail: None,
            group: Some(group.into()),
            suite: Some("TLS13_AES_128_GCM_SHA256".into()),
            took_us: 500,
        }),
    };
    let events = [handshake(1, "X25519MLKEM768"), handshake(2, "X25519MLKEM768"), handshake(3, "X25519")];
    proxy.deliver(1, &events).await;
    let tls = control.status().await.tls;
    let found: Vec<_> = tls.iter().map(|it| (it.from.as_deref(), it.group.as_str(), it.handshakes)).collect();
    assert_eq!(found, [(Some("payment"), "X25519", 1), (Some("payment"), "X25519MLKEM768", 2)]);
    let metrics = control.text("/v1/metrics").await;
    let line = "bartizan_tls_handshakes_total{from=\"payment\",to=\"accounts\",group=\"X25519MLKEM768\",suite=\"TLS13_AES_128_GCM_SHA256\"} 2";
    assert!(metrics.lines().any(|it| it == line), "{metrics}");
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_costs_more_than_its_budget_is_named_while_it_does() {
    let place = Place::new();
    place.edit_fleet("policies: policies", "policies: policies\nbudget: { guard_p99_us: 1000 }");
    let control = Running::start(&place).await;
    let proxy = control.proxy_of("accounts").await;
    let mut added = Histogram::default();
    let mut report = async |us: u64| {
        (0..200).for_each(|_| added.record(us));
        proxy.send_stats(&ProxyStats { added: added.clone(), ..totals(1, 0) }).await;
    };
    let named = wait_for("the alarm", async || {
        report(3_000).await;
        control.status().await.over_budget.into_iter().next()
    })
    .await;
    assert_eq!((named.service.as_str(), named.budget_us), ("accounts", 1000));
    assert!(named.added_p99_us >= 3_000, "{named:?}");
    assert!(control.text("/v1/metrics").await.contains("bartizan_over_budget{service=\"accounts\"} 1"));
    wait_for("the event", async || {
        let events = control.events("?service=accounts&limit=100").await;
        events
            .iter()
            .any(|event| event["message"].as_str().is_some_and(|it| it.contains("over its budget")))
            .then_some(())
    })
    .await;
    // What was slow falls out of the window of the last seconds.
    let began = std::time::Instant::now();
    while !control.status().await.over_budget.is_empty() {
        report(100).await;
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "the alarm does not end");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    control.stop().await;
}
