//! Answers of Redis: what is read of the whole is read of its beginning too, and nothing else ever becomes an answer.
#![no_main]

use bartizan_proxy::counts::reply;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some((read, length))) = reply(bytes) else { return };
    assert!(length <= bytes.len());
    assert_eq!(reply(&bytes[..length]), Ok(Some((read, length))));
    assert!(reply(&bytes[..length - 1]).is_ok_and(|it| it.is_none()), "an answer that is not whole");
});
