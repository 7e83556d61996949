//! Keys of programs: what one looks like, and what is kept of it.
//!
//! `bzk_`, 64 hexadecimal digits of a random number, and 8 of a checksum, by which whoever looks through code for secrets tells a key
//! from a text that only looks like one. Nothing but a hash of it is kept anywhere.

use bartizan_crypto::hash;

/// How every key begins.
pub const PREFIX: &str = "bzk_";
/// Length of a key, in bytes.
pub const KEY_BYTES: usize = PREFIX.len() + 2 * RANDOM_BYTES + 2 * CHECK_BYTES;
/// Random bytes in a key: 256 bits, so that nobody guesses one, however many there are.
const RANDOM_BYTES: usize = 32;
/// Bytes of its checksum: a text of the right form is none by chance once in four billion.
const CHECK_BYTES: usize = 4;

/// What is kept of a key: its SHA-256. A random number needs no slower hash, which is for what people choose.
pub type KeyHash = [u8; 32];

/// The key made of a random number.
pub fn make(random: [u8; RANDOM_BYTES]) -> String {
    let digits = format!("{PREFIX}{}", hash::hex(&random));
    let check = checksum(&digits);
    digits + &check
}

/// What is kept of the key `text`; `None` where it is none.
pub fn read(text: &str) -> Option<KeyHash> {
    if text.len() != KEY_BYTES || !text.starts_with(PREFIX) {
        return None;
    }
    let (digits, check) = text.split_at_checked(KEY_BYTES - 2 * CHECK_BYTES)?;
    let lower = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    let good = digits[PREFIX.len()..].bytes().all(lower) && checksum(digits) == check;
    good.then(|| hash::sha256(text.as_bytes()))
}

fn checksum(digits: &str) -> String {
    hash::hex(&hash::sha256(digits.as_bytes())[..CHECK_BYTES])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_key() {
        let key = make([7; 32]);
        assert_eq!(key.len(), KEY_BYTES);
        let another = |at: usize, with: &str| format!("{}{with}{}", &key[..at], &key[at + 1..]);
        for (text, why) in [
            (String::new(), "empty"),
            (key[..KEY_BYTES - 1].to_owned(), "cut short"),
            (format!("{key}0"), "too long"),
            (another(10, "1"), "another digit"),
            (another(KEY_BYTES - 1, "g"), "no digit"),
            (key.to_ascii_uppercase(), "upper case"),
            (key.replacen("bzk_", "bzq_", 1), "another prefix"),
            (format!("{}\u{e9}{}", &key[..30], &key[32..]), "no ASCII"),
        ] {
            assert_eq!(read(&text), None, "{why}");
        }
        assert_eq!(read(&key), Some(hash::sha256(key.as_bytes())));
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_and_any_text_is_borne(random in any::<[u8; 32]>(), text in "(bzk_)?[0-9a-f]{0,80}") {
            prop_assert!(read(&make(random)).is_some());
            let _ = read(&text);
        }
    }
}
