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
