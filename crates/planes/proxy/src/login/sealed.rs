//! What a browser carries for us, as bytes that nobody else can read or make.

use super::CookieKeys;
use bartizan_core::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Something that a browser carries. Each kind opens as nothing else.
pub(super) trait Carried: Serialize + DeserializeOwned {
    /// What it is, authenticated with it; another word with each change of its form.
    const WHAT: &'static str;

    /// Sealed, as the value of a cookie; `None` where there is no key, or it is too long.
    fn seal(&self, keys: &CookieKeys, now: Timestamp) -> Option<String> {
        keys.seal(Self::WHAT, &postcard::to_allocvec(self).ok()?, now)
    }

    /// What was sealed.
    fn open(keys: &CookieKeys, text: &str, now: Timestamp) -> Option<Self> {
        postcard::from_bytes(keys.open(Self::WHAT, text, now)?.expose()).ok()
    }
}
