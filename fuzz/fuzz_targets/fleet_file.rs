//! The fleet file: a fleet that is let through keeps what the model promises; a refusal names a place in the file.
#![no_main]

use bartizan_core::fleet::parse;
use bartizan_core::name::GATEWAY;
use libfuzzer_sys::fuzz_target;
use std::collections::HashSet;

fuzz_target!(|text: &str| {
    match parse(text, "fleet.yaml") {
        Ok(fleet) => {
            let mut addresses = HashSet::new();
            for (name, service) in &fleet.services {
                assert_ne!(name.as_str(), GATEWAY);
                assert!(service.listen.ip().is_loopback() && service.listen.port() != 0);
                assert!(addresses.insert(service.listen), "{} is used twice", service.listen);
                for via in service.calls.iter().filter_map(|call| call.via) {
                    assert!(via.ip().is_loopback() && addresses.insert(via), "{via}");
                }
            }
            for (from, to) in fleet.edges() {
                assert!(from != to && fleet.services.contains_key(&to), "{from} calls {to}");
            }
        }
        Err(errors) => {
            assert!(!errors.as_slice().is_empty());
            let lines = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count() as u64;
            for error in errors.as_slice() {
                assert!(error.line <= lines, "{error}");
                assert!(!error.to_string().contains(char::is_control), "{error}");
            }
        }
    }
});
