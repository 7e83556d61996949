//! Frames of the journal of certificates: whatever lies on disk, whole records come back as they were, and nothing else does.
#![no_main]

use bartizan_store::journal_frames::{decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (records, taken) = decode(bytes);
    assert!(taken <= bytes.len());
    let again: Vec<u8> = records.iter().flat_map(|record| encode(record).expect("it was read")).collect();
    assert_eq!(decode(&again).0, records);
});
