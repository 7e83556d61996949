//! The ledger: what belongs there is there, signed, once, over restarts; and what tampering leaves behind.

use crate::support::{Place, Running, service, wait_for};
use bartizan_audit::{Audit, Checkpoint, Report, VerifierKey};
use bartizan_control::ControlError;
use bartizan_core::event::{Event, EventId, Judged, Request, SeenBy, What};
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, Timestamp, Verdict};
use bartizan_events::record;
use bartizan_ledger::{Piece, read};
use tokio_util::sync::CancellationToken;

/// Event `n` of `accounts`: a request at `n` milliseconds, denied where `n` is odd.
fn request(n: u64) -> Event {
    let verdict = if n % 2 == 1 { Verdict::Deny } else { Verdict::Allow };
    let what = What::Request(Request {
        peer: Some("spiffe://bank.test/svc/payment".parse().unwrap()),
        to: service("accounts"),
        method: "GET".into(),
        path: format!("/accounts/{n}").into(),
        route: None,
        action: Action::Read,
        decision: Some(Judged { verdict, policies: Vec::new(), reason: None, epoch: Epoch(1) }),
        status: if n % 2 == 1 { 403 } else { 200 },
        error: None,
        took_us: 700,
        added_us: 70,
        client: None,
        user: None,
        span: n + 1,
        parent_span: 0,
    });
    let (id, at) = (EventId(42, n), Timestamp::from_millis(n));
    Event { id, at, service: Some(service("accounts")), seen_by: SeenBy::Inbound, request: None, what }
}

fn key(place: &Place) -> VerifierKey {
    VerifierKey::parse(std::fs::read_to_string(place.data().join("ledger.pub")).unwrap().trim()).unwrap()
}

/// How an audit comes out, and the events in the ledger.
fn audited(place: &Place, expected: Vec<Checkpoint>) -> (Report, Vec<Event>) {
    let key = key(place);
    let (mut audit, mut events) = (Audit::new(&key).expect(expected), Vec::new());
    read(&place.data().join("ledger"), |place, piece| match piece {
        Piece::Entry(entry) => {
            audit.entry(entry);
            events.push(record::read_bytes(entry).unwrap().event);
        }
        Piece::Mark(mark) => audit.mark(place, mark),
        Piece::Seal(seal) => audit.seal(place, seal),
        Piece::Damaged | Piece::Torn => audit.damaged(place),
    })
    .unwrap();
    (audit.finish(), events)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_and_changed_is_in_it_once_when_its_batch_is_confirmed() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    let batch: Vec<Event> = (0..10).map(request).collect();
    proxy.deliver(1, &batch).await;
    // Confirmed, so it is there: nothing is waited for.
    let (report, events) = audited(&place, vec![]);
    assert!(report.is_good(), "{report:?}");
    let ours: Vec<u64> = events.iter().filter(|event| event.id.0 == 42).map(|event| event.id.1).collect();
    assert_eq!(ours, [1, 3, 5, 7, 9], "the denied ones alone");
    assert!(events.iter().any(|event| matches!(event.what, What::Config(_))), "changes are in it too");

    let mut proxy = proxy.come_back(&control).await;
    proxy.deliver(1, &batch).await;
    control.stop().await;
    let (before, _) = audited(&place, vec![]);

    let control = Running::start(&place).await;
    let mut proxy = proxy.come_back(&control).await;
    proxy.deliver(1, &batch).await;
    proxy.deliver(2, &[request(11)]).await;
    let status = control.status().await.ledger;
    control.stop().await;
    let (report, events) = audited(&place, before.last.into_iter().collect());
    assert!(report.is_good() && report.entries > before.entries, "{report:?}, before {}", before.entries);
    let ours: Vec<u64> = events.iter().filter(|event| event.id.0 == 42).map(|event| event.id.1).collect();
    assert_eq!(ours, [1, 3, 5, 7, 9, 11], "each once, also where it is sent again");
    assert_eq!(status.key, key(&place).to_string());
    assert!(status.entries > 0 && status.lost == 0 && status.reason.is_none(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_does_not_go_on_with_it() {
    let place = Place::new();
    Running::start(&place).await.stop().await;
    let key = place.data().join("ledger.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let refused = bartizan_control::serve(place.options(), CancellationToken::new()).await;
    assert!(matches!(refused, Err(ControlError::Ledger(_))), "{refused:?}");
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("put its key back, or move the folder away"), "{text}");
    std::fs::write(&key, "short").unwrap();
    let refused = bartizan_control::serve(place.options(), CancellationToken::new()).await;
    assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("64 hexadecimal digits")), "{refused:?}");
    std::fs::write(&key, kept).unwrap();
    Running::start(&place).await.stop().await;
    assert!(audited(&place, vec![]).0.is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_ledger_that_cannot_be_written_and_the_gap_is_told() {
    let place = Place::new();
    let control = Running::start(&place).await;
    let mut proxy = control.proxy_of("accounts").await;
    proxy.deliver(1, &[request(1)]).await;
    // Its file goes on being written until it is full; a folder that is a file keeps the next one from being made.
    let (dir, aside) = (place.data().join("ledger"), place.data().join("aside"));
    std::fs::rename(&dir, &aside).unwrap();
    std::fs::write(&dir, "in the way").unwrap();
    proxy.deliver(2, &[request(3)]).await;
    let status = control.status().await.ledger;
    assert!(status.lost > 0 && status.reason.is_some(), "{status:?}");
    assert_eq!(control.events("?until_ms=1000&limit=1000&service=accounts").await.len(), 2, "events go on");

    std::fs::remove_file(&dir).unwrap();
    std::fs::rename(&aside, &dir).unwrap();
    proxy.deliver(3, &[request(5)]).await;
    wait_for("the gap in the ledger", async || {
        let (report, events) = audited(&place, vec![]);
        assert!(report.is_good(), "{report:?}");
        let told =
            events.iter().any(|event| matches!(&event.what, What::Loss(loss) if &*loss.arrow == "control.ledger"));
        told.then_some(())
    })
    .await;
    assert_eq!(control.status().await.ledger.reason, None);
    control.stop().await;
}
