//! The file of objectives: what is let through leaves a budget and names what there is; a refusal names a place in the file.
#![no_main]

use bartizan_core::fleet::{Fleet, parse, parse_objectives};
use bartizan_core::objectives::{BAD_SHARE_MAX, BAD_SHARE_MIN};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static FLEET: LazyLock<Fleet> = LazyLock::new(|| {
    let text = "fleet: a\ntrust_domain: a.test\nservices:\n  a: {listen: \"127.0.0.1:7001\", calls: [b]}\n  b: {listen: \"127.0.0.1:7002\"}\n";
    parse(text, "fleet.yaml").expect("a fleet")
});

fuzz_target!(|text: &str| match parse_objectives(text, "slo.yaml", &FLEET) {
    Ok(said) => {
        for it in said {
            assert!((BAD_SHARE_MIN..=BAD_SHARE_MAX).contains(&it.bad_max), "{it:?}");
            assert!(!it.owner.trim().is_empty() && !it.why.trim().is_empty() && it.window_s >= 7 * 86_400, "{it:?}");
        }
    }
    Err(errors) => assert!(errors.as_slice().iter().all(|it| !it.to_string().contains(char::is_control)), "{errors}"),
});
