//! Folders that an earlier build wrote are taken over.

use crate::{Place, held};
use bartizan_core::event::{Class, Event, EventId, Handshake, HandshakeFailure, Judged, Request, SeenBy, Upshot, What};
use bartizan_core::fleet::{self, Fleet};
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Action, ServiceName, Timestamp, Verdict};
use bartizan_crypto::hash::sha256;
use bartizan_events::record;

const FLEET: &str = "fleet: bank\ntrust_domain: bank.test\nservices:\n  accounts: { listen: \"127.0.0.1:7102\", protocol: http, owner: ann }\n";

fn fleet() -> Fleet {
    fleet::parse(FLEET, "fleet.yaml").unwrap()
}

/// Event `n`: every third is a failed handshake, the others are requests, the odd ones denied.
fn event(n: u64) -> Event {
    let accounts = ServiceName::parse("accounts").unwrap();
    let what = if n.is_multiple_of(3) {
        What::Handshake(Handshake {
            peer: None,
            remote: None,
            failure: Some(HandshakeFailure::NoCertificate),
            detail: None,
            group: None,
            suite: None,
            took_us: 5,
        })
    } else {
        let verdict = if n % 2 == 1 { Verdict::Deny } else { Verdict::Allow };
        What::Request(Request {
            peer: None,
            to: accounts.clone(),
            method: "GET".into(),
            path: "/accounts/7".into(),
            route: None,
            action: Action::Read,
            decision: Some(Judged { verdict, policies: Vec::new(), reason: None, epoch: Epoch(1) }),
            status: 200,
            error: None,
            took_us: 900,
            added_us: 90,
            client: None,
            user: Some("ana".into()),
            span: n,
            parent_span: 0,
        })
    };
    let at = Timestamp::from_millis(n);
    Event { id: EventId(9, n), at, service: Some(accounts), seen_by: SeenBy::Inbound, request: None, what }
}

/// A block as the build before this layout wrote it: 47 bytes of keys for each event.
fn block(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let (mut keys, mut records) = (1u16.to_le_bytes().to_vec(), Vec::new());
    keys.extend_from_slice(b"\x08accounts");
    for n in numbers {
        records.extend_from_slice(&record::write(event(n), &fleet(), None).record);
        keys.extend_from_slice(&n.to_le_bytes());
        keys.extend_from_slice(&9u64.to_le_bytes());
        keys.extend_from_slice(&n.to_le_bytes());
        keys.extend_from_slice(&[0; 16]);
        keys.extend_from_slice(&0u16.to_le_bytes());
        keys.push(u8::from(event(n).is_denial()));
        keys.extend_from_slice(&(records.len() as u32).to_le_bytes());
    }
    let mut block = b"BZEB".to_vec();
    block.extend_from_slice(&(keys.len() as u32).to_le_bytes());
    block.extend_from_slice(&(records.len() as u32).to_le_bytes());
    block.extend_from_slice(&sha256(&keys)[..8]);
    block.extend_from_slice(&sha256(&records)[..8]);
    [block, keys, records].concat()
}

#[tokio::test]
async fn events_of_the_layout_before_are_found_once_they_are_taken_over() {
    let place = Place::new();
    std::fs::create_dir(place.events()).unwrap();
    let (mut damaged, old) = (block(20..23), place.events().join("000000000007.events"));
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    std::fs::write(&old, [b"BZEVENT1".to_vec(), block(0..5), damaged, block(10..12)].concat()).unwrap();
    std::fs::write(place.events().join("000000000006.events"), [b"BZEVENT1".to_vec(), block(30..31)].concat()).unwrap();

    let store = place.open().await;
    store.append(vec![crate::event(1)]).await.unwrap();
    assert!(place.files()[2].ends_with("000000000008.events"), "{:?}", place.files());
    store.tend(Timestamp::from_secs(0)).await;
    assert!(!old.exists());
    let found: Vec<_> = held(&store).await.into_iter().filter(|event| event.id.0 == 9).collect();
    let numbers: Vec<u64> = found.iter().map(|event| event.id.1).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 10, 11, 30], "without the damaged block");
    for stored in &found {
        let event = event(stored.id.1);
        assert_eq!((stored.at, &stored.service, stored.user.as_deref()), (event.at, &event.service, event.user()));
        assert_eq!((stored.class, stored.upshot), (Some(event.class()), event.upshot()));
        assert_eq!(record::read(stored).unwrap().event, event);
    }
    assert!(found.iter().any(|event| event.upshot == Upshot::Denied && event.class == Some(Class::Handshake)));
    // What was there is known: a guard may send it again.
    let again = store.append(found.clone()).await.unwrap();
    assert_eq!((again.new, again.known), (0, 8));
    store.close().await;
    let found_again: Vec<_> = held(&place.open().await).await.into_iter().filter(|event| event.id.0 == 9).collect();
    assert_eq!(found_again, found, "also after a start");
}
