//! Parameters of a request to the authorization server: no body makes reading panic, and what is read is read the same again.
#![no_main]

use bartizan_tokens::form::Form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(form) = Form::parse(data) else { return };
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let again: Vec<_> = form.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    // Escaped whole it may be longer than a body may be.
    if let Ok(again) = Form::parse(again.join("&").as_bytes()) {
        assert!(again == form, "another reading");
    }
});
