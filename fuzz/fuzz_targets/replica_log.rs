//! Frames of the log of a member: whatever lies on disk, whole ones come back as they were, and nothing else does.
#![no_main]

use bartizan_replica::frames::{Read, decode, encode};
use libfuzzer_sys::fuzz_target;

const MOST: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let mut at = 0;
    while let Read::Whole(body, taken) = decode(&bytes[at..], MOST) {
        assert_eq!(encode(body, MOST).as_deref(), Some(&bytes[at..at + taken]));
        at += taken;
    }
    assert!(at <= bytes.len());
});
