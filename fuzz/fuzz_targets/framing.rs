//! The framing guard: however the bytes are cut the verdict is the same, and what it accepts hyper's parser accepts too.
#![no_main]

use bartizan_proxy::framing::{Guard, Head, Rule, Verdict};
use libfuzzer_sys::fuzz_target;

/// Heads, bytes passed, and the rule that ended it; a protocol switch is always declined.
fn feed(input: &[u8], step: usize) -> (Vec<Head>, usize, Option<Rule>) {
    let (mut guard, mut heads, mut passed, mut end) = (Guard::default(), Vec::new(), 0, 0);
    while end < input.len() {
        end = (end + step).min(input.len()).max(passed);
        loop {
            match guard.judge(&input[passed..end.max(passed)]) {
                Verdict::More => break,
                Verdict::Body(bytes) => passed += bytes,
                Verdict::Head { bytes, head } => {
                    check_with_httparse(&input[passed..], bytes);
                    passed += bytes;
                    heads.push(head);
                    guard.decide(false);
                }
                Verdict::Refuse(rule) => return (heads, passed, Some(rule)),
            }
        }
    }
    (heads, passed, None)
}

fn check_with_httparse(bytes: &[u8], length: usize) {
    let mut headers = [httparse::EMPTY_HEADER; bartizan_proxy::limits::HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    assert_eq!(request.parse(bytes), Ok(httparse::Status::Complete(length)));
}

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    let (whole, cut) = (feed(bytes, usize::MAX / 2), feed(bytes, usize::from(step) + 1));
    assert_eq!((&whole.0, whole.2), (&cut.0, cut.2));
    if whole.2.is_none() {
        assert_eq!(whole.1, cut.1);
    }
});
