//! Clocks that differ: a minute is allowed for in both directions, more is named.

use crate::support::{Place, Running, wait_for};
use bartizan_core::Timestamp;
use bartizan_identity::verify_peer;
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::{Clock, up};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_away_is_named_until_it_comes_back() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let minutes = Duration::from_secs(300);
    let send = async |now: Timestamp| {
        let reading = Clock { now_ms: now.as_millis(), tick_ms: clock::now().as_millis() };
        proxy.stream.send(up::Message::Clock(reading)).await;
    };
    for (now, way, sign) in [(clock::now().plus(minutes), "ahead", 1), (clock::now().minus(minutes), "behind", -1)] {
        send(now).await;
        let found =
            wait_for("the clock in the status", async || control.status().await.clocks.into_iter().next()).await;
        assert_eq!(found.of, "guard accounts");
        assert!((290..=301).contains(&(found.ahead_s * sign)), "{found:?}");
        wait_for("the event", async || {
            let events = control.events("?deny=true&service=accounts").await;
            let named = |event: &serde_json::Value| {
                let text = event["message"].as_str().unwrap_or_default();
                text.starts_with("clock of guard accounts is ") && text.ends_with(&format!(" s {way}"))
            };
            events.iter().any(named).then_some(())
        })
        .await;
        send(clock::now()).await;
        wait_for("the clock to be right", async || control.status().await.clocks.is_empty().then_some(())).await;
    }
    send(clock::now().plus(minutes)).await;
    wait_for("the clock in the status", async || control.status().await.clocks.into_iter().next()).await;
    assert!(proxy.stream.ticks().await, "it is named, and nothing else is done to it");
    drop(proxy);
    wait_for("who left not to be named", async || control.status().await.clocks.is_empty().then_some(())).await;
    control.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_between_two_clocks_costs_nothing() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let proxy = control.proxy_of("accounts").await;
    let chain: Vec<&[u8]> = proxy.chain.iter().map(Vec::as_slice).collect();
    let (issued, minute) = (clock::now(), Duration::from_secs(60));
    for (at, why) in
        [(issued, "the same"), (issued.plus(minute), "ahead"), (issued.minus(minute.mul_f64(0.95)), "behind")]
    {
        assert!(verify_peer(&chain, &control.bundles, at).is_ok(), "a clock that is {why}");
    }
    let refused = verify_peer(&chain, &control.bundles, issued.minus(2 * minute)).unwrap_err();
    assert!(refused.to_string().contains("clock"), "{refused}");
    control.stop().await;
}
