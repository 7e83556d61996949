//! From an event to what is stored and back: redacted, with its context, in a compact form of which the OCSF record is made
//! when somebody asks for it.
//!
//! The text of an OCSF record is twenty times as long as what it is made from, and most are never read.

use crate::limits::EVENT_BYTES_MAX;
use bartizan_core::event::{Context, Event, What, to_ocsf};
use bartizan_core::fleet::Fleet;
use bartizan_core::{ServiceName, TrustDomain, redact};
use bartizan_store::StoredEvent;
use serde::{Deserialize, Serialize};

/// First byte of the compact form. Another number means that another version of this program wrote it.
const RECORD_VERSION: u8 = 2;
/// Room for the compact form of most events, in bytes.
const RECORD_BYTES: usize = 512;

/// An event with the context of the moment in which it was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) event: Event,
    trust_domain: TrustDomain,
    fleet: String,
    host: Option<String>,
    product_version: String,
    owner: Option<String>,
    data: Vec<String>,
    unguarded: bool,
}

impl Record {
    /// The OCSF record.
    pub(crate) fn ocsf(&self) -> serde_json::Value {
        let Self { event, trust_domain, fleet, host, product_version, owner, data, unguarded } = self;
        let (host, owner) = (host.as_deref(), owner.as_deref());
        to_ocsf(event, &Context { trust_domain, fleet, host, product_version, owner, data, unguarded: *unguarded })
    }
}

/// A [`Record`] to be written: the same fields in the same order, borrowed.
#[derive(Serialize)]
struct Writing<'a> {
    event: &'a Event,
    trust_domain: &'a TrustDomain,
    fleet: &'a str,
    host: Option<&'a str>,
    product_version: &'a str,
    owner: Option<&'a str>,
    data: &'a [String],
    unguarded: bool,
}

/// The stored form of an event that happened on `host`. What must not be stored is gone from it.
pub(crate) fn write(mut event: Event, fleet: &Fleet, host: Option<&str>) -> StoredEvent {
    redact::redact_event(&mut event);
    let service = event.service.as_ref().and_then(|name| fleet.services.get(name));
    let record = Writing {
        event: &event,
        trust_domain: &fleet.trust_domain,
        fleet: fleet.name.as_str(),
        host,
        product_version: env!("CARGO_PKG_VERSION"),
        owner: service.and_then(|service| service.owner.as_deref()),
        data: service.map_or(&[], |service| service.data.as_slice()),
        unguarded: callee(&event).is_some_and(|name| !fleet.has_guard(name)),
    };
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    bytes.push(RECORD_VERSION);
    let record = postcard::to_extend(&record, bytes).expect("a record is plain data, and memory is there");
    let denied = event.is_denial();
    StoredEvent { id: event.id, at: event.at, service: event.service, request: event.request, denied, record }
}

/// Whom a call was for.
fn callee(event: &Event) -> Option<&ServiceName> {
    match &event.what {
        What::Request(it) => Some(&it.to),
        What::Connection(it) => Some(&it.to),
        _ => None,
    }
}

/// As [`write`], on a host without name.
#[cfg(test)]
pub(crate) fn stored(event: Event, fleet: &Fleet) -> StoredEvent {
    write(event, fleet, None)
}

/// What was stored; `None` where another version of this program wrote it.
pub(crate) fn read(stored: &StoredEvent) -> Option<Record> {
    let (&version, bytes) = stored.record.split_first()?;
    if version != RECORD_VERSION {
        return None;
    }
    postcard::from_bytes(bytes).ok()
}

/// The OCSF record as one line; for what another version wrote, a line that says so.
pub(crate) fn line(stored: &StoredEvent) -> String {
    let record = read(stored).map_or_else(
        || serde_json::json!({ "bartizan_unreadable": stored.id.to_string(), "time": stored.at, "message": "written by another version" }),
        |record| record.ocsf(),
    );
    format!("{record}\n")
}

/// An event as a proxy sends it; `None` where it is none, or has bytes after its end.
pub(crate) fn decode(bytes: &[u8]) -> Option<Event> {
    if bytes.len() > EVENT_BYTES_MAX {
        return None;
    }
    match postcard::take_from_bytes(bytes) {
        Ok((event, [])) => Some(event),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{fleet, request_event};

    #[test]
    fn the_compact_form_comes_back_redacted_like_the_rest() {
        let mut event = request_event(1);
        let What::Request(request) = &mut event.what else { unreachable!() };
        request.path = "/reset/Bearer%20eyJhbGciOiJub25lIn0.e30.c2VjcmV0LW1hcmtlcg".into();
        let stored = write(event.clone(), &fleet(), Some("here"));
        let back = read(&stored).unwrap().event;
        assert_eq!((back.id, back.at, &back.service), (event.id, event.at, &event.service));
        assert!(!String::from_utf8_lossy(&stored.record).contains("c2VjcmV0LW1hcmtlcg"));
        assert!(!line(&stored).contains("c2VjcmV0LW1hcmtlcg"), "{}", line(&stored));
    }

    #[test]
    fn refuses_what_is_no_event() {
        let good = postcard::to_allocvec(&request_event(1)).unwrap();
        assert!(decode(&good).is_some());
        assert!(decode(&[good.clone(), vec![0]].concat()).is_none(), "a byte too many");
        assert!(decode(&vec![0; EVENT_BYTES_MAX + 1]).is_none(), "too long");
        for cut in 0..good.len() {
            assert!(decode(&good[..cut]).is_none(), "cut at {cut}");
        }
        let mut other = write(request_event(1), &fleet(), None);
        other.record[0] = 9;
        assert_eq!(read(&other), None, "another version");
        assert!(line(&other).contains("another version"));
        other.record.clear();
        assert_eq!(read(&other), None);
    }
}
