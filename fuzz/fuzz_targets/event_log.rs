//! Blocks of the log of events: whatever lies on disk, a whole block comes back as it was, and nothing else does.
#![no_main]

use bartizan_store::StoredEvent;
use bartizan_store::log_blocks::{HEADER_BYTES, Header, encode, keys, next_header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert!(next_header(bytes).is_none_or(|at| at < bytes.len()));
    let Some(header) = Header::read(bytes) else { return };
    let Some((key_bytes, rest)) = bytes[HEADER_BYTES..].split_at_checked(header.keys as usize) else { return };
    let Some(records) = rest.get(..header.records as usize).filter(|records| header.fits_records(records)) else {
        return;
    };
    let Some(found) = keys(&header, key_bytes) else { return };
    let events: Vec<StoredEvent> = found
        .into_iter()
        .map(|key| StoredEvent {
            id: key.id,
            at: key.at,
            service: key.service,
            request: key.request,
            denied: key.denied,
            record: records[key.record].to_vec(),
        })
        .collect();
    let again = encode(&events).expect("it was read");
    let header = Header::read(&again).expect("it was written");
    let found = keys(&header, &again[HEADER_BYTES..HEADER_BYTES + header.keys as usize]).expect("it was written");
    assert!(found.iter().zip(&events).all(|(key, event)| key.id == event.id && key.service == event.service));
});
