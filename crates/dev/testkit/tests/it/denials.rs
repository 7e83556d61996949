//! What was denied is counted once, as what it was, and events say the same.

use bartizan_testkit::replay;

/// Enough that queues, batches and pages of events are used more than once.
const REQUESTS: u64 = 4_000;

#[test]
fn unauthorised_attempts_are_exactly_what_events_say() {
    let it = replay(REQUESTS);
    assert_eq!(it.unexpected + it.expected + it.allowed, REQUESTS, "{it:?}");
    assert!(it.reconciles(), "{it:#?}");
}
