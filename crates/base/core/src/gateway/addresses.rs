//! From where clients may come: ranges of addresses that are let in or kept out, in a trie over their bits.

use crate::egress::Range;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Most ranges in one list, a count.
pub const RANGES_MAX: usize = 4_096;

/// Ranges that are let in and ranges that are kept out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// Where there is one, nobody else is let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Range>,
    /// Kept out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Range>,
}

/// The same, ready to be asked. The narrowest range that holds an address decides.
#[derive(Clone, Debug)]
pub struct AddressTable {
    v4: Trie,
    v6: Trie,
    /// For addresses that no range holds.
    otherwise: bool,
}

impl AddressTable {
    /// Ready to be asked.
    pub fn of(said: &Addresses) -> Self {
        let mut it = Self { v4: Trie::default(), v6: Trie::default(), otherwise: said.allow.is_empty() };
        let allow = said.allow.iter().map(|range| (range, true));
        // Later, so that what stands in both lists, which is refused when it is written, is kept out.
        for (range, admits) in allow.chain(said.deny.iter().map(|range| (range, false))) {
            let (first, bits) = (range.first(), range.bits());
            let trie = if first.is_ipv4() { &mut it.v4 } else { &mut it.v6 };
            trie.insert(high_bits(first), bits, admits);
        }
        it
    }

    /// The addresses of `ranges`, and no others.
    pub fn only(ranges: &[Range]) -> Self {
        let it = Self::of(&Addresses { allow: ranges.to_vec(), deny: Vec::new() });
        Self { otherwise: false, ..it }
    }

    /// Whether a client at `address` is let in. An IPv4 address in IPv6 spelling is the IPv4 address.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let trie = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        trie.find(high_bits(address), longest).unwrap_or(self.otherwise)
    }
}

/// Its bits, the first one highest.
fn high_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)) << 96,
        IpAddr::V6(v6) => v6.into(),
    }
}

/// A node for each bit.
#[derive(Clone, Debug)]
struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// Where the next bit leads; 0 where nowhere, since nothing leads to the root.
    next: [u32; 2],
    admits: Option<bool>,
}

impl Default for Trie {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

/// The bit with this number, from the highest.
fn bit(bits: u128, number: u8) -> usize {
    usize::from(bits << number >> 127 == 1)
}

impl Trie {
    fn insert(&mut self, prefix: u128, bits: u8, admits: bool) {
        let mut at = 0;
        for number in 0..bits {
            let side = bit(prefix, number);
            let next = self.nodes[at].next[side] as usize;
            at = if next != 0 { next } else { self.add(at, side) };
        }
        self.nodes[at].admits = Some(admits);
    }

    fn add(&mut self, at: usize, side: usize) -> usize {
        let new = self.nodes.len();
        // At most 128 nodes for each of RANGES_MAX ranges.
        self.nodes[at].next[side] = u32::try_from(new).unwrap_or(0);
        self.nodes.push(Node::default());
        new
    }

    fn find(&self, address: u128, bits: u8) -> Option<bool> {
        let (mut node, mut found) = (&self.nodes[0], None);
        for number in 0..bits {
            match node.next[bit(address, number)] {
                0 => break,
                next => node = &self.nodes[next as usize],
            }
            found = node.admits.or(found);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn ranges(texts: &[&str]) -> Vec<Range> {
        texts.iter().map(|text| Range::parse(text).unwrap()).collect()
    }

    fn table(allow: &[&str], deny: &[&str]) -> AddressTable {
        AddressTable::of(&Addresses { allow: ranges(allow), deny: ranges(deny) })
    }

    #[test]
    fn the_narrowest_range_decides_and_a_list_of_who_may_keeps_out_all_others() {
        let table_ = table(&["10.0.0.0/8", "10.6.6.6", "2001:db8::/32"], &["10.6.0.0/16", "2001:db8:1::/48"]);
        for (address, admits) in [
            ("10.1.2.3", true),
            ("10.6.1.1", false),
            ("10.6.6.6", true),
            ("::ffff:10.6.1.1", false),
            ("::ffff:10.1.1.1", true),
            ("11.0.0.1", false),
            ("2001:db8::1", true),
            ("2001:db8:1::1", false),
            ("::1", false),
            ("a00::1", false),
        ] {
            assert_eq!(table_.admits(address.parse().unwrap()), admits, "{address}");
        }
        let table = table(&[], &["10.0.0.0/8"]);
        assert!(!table.admits(Ipv4Addr::new(10, 0, 0, 1).into()) && table.admits("::1".parse().unwrap()));
        assert!(!AddressTable::only(&[]).admits("::1".parse().unwrap()), "nobody is named");
    }

    proptest! {
        #[test]
        fn the_trie_says_what_a_look_at_every_range_says(
            allow in prop::collection::vec((any::<u32>(), 1..=32_u8), 0..12),
            deny in prop::collection::vec((any::<u32>(), 1..=32_u8), 0..12),
            near in any::<prop::sample::Index>(),
            low in any::<u8>(),
        ) {
            let make = |all: &[(u32, u8)]| -> Vec<Range> {
                let cut = |n: u32, bits: u8| n >> (32 - bits) << (32 - bits);
                all.iter().map(|(n, bits)| Range::parse(&format!("{}/{bits}", Ipv4Addr::from(cut(*n, *bits)))).unwrap()).collect()
            };
            let said = Addresses { allow: make(&allow), deny: make(&deny) };
            let all: Vec<u32> = allow.iter().chain(&deny).map(|(n, _)| *n).chain([7]).collect();
            let address = IpAddr::from(Ipv4Addr::from(near.get(&all) & !0xff | u32::from(low)));
            let best = |list: &[Range]| list.iter().filter(|range| range.contains(address)).map(Range::bits).max();
            let slow = match (best(&said.allow), best(&said.deny)) {
                (None, None) => said.allow.is_empty(),
                (allow, deny) => allow > deny,
            };
            prop_assert_eq!(AddressTable::of(&said).admits(address), slow);
        }
    }
}
