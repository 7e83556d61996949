//! Packed content: whatever comes, it stays within its bound and ratio, and nothing panics.
#![no_main]

use bartizan_waf::limits::{UNPACK_FREE_BYTES, UNPACK_RATIO_MAX};
use bartizan_waf::unpack::Coding;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packed: &[u8]| {
    for coding in [Coding::Gzip, Coding::Deflate] {
        if let Ok(opened) = coding.unpack(packed, 1 << 20) {
            assert!(opened.len() <= (packed.len() * UNPACK_RATIO_MAX).max(UNPACK_FREE_BYTES).min(1 << 20));
        }
    }
});
