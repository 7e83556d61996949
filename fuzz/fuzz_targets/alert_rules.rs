//! Files of alert rules: what is let through has an owner and a runbook, and can be rehearsed without harm.
#![no_main]

use bartizan_core::alerts::{Severity, Urgency};
use bartizan_core::fleet::parse_rules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| match parse_rules(text, "alerts.yaml", None) {
    Ok(rules) => {
        for it in rules {
            assert!(!it.owner.trim().is_empty() && !it.runbook.trim().is_empty() && !it.summary.trim().is_empty(), "{it:?}");
            assert!(it.urgency == Urgency::Ticket || it.severity > Severity::Low, "{it:?}");
            assert!(it.for_s <= 86_400 && it.keep_s <= 86_400, "{it:?}");
        }
    }
    Err(errors) => assert!(errors.as_slice().iter().all(|it| !it.to_string().contains(char::is_control)), "{errors}"),
});
