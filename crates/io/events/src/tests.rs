//! Events for tests.

use crate::StoredEvent;
use bartizan_core::event::{Class, EventId, Upshot};
use bartizan_core::{RequestId, ServiceName, Timestamp};

/// Event number `n`, whose fields vary with it.
pub(crate) fn event(n: u64) -> StoredEvent {
    StoredEvent {
        id: EventId(n / 3, n),
        at: Timestamp::from_millis(n * 7),
        service: (!n.is_multiple_of(4)).then(|| ServiceName::parse(&format!("s{}", n % 5)).unwrap()),
        identity: n.is_multiple_of(3).then(|| format!("spiffe://bank.test/svc/s{}", n % 6).into()),
        user: n.is_multiple_of(5).then(|| format!("spiffe://bank.test/svc/s{}", n % 7).into()),
        request: n.is_multiple_of(2).then(|| RequestId::parse(&format!("{:032x}", n / 2 + 1)).unwrap()),
        class: Class::numbered((n % 15) as u8),
        upshot: Upshot::numbered((n % 3) as u8).unwrap(),
        record: format!("record {n}").into_bytes(),
    }
}
