//! Redaction: a planted secret is gone whatever stands around it, and nothing comes out that was not there.
#![no_main]

use bartizan_core::redact::{REDACTED, find_all, redact, redact_all};
use libfuzzer_sys::fuzz_target;

const MARKER: &str = "PLANTED7marker";
const SECRETS: &[&str] = &[
    "password=PLANTED7marker",
    "\"api_key\": \"PLANTED7marker\"",
    "Bearer PLANTED7marker",
    "eyJPLANTED7marker.eyJPLANTED7marker.PLANTED7marker",
    "-----BEGIN EC PRIVATE KEY-----\nPLANTED7marker\n-----END EC PRIVATE KEY-----",
    "amqp://bank:PLANTED7marker@mq/",
    "q1W2e3R4t5Y6PLANTED7marker9P0a1S2d3F4g5H6j7K8",
];

fuzz_target!(|input: (u8, &str, &str)| {
    let (which, before, after) = input;
    let secret = SECRETS[usize::from(which) % SECRETS.len()];
    let text = format!("{before} {secret} {after}");
    let clean = redact(&text);
    if !before.contains(MARKER) && !after.contains(MARKER) {
        assert!(!clean.contains(MARKER), "{clean}");
    }
    let all = redact_all(&text);
    for kept in all.split(REDACTED) {
        assert!(text.contains(kept), "{kept:?} was not in the text");
    }
    let found = find_all(&text);
    assert!(found.iter().all(|it| text.get(it.range.clone()).is_some_and(|it| !it.is_empty())));
    assert!(found.windows(2).all(|two| two[0].range.end <= two[1].range.start), "{found:?}");
    for kept in clean.split(REDACTED) {
        assert!(text.contains(kept), "{kept:?} was not in the text");
    }
});
