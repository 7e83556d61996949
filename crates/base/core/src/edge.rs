//! How a guard behaves on one edge: time-outs, retries, breaker, ejection; and which instances and versions a callee has.
//!
//! Only checked values are here; what a guard does with them is in the proxy's `balance`.

use crate::name::ServiceName;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A share in thousandths: 200 is 20 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(u16);

impl Share {
    /// All of it.
    pub const ALL: Self = Self(1000);

    /// From thousandths; more than all is all.
    pub const fn per_mille(thousandths: u16) -> Self {
        if thousandths > 1000 { Self::ALL } else { Self(thousandths) }
    }

    /// From a text such as `20%` or `0.5%`; `None` where it is none, or not from 0 % to 100 %.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?;
        let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(tenth) || tenth.len() != 1 || whole.len() > 3 {
            return None;
        }
        let thousandths = whole.parse::<u16>().ok()? * 10 + tenth.parse::<u16>().ok()?;
        (thousandths <= 1000).then_some(Self(thousandths))
    }

    /// In thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// The whole part of this share of `n`.
    pub const fn of(self, n: u64) -> u64 {
        n.saturating_mul(self.0 as u64) / 1000
    }
}

/// Everything that may be said of one edge. The default is what holds where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// From the request's head to the head of the answer, all tries together, in milliseconds; the guard's own bound where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// The same for one try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub try_timeout_ms: Option<u32>,
    /// What is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// When nothing is sent for a while.
    #[serde(default)]
    pub breaker: Breaker,
    /// When an instance gets nothing for a while.
    #[serde(default)]
    pub outlier: Outlier,
}

impl Edge {
    /// Whether it is what holds where nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is tried again, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Further tries after the first one, a count.
    pub attempts: u8,
    /// After what.
    pub on: RetryOn,
    /// Retries in relation to requests: with 200, at most one for five requests in the long run.
    pub budget: Share,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 2, on: RetryOn { connect: true, reset: true, ..RetryOn::default() }, budget: Share(200) }
    }
}

/// After what a request is tried again. All but the first hold for requests that may be repeated alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryOn {
    /// It never reached the program: no connection, no handshake, or a guard that says so.
    pub connect: bool,
    /// The connection broke before the answer.
    pub reset: bool,
    /// An answer with a status from 500 on.
    pub status_5xx: bool,
    /// No answer within the time of one try.
    pub timeout: bool,
}

/// When nothing is sent for a while. Failures are: no connection, a broken one, no answer in time, and 502, 503 and 504.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// It opens once this share of the last second's calls failed.
    pub failures: Share,
    /// And there were at least so many of them; 0 switches it off.
    pub calls: u32,
    /// For so long, in milliseconds; then a few calls find out whether it is over.
    pub open_ms: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: Share(500), calls: 20, open_ms: 1000 }
    }
}

/// When an instance gets nothing for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlier {
    /// After so many failures in a row, answers from 500 on among them; 0 switches it off.
    pub failures: u32,
    /// For so long, in milliseconds; each further time longer.
    pub eject_ms: u32,
    /// At most this share of the instances at once.
    pub most: Share,
}

impl Default for Outlier {
    fn default() -> Self {
        Self { failures: 5, eject_ms: 5000, most: Share(500) }
    }
}

/// One instance of a callee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Where its guard accepts mutual TLS.
    pub mesh: SocketAddr,
    /// Its zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Box<str>>,
    /// Its part of the load in relation to the others'; at least 1.
    pub weight: u16,
}

/// Where calls to a service go besides the service itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// How calls are shared among versions, the service itself among them; all stay with the service where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub split: Vec<(ServiceName, u16)>,
    /// Who gets copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
}

impl Versions {
    /// Whether everything stays with the service.
    pub fn is_none(&self) -> bool {
        self.split.is_empty() && self.mirror.is_none()
    }

    /// The other services that calls or copies may go to.
    pub fn others<'a>(&'a self, service: &'a ServiceName) -> impl Iterator<Item = &'a ServiceName> {
        let split = self.split.iter().map(|(version, _)| version);
        split.chain(self.mirror.iter().map(|mirror| &mirror.to)).filter(move |version| *version != service)
    }
}

/// Who gets copies of a service's requests. Their answers are thrown away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The service.
    pub to: ServiceName,
    /// Of which share of the requests.
    pub share: Share,
}

/// Whether a guard still takes callers without mutual TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mtls {
    /// No. What is no TLS is closed before a byte of it is read.
    #[default]
    Strict,
    /// Yes, beside mutual TLS, as callers of unknown name. For the time of a migration.
    Permissive,
}

impl Mtls {
    /// Whether it is [`Mtls::Strict`].
    pub fn is_strict(&self) -> bool {
        *self == Self::Strict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_is_from_nothing_to_all_in_tenths_of_a_percent() {
        for (text, share) in [
            ("0%", Some(0)),
            ("20%", Some(200)),
            ("0.5%", Some(5)),
            ("100%", Some(1000)),
            ("100.0%", Some(1000)),
            ("100.1%", None),
            ("101%", None),
            ("20", None),
            ("%", None),
            (".5%", None),
            ("5.%", None),
            ("1.25%", None),
            ("-1%", None),
            ("+1%", None),
            ("1e1%", None),
            ("65536%", None),
        ] {
            assert_eq!(Share::parse(text).map(Share::thousandths), share, "{text}");
        }
        assert_eq!(Share::per_mille(200).of(9), 1);
        assert_eq!(Share::ALL.of(u64::MAX), u64::MAX / 1000);
    }

    proptest! {
        #[test]
        fn a_text_is_a_share_or_none(text in "[0-9.%+-]{0,7}") {
            if let Some(share) = Share::parse(&text) {
                prop_assert!(share <= Share::ALL);
            }
        }
    }
}
