//! From an event to what is stored: redacted, as OCSF with its context, and in compact form for `explain`.

use crate::limits::EVENT_BYTES_MAX;
use bartizan_core::event::{Context, Event, What, to_ocsf};
use bartizan_core::fleet::Fleet;
use bartizan_core::{SpiffeId, redact};
use bartizan_store::StoredEvent;

/// First byte of the compact form. Another number means that another version of this program wrote it.
const RECORD_VERSION: u8 = 1;

/// The stored form of an event that happened on `host`. What must not be stored is gone from it.
pub(crate) fn write(mut event: Event, fleet: &Fleet, host: Option<&str>) -> StoredEvent {
    redact::redact_event(&mut event);
    let service = event.service.as_ref().and_then(|name| fleet.services.get(name));
    let context = Context {
        trust_domain: &fleet.trust_domain,
        fleet: fleet.name.as_str(),
        host,
        product_version: env!("CARGO_PKG_VERSION"),
        owner: service.and_then(|service| service.owner.as_deref()),
        data: service.map_or(&[], |service| &service.data),
    };
    let ocsf = to_ocsf(&event, &context);
    let class_uid = ocsf.get("class_uid").and_then(serde_json::Value::as_u64);
    StoredEvent {
        id: event.id,
        at: event.at,
        service: event.service.clone(),
        seen_by: event.seen_by,
        class_uid: class_uid.and_then(|uid| u32::try_from(uid).ok()).unwrap_or(0),
        request: event.request,
        denied: event.is_denial(),
        status: status(&event),
        peer: peer(&event).map(SpiffeId::to_string),
        json: ocsf.to_string(),
        record: compact(&event),
    }
}

/// The event in a stored record; `None` where another version of this program wrote it.
pub(crate) fn read(record: &[u8]) -> Option<Event> {
    let (&version, bytes) = record.split_first()?;
    if version != RECORD_VERSION {
        return None;
    }
    postcard::from_bytes(bytes).ok()
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

fn compact(event: &Event) -> Vec<u8> {
    postcard::to_extend(event, vec![RECORD_VERSION]).expect("an event is plain data, and memory is there")
}

fn status(event: &Event) -> Option<u16> {
    match &event.what {
        What::Request(request) => Some(request.status),
        What::Refused(refused) => Some(refused.status).filter(|status| *status != 0),
        _ => None,
    }
}

fn peer(event: &Event) -> Option<&SpiffeId> {
    match &event.what {
        What::Request(request) => request.peer.as_ref(),
        What::Connection(connection) => connection.peer.as_ref(),
        What::Handshake(handshake) => handshake.peer.as_ref(),
        What::Refused(refused) => refused.peer.as_ref(),
        What::Config(_) | What::Process(_) | What::Identity(_) | What::Loss(_) => None,
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
        let back = read(&stored.record).unwrap();
        assert_eq!((back.id, back.at, &back.service), (event.id, event.at, &event.service));
        assert!(!String::from_utf8_lossy(&stored.record).contains("c2VjcmV0LW1hcmtlcg"));
        assert!(!stored.json.contains("c2VjcmV0LW1hcmtlcg"), "{}", stored.json);
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
        let mut other = write(request_event(1), &fleet(), None).record;
        other[0] = 9;
        assert_eq!(read(&other), None, "another version");
        assert_eq!(read(&[]), None);
    }
}
