//! Which key exchanges guards may use between each other.

use serde::{Deserialize, Serialize};

/// A key exchange of TLS 1.3 that guards know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TlsGroup {
    /// Hybrid of a classic and a post-quantum exchange: what is recorded today stays closed to a quantum computer.
    #[serde(rename = "X25519MLKEM768")]
    X25519Mlkem768,
    /// Classic.
    X25519,
    /// Classic, NIST P-256.
    #[serde(rename = "P-256")]
    P256,
}

impl TlsGroup {
    /// All of them, in the order in which guards prefer them.
    pub const ALL: [Self; 3] = [Self::X25519Mlkem768, Self::X25519, Self::P256];

    /// The word used in the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X25519Mlkem768 => "X25519MLKEM768",
            Self::X25519 => "X25519",
            Self::P256 => "P-256",
        }
    }

    /// The group with this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == text)
    }

    /// Whether a quantum computer could not open it later.
    pub const fn is_post_quantum(self) -> bool {
        matches!(self, Self::X25519Mlkem768)
    }
}

/// A set of key exchanges, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<TlsGroup>", into = "Vec<TlsGroup>")]
pub struct TlsGroups(u8);

impl TlsGroups {
    /// Number of values that [`TlsGroups::bits`] stays below.
    pub const SETS: usize = 1 << TlsGroup::ALL.len();

    /// Everything that guards know.
    pub const ALL: Self = Self((1 << TlsGroup::ALL.len()) - 1);

    /// These; `None` where there is none.
    pub fn of(groups: impl IntoIterator<Item = TlsGroup>) -> Option<Self> {
        let bits = groups.into_iter().fold(0, |bits, group| bits | 1 << group as u8);
        (bits != 0).then_some(Self(bits))
    }

    /// Whether `group` is among them.
    pub fn has(self, group: TlsGroup) -> bool {
        self.0 & (1 << group as u8) != 0
    }

    /// Whether nothing is left out.
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// A number of its own for each set, below [`TlsGroups::SETS`].
    pub fn bits(self) -> usize {
        self.0.into()
    }
}

impl Default for TlsGroups {
    fn default() -> Self {
        Self::ALL
    }
}

impl TryFrom<Vec<TlsGroup>> for TlsGroups {
    type Error = &'static str;

    fn try_from(groups: Vec<TlsGroup>) -> Result<Self, Self::Error> {
        Self::of(groups).ok_or("no key exchange at all")
    }
}

impl From<TlsGroups> for Vec<TlsGroup> {
    fn from(groups: TlsGroups) -> Self {
        TlsGroup::ALL.into_iter().filter(|group| groups.has(*group)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_was_written_and_never_empty() {
        for bits in 1..TlsGroups::SETS {
            let set = TlsGroups(u8::try_from(bits).unwrap());
            let json = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<TlsGroups>(&json).unwrap(), set, "{json}");
        }
        for wrong in ["[]", "[\"X448\"]", "7", "[\"x25519\"]"] {
            assert!(serde_json::from_str::<TlsGroups>(wrong).is_err(), "{wrong}");
        }
        assert!(TlsGroups::default().is_all() && TlsGroups::of([]).is_none());
    }
}
