//! JSON bodies: what is taken is what serde_json reads, and the places of values are places in the text.
#![no_main]

use bartizan_waf::json::{Bounds, pointer, read, without};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(tree) = read(bytes, &Bounds::BODY) else { return };
    let other: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    // Numbers beyond doubles, and nothing else, are taken here alone.
    assert!(other.is_ok() || bytes.iter().any(|byte| matches!(byte, b'e' | b'E')) || bytes.len() > 300);
    for id in 0..u32::try_from(tree.len()).unwrap_or(0).min(50) {
        let (from, to) = tree.node(id).span;
        assert!(from < to && to as usize <= bytes.len());
        assert!(pointer(&tree, id).is_empty() == (id == 0));
        if tree.node(id).key.is_some() {
            let rest = without(bytes, &tree, &[id]);
            assert!(read(&rest, &Bounds::BODY).is_ok());
        }
    }
});
