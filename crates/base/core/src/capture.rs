//! Calls by name: the names of callees stand for addresses of loopback that belong to nobody, and what a program opens there is
//! redirected to its guard, which knows the names again by them.

use crate::name::ServiceName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// The addresses that stand for names, as nftables writes them. Loopback, so that they lead out of no network namespace.
pub const ADDRESSES: &str = "127.98.0.0/16";
/// The first of them, and how many there are: the largest fleet has 10,000 services, and as many workloads.
const FIRST: u32 = u32::from_be_bytes([127, 98, 0, 1]);
const COUNT: u32 = 65_534;

/// By what kind of rule of nftables it comes to the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// REDIRECT: the kernel changes the address and remembers it. Takes nat and connection tracking.
    Redirect,
    /// TPROXY: the connection comes to the guard as it is; both ends' addresses stay. Takes neither.
    Tproxy,
}

impl Means {
    /// All of them; the first that the kernel knows is used where nobody names one.
    pub const ALL: [Self; 2] = [Self::Redirect, Self::Tproxy];

    /// The word in the fleet file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Tproxy => "tproxy",
        }
    }

    /// The inverse of [`Means::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|means| means.as_str() == text)
    }
}

/// What a guard is to take of its program beside the calls to its listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// Where what was redirected comes in; in the program's own network.
    pub at: SocketAddr,
    /// For whom an address stands. Those whom the program may not call are among them, so that a refusal can name them.
    pub names: BTreeMap<Ipv4Addr, ServiceName>,
}

/// Gives every one of `callees` an address that has none yet. Who has one keeps it: programs remember them.
///
/// `None` where there are too many.
pub fn give<'a>(
    names: &mut BTreeMap<ServiceName, Ipv4Addr>,
    callees: impl IntoIterator<Item = &'a ServiceName>,
) -> Option<()> {
    let mut next = names.values().max().map_or(FIRST, |last| u32::from(*last).saturating_add(1));
    for callee in callees {
        if !names.contains_key(callee) {
            names.insert(callee.clone(), (next < FIRST + COUNT).then(|| Ipv4Addr::from(next))?);
            next += 1;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_an_address_keeps_it_and_nobody_gets_one_of_another_network() {
        let name = |text: &str| ServiceName::parse(text).unwrap();
        let mut names = BTreeMap::new();
        give(&mut names, &[name("b"), name("c")]).unwrap();
        give(&mut names, &[name("a"), name("b")]).unwrap();
        let at = |n| Ipv4Addr::new(127, 98, 0, n);
        assert_eq!(names, BTreeMap::from([(name("b"), at(1)), (name("c"), at(2)), (name("a"), at(3))]));
        names.insert(name("z"), Ipv4Addr::new(127, 98, 255, 254));
        assert_eq!(give(&mut names, &[name("z")]), Some(()));
        assert_eq!(give(&mut names, &[name("more")]), None, "127.98.255.255 and what follows is not ours");
    }
}
