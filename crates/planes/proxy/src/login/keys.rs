//! The keys that cookies are sealed with, as control gave them: held by all threads, and by every gateway of the fleet.

use crate::limits::{COOKIE_BYTES_MAX, COOKIE_KEYS_MAX};
use bartizan_core::login::CookieKey;
use bartizan_core::{Secret, Timestamp};
use bartizan_crypto::{base64, seal};

/// See the module.
#[derive(Debug, Default)]
pub struct CookieKeys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: u32,
    key: Secret<[u8; 32]>,
    from: Timestamp,
    until: Timestamp,
}

impl CookieKeys {
    /// Those that control gave; one that is none is left out.
    pub fn of(given: &[CookieKey]) -> Self {
        let key = |given: &CookieKey| {
            let key = base64::decode_url(&given.key).ok()?.try_into().ok().map(Secret::new)?;
            Some(Key { id: given.id, key, from: given.from, until: given.until })
        };
        Self(given.iter().take(COOKIE_KEYS_MAX).filter_map(key).collect())
    }

    /// Seals what a browser is to carry for the use that `what` names; `None` where there is no key, or it is too long.
    pub fn seal(&self, what: &str, plain: &[u8], now: Timestamp) -> Option<String> {
        let key = self.0.iter().filter(|key| key.from <= now && now < key.until).max_by_key(|key| key.from)?;
        let sealed = [&key.id.to_be_bytes()[..], &seal::seal(&key.key, what.as_bytes(), plain)].concat();
        Some(base64::encode_url(&sealed)).filter(|text| text.len() <= COOKIE_BYTES_MAX)
    }

    /// Opens what any gateway sealed for that use, with a key that still counts.
    pub fn open(&self, what: &str, text: &str, now: Timestamp) -> Option<Secret<Vec<u8>>> {
        if text.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let bytes = base64::decode_url(text).ok()?;
        let (id, sealed) = bytes.split_first_chunk::<4>()?;
        let id = u32::from_be_bytes(*id);
        let key = self.0.iter().find(|key| key.id == id && now < key.until)?;
        seal::open(&key.key, what.as_bytes(), sealed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_790_000_000 + s)
    }

    fn key(id: u32, from: u64, until: u64) -> CookieKey {
        CookieKey { id, key: base64::encode_url(&[u8::try_from(id).unwrap(); 32]), from: at(from), until: at(until) }
    }

    #[test]
    fn the_newest_key_seals_and_each_opens_until_its_end() {
        let before = CookieKeys::of(&[key(1, 0, 300)]);
        let both = CookieKeys::of(&[key(1, 0, 300), key(2, 100, 400)]);
        let first = before.seal("session", b"ana", at(0)).unwrap();
        let early = both.seal("session", b"ana", at(99)).unwrap();
        let second = both.seal("session", b"ana", at(100)).unwrap();
        assert_eq!(both.open("session", &first, at(299)).unwrap().expose(), b"ana");
        assert!(before.open("session", &early, at(99)).is_some(), "a gateway that has not heard of the next one");
        assert!(before.open("session", &second, at(100)).is_none());
        assert!(both.open("session", &first, at(300)).is_none(), "its key is over");
        assert!(both.open("login", &second, at(100)).is_none(), "of another use");
        assert!(CookieKeys::default().seal("session", b"", at(0)).is_none());
        assert!(both.seal("session", &[0; COOKIE_BYTES_MAX], at(0)).is_none(), "too long");
    }

    #[test]
    fn what_was_changed_cut_or_made_up_does_not_open() {
        let keys = CookieKeys::of(&[key(1, 0, 300)]);
        let good = keys.seal("session", b"ana", at(0)).unwrap();
        for n in 0..good.len() {
            assert!(keys.open("session", &good[..n], at(0)).is_none(), "cut at {n}");
            let mut changed = good.clone().into_bytes();
            changed[n] = if changed[n] == b'A' { b'B' } else { b'A' };
            assert!(keys.open("session", std::str::from_utf8(&changed).unwrap(), at(0)).is_none(), "changed at {n}");
        }
        for made_up in ["", "AAAA", "*", &"A".repeat(COOKIE_BYTES_MAX), &"A".repeat(COOKIE_BYTES_MAX + 1), "\u{fe}"] {
            assert!(keys.open("session", made_up, at(0)).is_none());
        }
    }
}
