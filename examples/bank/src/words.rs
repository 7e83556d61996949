//! The words that the services share. A value of a type here was checked when it was read.

use crate::limits::{CENTS_MAX, ID_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Name of an account or a user: 1 to 40 of `a-z`, `0-9` and `-`, so that it needs no escaping in a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(Box<str>);

impl Id {
    /// # Errors
    /// A text for the caller, if it is not such a name.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > ID_BYTES_MAX || !text.bytes().all(fits) {
            return Err("an id has 1 to 40 of a-z, 0-9 and `-`");
        }
        Ok(Self(text.into()))
    }

    /// The bank's own account, the other side of every opening. No payment reaches it.
    pub fn house() -> Self {
        Self("bank".into())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}
impl From<Id> for String {
    fn from(id: Id) -> String {
        id.0.into()
    }
}
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An amount that can be paid: 1 to [`CENTS_MAX`] cents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Cents(u64);

impl Cents {
    /// As a signed number, for balances.
    pub fn get(self) -> i64 {
        self.0.cast_signed() // at most CENTS_MAX
    }
}

impl TryFrom<u64> for Cents {
    type Error = &'static str;
    fn try_from(cents: u64) -> Result<Self, Self::Error> {
        if (1..=CENTS_MAX).contains(&cents) { Ok(Self(cents)) } else { Err("`cents` is 1 to 100000000000") }
    }
}
impl From<Cents> for u64 {
    fn from(cents: Cents) -> u64 {
        cents.0
    }
}

/// The client's name for one payment, a UUID: whoever sends it again asks about the same payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(u128);

impl Key {
    /// # Errors
    /// A text for the caller, if it is not a UUID of 36 characters.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let refuse = "an idempotency key is a UUID, such as 1b4e28ba-2fa1-41d2-883f-0016d3cca427";
        let dashed = |(at, byte): (usize, u8)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23);
        // The sign that `from_str_radix` would take has no place here, hence the look at every digit.
        let digits = |byte: u8| byte == b'-' || byte.is_ascii_hexdigit();
        if text.len() != 36 || !text.bytes().enumerate().all(dashed) || !text.bytes().all(digits) {
            return Err(refuse);
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| refuse)
    }

    /// A key of these bits.
    pub const fn of(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}
impl TryFrom<String> for Key {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}
impl From<Key> for String {
    fn from(key: Key) -> String {
        key.to_string()
    }
}

/// What is to move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// The account that pays.
    pub from: Id,
    /// The account that receives.
    pub to: Id,
    /// How much.
    pub cents: Cents,
}

/// How a transfer ended. It is remembered under the key: asking again gives the same, also for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Both sides are booked.
    Done,
    /// The payer has less than that.
    InsufficientFunds,
    /// One of the accounts does not exist, or is the bank's own.
    UnknownAccount,
    /// The receiver would have more than a balance can hold.
    OverLimit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_transfer() {
        for (text, why) in [
            (r#"{"from":"a","to":"b","cents":0}"#, "zero"),
            (r#"{"from":"a","to":"b","cents":-1}"#, "negative"),
            (r#"{"from":"a","to":"b","cents":1.5}"#, "half a cent"),
            (r#"{"from":"a","to":"b","cents":1e3}"#, "a float"),
            (r#"{"from":"a","to":"b","cents":"5"}"#, "a text"),
            (r#"{"from":"a","to":"b","cents":100000000001}"#, "over the limit"),
            (r#"{"from":"a","to":"b","cents":99999999999999999999999}"#, "no u64"),
            (r#"{"from":"a","to":"b"}"#, "no amount"),
            (r#"{"from":"","to":"b","cents":1}"#, "no payer"),
            (r#"{"from":"a/b","to":"b","cents":1}"#, "a path"),
            (r#"{"from":"a","to":"b","cents":1,"fee":1}"#, "a field nobody knows"),
            (r#"{"from":"a","to":"b","cents":1,"cents":2}"#, "two amounts"),
        ] {
            assert!(serde_json::from_str::<Transfer>(text).is_err(), "accepted {why}: {text}");
        }
        assert!(serde_json::from_str::<Transfer>(r#"{"from":"a","to":"b","cents":100000000000}"#).is_ok());
    }

    #[test]
    fn a_key_prints_as_it_was_read() {
        let text = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
        assert_eq!(Key::parse(text).unwrap().to_string(), text);
        assert_eq!(Key::of(1).to_string(), "00000000-0000-0000-0000-000000000001");
        for bad in [
            "",
            "1b4e28ba2fa141d2883f0016d3cca427",
            "1b4e28ba-2fa1-41d2-883f-0016d3cca42g",
            "+b4e28ba-2fa1-41d2-883f-0016d3cca427",
        ] {
            assert!(Key::parse(bad).is_err(), "accepted {bad:?}");
        }
    }
}
