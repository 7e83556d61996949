//! One-time codes of an authenticator app (RFC 6238): HMAC-SHA-1, six digits, 30 seconds, which is what every app knows.
//!
//! In: the shared secret, what was typed, `now`, and the step of the last code that was taken.
//! Out: the step of the code, which the caller keeps before it believes it: a code counts once.

use crate::base32;
use crate::limits::{TOTP_DIGITS, TOTP_PERIOD_S, TOTP_WINDOW};
use bartizan_core::Timestamp;
use bartizan_crypto::hash;

/// The step of the code that was typed, where it is the code of a moment ago, now, or in a moment, and of no step up to `last`.
pub fn accept(secret: &[u8], typed: &str, now: Timestamp, last: Option<u64>) -> Option<u64> {
    let step = now.as_secs() / TOTP_PERIOD_S;
    let steps = step.saturating_sub(TOTP_WINDOW)..=step + TOTP_WINDOW;
    let mut found = None;
    // All of them, whichever fits: how long it takes says nothing.
    for step in steps {
        let fits = hash::equal(text(secret, step).as_bytes(), typed.as_bytes());
        if fits && last.is_none_or(|last| step > last) {
            found = Some(step);
        }
    }
    found
}

/// The code of a step as an app shows it.
pub fn text(secret: &[u8], step: u64) -> String {
    let digits = TOTP_DIGITS as usize;
    format!("{:0digits$}", code(secret, step, TOTP_DIGITS))
}

/// RFC 4226 section 5.3.
fn code(secret: &[u8], step: u64, digits: u32) -> u32 {
    let mac = hash::hmac_sha1(secret, &step.to_be_bytes());
    let at = usize::from(mac[19] & 0xf);
    let taken = u32::from_be_bytes([mac[at] & 0x7f, mac[at + 1], mac[at + 2], mac[at + 3]]);
    taken % 10_u32.pow(digits)
}

/// What an app reads from a picture (the key URI format of Google Authenticator, which all of them took over).
pub fn uri(issuer: &str, account: &str, secret: &[u8]) -> String {
    let (issuer, account, secret) = (escape(issuer), escape(account), base32::encode(secret));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={TOTP_DIGITS}&period={TOTP_PERIOD_S}"
    )
}

/// RFC 3986 section 2.3: everything but these.
fn escape(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 6238, appendix B; eight digits there.
    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn the_vectors_of_the_rfc() {
        for (s, wanted) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(code(SECRET, s / TOTP_PERIOD_S, 8), wanted, "{s}");
        }
        // RFC 4226, appendix D; six digits.
        let first = [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489];
        for (step, wanted) in (0..).zip(first) {
            assert_eq!(code(SECRET, step, 6), wanted);
        }
    }

    #[test]
    fn a_code_counts_once_and_around_its_time() {
        let at = |step: u64| Timestamp::from_secs(step * TOTP_PERIOD_S + 7);
        let now = 1_000_000;
        let of = |step: u64| text(SECRET, step);
        for (typed, why) in [
            (of(now - 2), "too old"),
            (of(now + 2), "too early"),
            (String::new(), "nothing"),
            (format!("{} ", of(now)), "a blank behind"),
            (format!("0{}", of(now)), "a digit more"),
            (of(now)[1..].to_owned(), "a digit less"),
            (text(b"12345678901234567891", now), "another secret"),
        ] {
            assert_eq!(accept(SECRET, &typed, at(now), None), None, "{why}");
        }
        for step in now - 1..=now + 1 {
            assert_eq!(accept(SECRET, &of(step), at(now), None), Some(step));
            assert_eq!(accept(SECRET, &of(step), at(now), Some(step)), None, "again");
            assert_eq!(accept(SECRET, &of(step), at(now), Some(step + 1)), None, "after a later one");
            assert_eq!(accept(SECRET, &of(step), at(now), Some(step - 1)), Some(step));
        }
    }

    #[test]
    fn an_app_reads_whose_it_is() {
        assert_eq!(
            uri("bank", "ana@x&y", b"foobar"),
            "otpauth://totp/bank:ana%40x%26y?secret=MZXW6YTBOI&issuer=bank&algorithm=SHA1&digits=6&period=30"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_a_code_of_the_window_or_refused(typed in "\\PC{0,12}", s in 0u64..1 << 40) {
            if let Some(step) = accept(SECRET, &typed, Timestamp::from_secs(s), None) {
                prop_assert_eq!(text(SECRET, step), typed);
                prop_assert!(step.abs_diff(s / TOTP_PERIOD_S) <= TOTP_WINDOW);
            }
        }
    }
}
