//! Events as proxies send them.

use crate::limits::EVENT_BYTES_MAX;
use bartizan_core::event::Event;

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
    use crate::tests::request_event;

    #[test]
    fn refuses_what_is_no_event() {
        let good = postcard::to_allocvec(&request_event(1)).unwrap();
        assert!(decode(&good).is_some());
        assert!(decode(&[good.clone(), vec![0]].concat()).is_none(), "a byte too many");
        assert!(decode(&vec![0; EVENT_BYTES_MAX + 1]).is_none(), "too long");
        for cut in 0..good.len() {
            assert!(decode(&good[..cut]).is_none(), "cut at {cut}");
        }
    }
}
