//! How often, how many at once, and how much a day: limits of a route or a service, as the fleet file says them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Most limits of one route or service, a count: each costs a look at every request.
pub const LIMITS_MAX: usize = 16;
/// Longest name of a limit, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// Largest count in a limit: of units, at once, or of what one request costs.
pub const COUNT_MAX: u32 = 1_000_000_000;
/// Longest time that a burst may take to come back whole, in seconds: a year.
pub const REFILL_S_MAX: u64 = 366 * 24 * 3600;

/// One limit, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Its name, unique in its list.
    pub name: Box<str>,
    /// What has a count of its own; empty where all requests share one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub per: Vec<Per>,
    /// What is counted.
    pub measure: Measure,
    /// What a request costs, by its method; 1 where not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cost: BTreeMap<Box<str>, u32>,
    /// All guards that have it count together; see [`crate::counts`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Measure {
    /// Units in time, as GCRA counts them.
    Rate {
        /// Units that come back in one `period_s`; at least 1.
        count: u32,
        /// Seconds.
        period_s: u32,
        /// Units that may be taken at once; at least 1.
        burst: u32,
    },
    /// Units in each window of the UTC clock.
    Quota {
        /// Units; at least 1.
        count: u32,
        /// Length of a window in seconds: an hour or a day.
        window_s: u32,
    },
    /// Requests under way at once.
    Concurrency {
        /// Requests; at least 1.
        most: u32,
    },
}

impl Measure {
    /// The most that one request may cost and still be let through.
    pub fn most_at_once(&self) -> u32 {
        match *self {
            Self::Rate { burst, .. } => burst,
            Self::Quota { count, .. } => count,
            Self::Concurrency { most } => most,
        }
    }
}

/// What has a count of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Whoever asks, as well as that is known: the user, else the identity in the certificate, else the address.
    Client,
    /// The identity in the certificate.
    Caller,
    /// The user on whose behalf the request comes.
    User,
    /// The tenant of that user.
    Tenant,
    /// The program that shows a key; whoever shows none shares one count.
    Key,
    /// The named route of the service.
    Route,
    /// The client's address; of IPv6 the first 64 bits, which one client has to itself.
    Address,
}

impl Per {
    /// Every one, in the order of the manual.
    pub const ALL: [Self; 7] =
        [Self::Client, Self::Caller, Self::User, Self::Tenant, Self::Key, Self::Route, Self::Address];

    /// The word of the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Caller => "caller",
            Self::User => "user",
            Self::Tenant => "tenant",
            Self::Key => "key",
            Self::Route => "route",
            Self::Address => "address",
        }
    }
}

/// Seconds and the word for so many, in the order of the manual.
pub const PERIODS: [(&str, u32); 4] = [("s", 1), ("min", 60), ("h", 3600), ("d", 24 * 3600)];

/// The word for a period.
fn word(period_s: u32) -> &'static str {
    PERIODS.iter().find(|(_, s)| *s == period_s).map_or("?", |(word, _)| word)
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Rate { count, period_s, burst } => write!(f, "{count}/{}, {burst} at once", word(period_s)),
            Self::Quota { count, window_s } => write!(f, "{count} in each {} of the UTC clock", word(window_s)),
            Self::Concurrency { most } => write!(f, "{most} under way"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.measure)?;
        match &*self.per {
            [] => f.write_str(" for all together"),
            [first, more @ ..] => {
                write!(f, " for each {}", first.as_str())?;
                more.iter().try_for_each(|per| write!(f, " and {}", per.as_str()))
            }
        }?;
        if self.shared { f.write_str(", shared") } else { Ok(()) }
    }
}
