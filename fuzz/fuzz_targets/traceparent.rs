//! `traceparent`: what is read is printed so that it reads the same, and version 00 prints back as it came.
#![no_main]

use bartizan_core::TraceContext;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Some(context) = TraceContext::parse(text) else { return };
    assert_ne!(context.span, 0);
    assert_eq!(TraceContext::parse(std::str::from_utf8(&context.header()).expect("ASCII")), Some(context));
    if text.starts_with("00-") {
        assert_eq!(context.header(), text.as_bytes());
    }
});
