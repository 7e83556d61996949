//! An objective of a service is broken: the alert that belongs to its indicator reaches whoever has to know.

use crate::alerts::{Got, hook, kinds, place, status};
use crate::support::{Running, wait_for};
use bartizan_core::alerts::Urgency;
use bartizan_core::stats::{EdgeStats, ProxyStats};
use serde_json::Value;
use std::time::{Duration, Instant};

/// So long after the breach somebody has to be paged at the latest.
const WITHIN: Duration = Duration::from_secs(60);
const OBJECTIVES: &str = "version: 1\nwhen_nothing: unknown\nobjectives:\n  - { indicator: M1, service: accounts, \
    target: at least 99.99 %, window: 30d, owner: core, why: money moves here, expires: 2099-12-31 }\n";

/// So many calls, of which so many came without an identity that anybody believes.
fn totals(from: &str, calls: u64, unauthenticated: u64) -> ProxyStats {
    let edge = EdgeStats { calls, unauthenticated, ..EdgeStats::default() };
    ProxyStats { inbound: [(from.to_owned(), edge)].into(), ..ProxyStats::default() }
}

/// Each alert that a page is about: its rule, where, and what is asked of the indicator there.
fn paged(got: &Got) -> Vec<(String, String, String)> {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let all = got.lock().unwrap();
    let bodies = all.iter().map(|(_, body, _)| serde_json::from_slice::<Value>(body).unwrap());
    let pages = bodies.filter(|it| it["type"] == "alert.page").map(|it| it["data"].clone());
    pages
        .flat_map(|data| {
            let target = |at: &Value| {
                let slis = data["evidence"]["slis"].as_array().unwrap();
                text(&slis.iter().find(|it| it["indicator"] == "M1" && it["place"] == *at).unwrap()["target"])
            };
            let alerts = data["alerts"].as_array().unwrap();
            alerts.iter().map(|it| (text(&it["rule"]), text(&it["place"]), target(&it["place"]))).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_of_what_is_asked_of_a_service_pages_by_the_alert_of_its_indicator() {
    let (port, got) = hook(0).await;
    let place =
        place(&format!(", routes: {{ pager: {{ webhook: 'http://127.0.0.1:{port}/', secret: hook, takes: page }} }}"));
    place.write("slo.yaml", OBJECTIVES);
    place.edit_fleet("services:", "objectives: slo.yaml\nservices:");
    let control = Running::start(&place).await;
    let asked = control.proxy_of("accounts").await;
    let unasked = control.proxy_of("payment").await;
    // One that is away would mute what its callers suffer.
    let _callee = control.proxy_of("ledger").await;
    // Within what the objective allows: one of twenty thousand.
    asked.send_stats(&totals("payment", 20_000, 1)).await;
    wait_for("what was counted", async || control.text("/v1/indicators").await.contains("20000").then_some(())).await;
    assert!(status(&control).await.alerts.is_empty(), "nothing is broken yet");

    // One in two hundred, at both. That burns the budget of a month in less than a day where one in ten thousand may fail, and in six
    // days where one in a thousand may, as everywhere where no objective says more.
    unasked.send_stats(&totals("gateway", 20_000, 100)).await;
    asked.send_stats(&totals("payment", 40_000, 201)).await;
    let broken = Instant::now();
    wait_for("the page", async || kinds(&got).contains(&"alert.page".to_owned()).then_some(())).await;
    let after = broken.elapsed();
    println!("paged {} ms after the breach", after.as_millis());
    assert!(after < WITHIN, "{after:?}");
    let expected = ("AuthenticationBurns".to_owned(), "accounts".to_owned(), "at least 99.99 %".to_owned());
    assert_eq!(paged(&got), [expected]);
    let elsewhere = wait_for("the ticket of the other", async || {
        status(&control).await.alerts.into_iter().find(|it| it.place == "payment")
    })
    .await;
    assert_eq!((elsewhere.rule.as_str(), elsewhere.urgency), ("AuthenticationLeaks", Urgency::Ticket));
}
