//! The text of a refresh token: family, generation, and a code that only we can make. Nobody stores it: the same text is made
//! again from the family's state.

use super::granted::FamilyId;
use bartizan_core::Secret;
use bartizan_crypto::{base64, hash, seal};

/// What refresh tokens begin with, so that scanners for lost secrets can find them.
const PREFIX: &str = "bzr";
/// Longest text that is looked at, in bytes: ours have at most 84.
const BYTES_MAX: usize = 128;

/// A refresh token that was made here. [`RefreshToken::read`] is the only constructor; whether it still counts is for its family to
/// say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    family: FamilyId,
    generation: u32,
}

impl RefreshToken {
    /// Reads a text; `None` where it was not made with `key`. Nothing is looked up for rubbish.
    pub fn read(text: &str, key: &Secret<[u8; 32]>) -> Option<Self> {
        if text.len() > BYTES_MAX {
            return None;
        }
        let [PREFIX, family, generation, _] = text.split('.').collect::<Vec<_>>()[..] else { return None };
        let family = FamilyId::parse(family)?;
        let generation = generation.parse().ok()?;
        // The whole text, in constant time: this also refuses a second text for the same number, such as one with a plus.
        hash::equal(text.as_bytes(), write(family, generation, key).as_bytes()).then_some(Self { family, generation })
    }

    /// The family that it belongs to.
    pub fn family(&self) -> FamilyId {
        self.family
    }

    /// Which of the family's tokens it is.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }
}

/// The text of a family's token.
pub(super) fn write(family: FamilyId, generation: u32, key: &Secret<[u8; 32]>) -> String {
    let tag = derived(key, "refresh token", family, generation, "");
    format!("{PREFIX}.{family}.{generation}.{}", base64::encode_url(tag.expose()))
}

/// Bytes that nobody without `key` can know, another for each use, family and generation.
pub(super) fn derived(
    key: &Secret<[u8; 32]>,
    of: &str,
    family: FamilyId,
    generation: u32,
    more: &str,
) -> Secret<[u8; 32]> {
    seal::derive(key, format!("{of}|{family}|{generation}|{more}").as_bytes())
}
