//! Conditions of silences as clients of an Alertmanager write them: what is read is one, and judging by it ends.
#![no_main]

use bartizan_alerts::silence::{fits, matcher};
use bartizan_core::moment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(it) = matcher(text) {
        assert!(!it.name.is_empty());
        if !it.is_regex {
            assert_eq!(fits(&it, &it.value), it.is_equal);
        }
        let _ = fits(&it, "ledger");
    }
    if let Some(at) = moment::read(text) {
        assert_eq!(moment::read(&moment::write(at)), Some(at));
    }
});
