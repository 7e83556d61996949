//! Request paths and patterns: an accepted path has no second reading, and what patterns promise holds.
#![no_main]

use bartizan_core::path::{PathPattern, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (path, pattern) = input;
    let pattern = PathPattern::parse(pattern);
    if let Ok(pattern) = &pattern {
        assert_eq!(PathPattern::parse(pattern.as_str()).as_ref(), Ok(pattern));
    }
    if check(path).is_err() {
        return;
    }
    let decoded = decode(path);
    assert_eq!(decoded.matches('/').count(), path.matches('/').count(), "{path} hides a slash");
    assert!(!decoded.contains(['\\', '\0', '%']), "{path} decodes to {decoded}");
    let inner = decoded.strip_prefix('/').expect("accepted paths are absolute");
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    assert!(inner.is_empty() || inner.split('/').all(|s| !matches!(s, "" | "." | "..")), "{path} climbs");

    if let Ok(everything) = PathPattern::parse("/**") {
        assert!(everything.matches(path));
    }
    // Without wildcards, a path that is a pattern fits itself.
    if !path.contains('*')
        && let Ok(itself) = PathPattern::parse(path.strip_suffix('/').unwrap_or(path))
    {
        assert!(itself.matches(path), "{path} does not fit itself");
    }
    if let Ok(pattern) = pattern
        && !path.ends_with('/')
    {
        let with_slash = format!("{path}/");
        assert_eq!(pattern.matches(path), pattern.matches(&with_slash), "a trailing slash matters");
    }
});

/// Percent-decoding as any server does it; bytes that are no UTF-8 stay out of the way.
fn decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
