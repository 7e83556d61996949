//! Legal holds: who may hold what, that it is told and outlives a restart, and that a file nobody can follow is not passed over.

use crate::support::{Place, Running, service};
use bartizan_control::ControlError;
use bartizan_core::Timestamp;
use bartizan_core::retention::{Hold, HoldScope, HoldWanted, Holds, ReleaseWanted};
use bartizan_runtime::local::LocalError;
use tokio_util::sync::CancellationToken;

fn wanted(name: &str) -> HoldWanted {
    HoldWanted { name: service(name), reason: "a court asks for it".to_owned(), scope: HoldScope::default() }
}

fn told(answer: Result<Hold, LocalError>) -> Result<Hold, (u16, String)> {
    answer.map_err(|error| match error {
        LocalError::Refused { status, body } => (status, body),
        other => panic!("{other:?}"),
    })
}

async fn hold(control: &Running, wanted: &HoldWanted) -> Result<Hold, (u16, String)> {
    told(control.post("/v1/holds/hold", wanted).await)
}

async fn release(control: &Running, name: &str, reason: &str) -> Result<Hold, (u16, String)> {
    let wanted = ReleaseWanted { name: service(name), reason: reason.to_owned() };
    told(control.post("/v1/holds/release", &wanted).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_told_with_its_reason_and_stays_over_a_restart_until_it_is_released() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let scope = HoldScope { service: Some(service("payment")), ..HoldScope::default() };
    let before = control.status().await.ledger.entries;
    let held = hold(&control, &HoldWanted { scope, ..wanted("case-17") }).await.unwrap();
    assert!(held.by.starts_with("uid ") && held.since > Timestamp::from_secs(0), "{held:?}");
    assert_eq!(control.status().await.events.holds, 1);
    control.wait_for_events("?class=person&text=a%20court%20asks", 1).await;
    assert!(control.status().await.ledger.entries > before, "it is in the ledger");
    control.stop().await;

    let control = Running::start(&place).await;
    assert_eq!(control.get::<Holds>("/v1/holds").await.holds, std::slice::from_ref(&held));
    assert_eq!(control.status().await.events.holds, 1);
    assert_eq!(release(&control, "case-17", "the case is closed").await.unwrap(), held);
    control.wait_for_events("?class=person&text=the%20case%20is%20closed", 1).await;
    assert_eq!(control.get::<Holds>("/v1/holds").await, Holds::default());
    assert_eq!(control.status().await.events.holds, 0);
    assert_eq!(release(&control, "case-17", "twice").await.unwrap_err().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hold_is_refused_and_nothing_changes() {
    let place = Place::new();
    let control = Running::start(&place).await;
    hold(&control, &wanted("case-17")).await.unwrap();
    let at = |seconds| Some(Timestamp::from_secs(seconds));
    let scoped = |scope| HoldWanted { scope, ..wanted("case-18") };
    for (wanted, status) in [
        (wanted("case-17"), 409),
        (HoldWanted { reason: " ".to_owned(), ..wanted("case-18") }, 400),
        (HoldWanted { reason: "x".repeat(2_000), ..wanted("case-18") }, 400),
        (scoped(HoldScope { service: Some(service("paymnt")), ..HoldScope::default() }), 404),
        (scoped(HoldScope { from: at(9), until: at(8), ..HoldScope::default() }), 400),
        (scoped(HoldScope { identity: Some(String::new()), ..HoldScope::default() }), 400),
    ] {
        let (found, why) = hold(&control, &wanted).await.unwrap_err();
        assert_eq!(found, status, "{wanted:?}: {why}");
    }
    assert_eq!(release(&control, "case-17", "").await.unwrap_err().0, 400, "not without a reason");
    for n in 1..64 {
        hold(&control, &wanted(&format!("more-{n}"))).await.unwrap();
    }
    assert_eq!(hold(&control, &wanted("one-more")).await.unwrap_err().0, 409, "there is an end to it");
    assert_eq!(control.get::<Holds>("/v1/holds").await.holds.len(), 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_says_nothing_that_could_be_followed_keeps_control_from_starting() {
    let place = Place::new();
    Running::start(&place).await.stop().await;
    for text in ["rubbish", "{}", r#"{"holds": [{"name": "a"}]}"#, r#"{"holds": [], "more": 1}"#] {
        std::fs::write(place.data().join("holds.json"), text).unwrap();
        let error = bartizan_control::serve(place.options(), CancellationToken::new()).await.unwrap_err();
        assert!(matches!(error, ControlError::Holds(_)), "{text}: {error:?}");
        assert!(error.to_string().contains("holds.json"), "{error}");
    }
}
