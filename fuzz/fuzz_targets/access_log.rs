#![no_main]
//! Lines of access logs: whatever they are, a record stays within its bounds, and no query of it goes to the store.
use bartizan_core::Timestamp;
use bartizan_core::event::Signal;
use bartizan_detect::mark;
use bartizan_telemetry::limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX};
use bartizan_telemetry::{Scene, ndjson, syslog};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let scene = Scene { source: "fuzz".into(), from: "me".into(), now: Timestamp::from_secs(1_800_000_000) };
    let of_line = syslog::read(format!("<190>1 - host app - - - {text}").as_bytes(), &scene);
    let of_json = ndjson::read_line(text.as_bytes(), &scene);
    for handed in [of_line, of_json].into_iter().flatten() {
        let mut it = handed.telemetry;
        let query = it.attribute("url.query").map(str::to_owned);
        mark(&mut it);
        assert!(it.attributes.len() <= ATTRIBUTES_MAX && it.attribute("url.query").is_none());
        let bytes: usize = it.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!(bytes <= ATTRIBUTE_BYTES_MAX + 64);
        if it.signal == Signal::Access {
            assert!(query.is_none_or(|query| query.len() < 16 || !it.body.contains(&format!("?{query}"))));
        }
    }
});
