//! Blocks of the store of events: whatever lies on disk, a whole block comes back as it was, and nothing else does.
#![no_main]

use bartizan_events::blocks::{Header, decode, earlier, encode, next_header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    assert!(next_header(bytes).is_none_or(|at| at < bytes.len()));
    let _ = earlier(bytes);
    if let Some(header) = Header::read(bytes) {
        let _ = header.keys(bytes);
        let _ = header.records(bytes);
    }
    let Some(events) = decode(bytes) else { return };
    let again = encode(&events, true).expect("it was read");
    assert_eq!(decode(&again).as_ref(), Some(&events));
});
