//! What the kernel says of a process's cgroups: no text makes reading panic, and a container that is found stands in the text.
#![no_main]

use bartizan_identity::container::container_of;
use bartizan_identity::entry::unit_of;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = unit_of(text);
    if let Some(found) = container_of(text) {
        assert_eq!(found.id.len(), 64);
        assert!(text.contains(&found.path) && found.path.contains(&found.id));
        // What is below it is in the same container.
        let below = format!("0::{}/init", found.path);
        assert_eq!(container_of(&below), Some(found));
    }
});
