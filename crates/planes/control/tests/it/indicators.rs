//! The indicators: counted once, however often guards tell their totals and control begins anew.

use crate::support::{Place, Running, wait_for};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::indicators::{Goal, IndicatorStatus, Indicators, PlaceStatus};
use bartizan_core::stats::{EdgeStats, ProxyStats};

fn totals(calls: u64, denied: u64) -> ProxyStats {
    let edge = EdgeStats { calls, denied, ..EdgeStats::default() };
    ProxyStats {
        inbound: [("payment".to_owned(), edge)].into(),
        handshakes_completed: 999,
        handshakes_failed: [(HandshakeFailure::Expired, 1)].into(),
        ..ProxyStats::default()
    }
}

async fn indicator(control: &Running, id: &str) -> IndicatorStatus {
    let all: Indicators = control.get("/v1/indicators").await;
    assert_eq!(all.indicators.len(), 10);
    all.indicators.into_iter().find(|it| it.id == id).unwrap()
}

async fn at(control: &Running, id: &str, place: &str) -> Option<PlaceStatus> {
    indicator(control, id).await.places.into_iter().find(|it| it.place == place)
}

/// Bad ones and all of the last hour, and of the last thirty days, which are the same here.
async fn counted(control: &Running, id: &str, place: &str) -> (u64, u64) {
    let Some(it) = at(control, id, place).await else { return (0, 0) };
    let (hour, month) = (&it.windows[0], &it.windows[3]);
    assert_eq!((hour.bad, hour.all), (month.bad, month.all));
    (hour.bad, hour.all)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_counts_shows_no_number() {
    let place = Place::new();
    let control = Running::start(&place).await;
    for id in ["M4", "M5", "M6", "M7", "M10"] {
        let it = indicator(&control, id).await;
        assert!(!it.has_source && it.places.is_empty(), "{it:?}");
    }
    let it = indicator(&control, "M1").await;
    assert!(it.has_source && it.places.is_empty(), "nothing was counted yet: {it:?}");
    assert!(!control.text("/v1/metrics").await.contains("bartizan_indicator_ratio{indicator=\"M1\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_count_once_also_over_a_restart() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    for calls in [400, 1000, 1000] {
        proxy.send_stats(&totals(calls, 2)).await;
    }
    wait_for("a thousand calls", async || {
        (counted(&control, "M3", "payment -> accounts").await == (2, 1000)).then_some(())
    })
    .await;
    for place in ["fleet", "accounts"] {
        assert_eq!(counted(&control, "M3", place).await, (2, 1000), "{place}");
        assert_eq!(counted(&control, "M1", place).await, (1, 1001), "{place}");
        assert_eq!(counted(&control, "M8", place).await, (3, 0), "{place}");
    }
    let it = at(&control, "M3", "accounts").await.unwrap();
    assert_eq!(it.standing, Some(Goal::Missed), "0.2 % where 0.1 % is the most");
    let budget = it.budget.unwrap();
    assert!((budget.left.unwrap() + 1.0).abs() < 1e-9 && budget.used == 2, "{budget:?}");
    assert_eq!(at(&control, "M1", "fleet").await.unwrap().standing, Some(Goal::Met));
    assert!(it.burns.iter().all(|burn| !burn.alight), "two are too few to be sure: {:?}", it.burns);
    let text = control.text("/v1/metrics").await;
    let line = "bartizan_indicator_ratio{indicator=\"M3\",place=\"payment -> accounts\",window=\"3600\"} 0.002";
    assert!(text.contains(line), "{text}");
    let line = "bartizan_error_budget_alight{indicator=\"M3\",place=\"fleet\",urgency=\"page\"} 0";
    assert!(text.contains(line), "{text}");

    control.stop().await;
    let control = Running::start(&place).await;
    assert_eq!(counted(&control, "M3", "fleet").await, (2, 1000), "kept");
    proxy = proxy.come_back(&control).await;
    proxy.send_stats(&totals(1500, 2)).await;
    wait_for("what came meanwhile", async || (counted(&control, "M3", "fleet").await == (2, 1500)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_does_not_come_into_force_counts_as_failed() {
    let place = Place::new();
    let control = Running::start(&place).await;
    // One snapshot of each kind at the start.
    assert_eq!(counted(&control, "M9", "fleet").await, (0, 4));
    let mut proxy = control.proxy_of("accounts").await;
    control.reload().await.unwrap();
    assert_eq!(counted(&control, "M9", "fleet").await, (0, 4), "nothing was new");
    place.write("policies/night.cedar", "forbid (principal, action, resource");
    control.reload().await.unwrap_err();
    assert_eq!(counted(&control, "M9", "fleet").await, (1, 5));
    place.write("policies/night.cedar", "forbid (principal == Workload::\"payment\", action, resource);");
    control.reload().await.unwrap();
    assert_eq!(counted(&control, "M9", "fleet").await, (1, 6));
    // A guard that refuses it makes it a failure after all, once.
    let (kind, epoch, _) = proxy.snapshot(&control).await;
    for _ in 0..2 {
        proxy.ack(kind, epoch, "cannot be read").await;
    }
    wait_for("the refusal", async || (counted(&control, "M9", "fleet").await == (2, 6)).then_some(())).await;
    // Whoever refuses it again after a restart says nothing new.
    control.stop().await;
    let control = Running::start(&place).await;
    proxy = proxy.come_back(&control).await;
    proxy.ack(kind, epoch, "cannot be read").await;
    proxy.send_stats(&totals(10, 0)).await;
    wait_for("what was sent after it", async || (counted(&control, "M3", "fleet").await == (0, 10)).then_some(()))
        .await;
    assert_eq!(counted(&control, "M9", "fleet").await, (2, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn objectives_count_where_the_file_says_so_until_it_says_something_else() {
    let place = Place::new();
    let objective = |target: &str| {
        format!(
            "version: 1\nwhen_nothing: unknown\nobjectives:\n  - {{ indicator: M3, service: accounts, target: below {target}, \
             owner: core, why: a test, expires: 2099-12-31 }}\n  - {{ indicator: M1, service: payment, target: at least 99 %, \
             when_nothing: missed, owner: core, why: silence, expires: 2099-12-31 }}\n"
        )
    };
    place.write("slo.yaml", &objective("0.1 %"));
    place.edit_fleet("services:", "objectives: slo.yaml\nservices:");
    let control = Running::start(&place).await;
    let proxy = control.proxy_of("accounts").await;
    proxy.send_stats(&totals(1000, 2)).await;
    let standing = async |place: &str| at(&control, "M3", place).await.and_then(|it| it.standing);
    wait_for("a thousand calls", async || (counted(&control, "M3", "accounts").await == (2, 1000)).then_some(())).await;
    assert_eq!(standing("accounts").await, Some(Goal::Missed));
    assert_eq!(at(&control, "M1", "payment").await.unwrap().standing, Some(Goal::Missed), "silence");

    // What is wrong changes nothing, and says where.
    place.write("slo.yaml", &objective("0 %"));
    let (_, refused) = control.reload().await.unwrap_err();
    assert!(refused.contains("slo.yaml:4:") && refused.contains("leaves no error budget"), "{refused}");
    assert_eq!(standing("accounts").await, Some(Goal::Missed));

    place.write("slo.yaml", &objective("0.5 %"));
    control.reload().await.unwrap();
    let it = at(&control, "M3", "accounts").await.unwrap();
    assert_eq!((it.standing, it.target.as_deref()), (Some(Goal::Met), Some("below 0.5 %")), "{it:?}");
    assert_eq!(standing("fleet").await, Some(Goal::Missed), "as it is asked everywhere");
    let said: bartizan_core::objectives::ObjectivesStatus = control.get("/v1/objectives").await;
    assert_eq!((said.objectives.len(), said.objectives[0].counts), (2, true), "{said:?}");
    let advice: bartizan_core::objectives::Advice =
        control.get("/v1/objectives/advice?indicator=M3&place=accounts").await;
    let in_force: Vec<_> = advice.of[0].candidates.iter().filter(|it| it.in_force).collect();
    assert_eq!((advice.of[0].all, in_force.len(), in_force[0].target.as_str()), (1000, 1, "below 0.5 %"), "{advice:?}");
    assert!(
        control
            .try_get::<bartizan_core::objectives::Advice>("/v1/objectives/advice?indicator=M77")
            .await
            .unwrap_err()
            .to_string()
            .contains("M1 to M10")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_something_else_is_left_aside() {
    let place = Place::new();
    std::fs::write(place.data().join("indicators.bin"), "rubbish").unwrap();
    let control = Running::start(&place).await;
    assert!(indicator(&control, "M3").await.places.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn expected_denials_attacks_and_drills_are_shown_apart() {
    let place = Place::new();
    place.edit_fleet("services:", "synthetic: { payment: drill }\nservices:");
    let control = Running::start(&place).await;
    let proxy = control.proxy_of("accounts").await;
    let told =
        |calls, denied, expected, attacks| EdgeStats { calls, denied, expected, attacks, ..EdgeStats::default() };
    let stats = ProxyStats {
        inbound: [
            ("payment".to_owned(), told(500, 500, 0, 0)),
            ("gateway".to_owned(), EdgeStats { unauthenticated: 1, ..told(1000, 60, 40, 15) }),
        ]
        .into(),
        attacks_refused: 3,
        ..ProxyStats::default()
    };
    proxy.send_stats(&stats).await;
    wait_for("the calls", async || (counted(&control, "M3", "fleet").await == (5, 985)).then_some(())).await;
    for place in ["fleet", "accounts"] {
        assert_eq!(counted(&control, "M1", place).await, (1, 1000), "{place}: what the drill did is no traffic");
        assert_eq!(counted(&control, "M8", place).await, (560, 0), "{place}");
    }
    let parts = async |id: &str, place: &str| -> Vec<(String, u64, u64)> {
        let at = at(&control, id, place).await.unwrap();
        at.parts.into_iter().map(|it| (it.part, it.windows[0].bad, it.windows[3].all)).collect()
    };
    let apart = |part: &str, bad, all| (part.to_owned(), bad, all);
    assert_eq!(parts("M3", "fleet").await, [apart("expected", 40, 0), apart("attack", 518, 0)]);
    assert_eq!(parts("M3", "payment -> accounts").await, [apart("attack", 500, 0)]);
    assert_eq!(parts("M1", "accounts").await, [apart("synthetic", 0, 500)]);
    assert_eq!(counted(&control, "M1", "gateway -> accounts").await, (1, 1000), "for each edge too");
    let text = control.text("/v1/metrics").await;
    for line in [
        "bartizan_indicator_part{indicator=\"M3\",place=\"fleet\",part=\"attack\",window=\"3600\"} 518",
        "bartizan_indicator_part{indicator=\"M1\",place=\"fleet\",part=\"synthetic\",window=\"86400\"} 500",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }

    // What was a drill is none any more: what follows counts as everybody's does.
    place.edit_fleet("synthetic: { payment: drill }\n", "");
    control.reload().await.unwrap();
    let more = ProxyStats { inbound: [("payment".to_owned(), told(600, 500, 0, 0))].into(), ..stats.clone() };
    let more = ProxyStats { inbound: stats.inbound.into_iter().chain(more.inbound).collect(), ..more };
    proxy.send_stats(&more).await;
    wait_for("the calls after it", async || (counted(&control, "M3", "fleet").await == (5, 1085)).then_some(())).await;
    assert_eq!(counted(&control, "M1", "payment -> accounts").await, (0, 100));
}
