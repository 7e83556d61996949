//! Addresses: ranges of them, and those that lead inside although a name from outside said so.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Neither an address nor `address/bits`.
    #[error("expected an IP address, or a range such as `10.1.0.0/16`")]
    Form,
    /// `10.1.2.3/16`: either a single address was meant, or another range.
    #[error("the address has bits beyond its `/bits`")]
    HostBits,
    /// `0.0.0.0/0` and its like.
    #[error("a range of every address is no range")]
    Everything,
}

/// One address, or all that share their first bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    first: IpAddr,
    bits: u8,
}

impl Range {
    /// # Errors
    /// [`RangeError`], by what is wrong.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| RangeError::Form)?;
        let first = if bits.is_none() { first.to_canonical() } else { first };
        let longest = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => longest,
            Some(bits) if !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= longest).ok_or(RangeError::Form)?
            }
            Some(_) => return Err(RangeError::Form),
        };
        if bits == 0 {
            return Err(RangeError::Everything);
        }
        if number(first) & !mask(bits, longest) != 0 {
            return Err(RangeError::HostBits);
        }
        Ok(Self { first, bits })
    }

    /// The range that holds `address` alone.
    pub fn of(address: IpAddr) -> Self {
        let first = address.to_canonical();
        Self { first, bits: if first.is_ipv4() { 32 } else { 128 } }
    }

    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// How many bits all of its addresses share; at least 1.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// The one address that it is; `None` where it is more.
    pub fn single(&self) -> Option<IpAddr> {
        (self.bits == if self.first.is_ipv4() { 32 } else { 128 }).then_some(self.first)
    }

    /// Whether `address` is in it. An IPv4 address in IPv6 spelling is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let longest = if self.first.is_ipv4() { 32 } else { 128 };
        address.is_ipv4() == self.first.is_ipv4() && number(address) & mask(self.bits, longest) == number(self.first)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn mask(bits: u8, longest: u8) -> u128 {
    let all = if longest == 128 { u128::MAX } else { (1 << longest) - 1 };
    let free = u32::from(longest - bits);
    if free >= 128 { 0 } else { all >> free << free }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}/{}", self.first, self.bits),
        }
    }
}

impl TryFrom<String> for Range {
    type Error = RangeError;
    fn try_from(text: String) -> Result<Self, RangeError> {
        Self::parse(&text)
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        range.to_string()
    }
}

/// Why an address is dialled only where the fleet file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// This machine: guards, control and programs listen there.
    Loopback,
    /// An inner network (RFC 1918, RFC 4193, RFC 6598).
    Private,
    /// This link (RFC 3927, RFC 4291).
    LinkLocal,
    /// Where clouds hand credentials to whoever asks.
    Metadata,
    /// Nobody in particular: multicast, broadcast, reserved, documentation, unspecified.
    NoHost,
}

impl Special {
    /// The word in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::NoHost => "no host's",
        }
    }
}

/// Metadata services of clouds and of their agents: AWS (instance, ECS, EKS, its resolver), Google, Azure, Alibaba, Oracle.
const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.169.253",
    "169.254.170.2",
    "169.254.170.23",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::253",
    "fd00:ec2::23",
    "fd20:ce::254",
];

/// Whether `address` is one that a name from outside must not lead to. Addresses that carry another (IPv4 in IPv6, NAT64, 6to4)
/// are judged as the one that they carry.
pub fn special(address: IpAddr) -> Option<Special> {
    let address = carried(address.to_canonical());
    if METADATA.iter().any(|text| text.parse() == Ok(address)) {
        return Some(Special::Metadata);
    }
    match address {
        IpAddr::V4(v4) => special_v4(v4),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => Some(Special::Loopback),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Some(Special::Private),
        (169, 254, _) => Some(Special::LinkLocal),
        // This network, protocol assignments, documentation, benchmarks, multicast, reserved, broadcast.
        (0, ..)
        | (192, 0, 0 | 2)
        | (198, 51, 100)
        | (203, 0, 113)
        | (198, 18..=19, _)
        | (192, 88, 99)
        | (224.., ..) => Some(Special::NoHost),
        _ => None,
    }
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    let first = address.segments();
    match first {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(Special::Loopback),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Some(Special::Private),
        [0xfe80..=0xfebf, ..] => Some(Special::LinkLocal),
        // Unspecified and IPv4-compatible, discard, Teredo and other assignments, documentation, multicast.
        [0, ..]
        | [0x100, 0, 0, 0, ..]
        | [0x2001, 0..=0x1ff, ..]
        | [0x2001, 0xdb8, ..]
        | [0x3fff, ..]
        | [0xff00..=0xffff, ..] => Some(Special::NoHost),
        _ => None,
    }
}

/// The IPv4 address that a translator would make of an IPv6 one: NAT64 (RFC 6052) and 6to4 (RFC 3056).
fn carried(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_range() {
        for (text, error) in [
            ("", RangeError::Form),
            ("10.0.0", RangeError::Form),
            ("example.com", RangeError::Form),
            ("10.0.0.0/", RangeError::Form),
            ("10.0.0.0/33", RangeError::Form),
            ("10.0.0.0/+8", RangeError::Form),
            ("::/129", RangeError::Form),
            ("10.1.2.3/8", RangeError::HostBits),
            ("fd00::1/8", RangeError::HostBits),
            ("0.0.0.0/0", RangeError::Everything),
            ("::/0", RangeError::Everything),
        ] {
            assert_eq!(Range::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_range_holds_what_shares_its_bits() {
        let inside = |range: &str, address: &str| Range::parse(range).unwrap().contains(address.parse().unwrap());
        assert!(inside("10.1.0.0/16", "10.1.255.1") && !inside("10.1.0.0/16", "10.2.0.0"));
        assert!(inside("10.1.0.0/16", "::ffff:10.1.0.9"), "another spelling of an IPv4 address");
        assert!(inside("192.0.2.7", "192.0.2.7") && !inside("192.0.2.7", "192.0.2.8"));
        assert!(inside("2001:db8::/32", "2001:db8:ffff::1") && !inside("2001:db8::/32", "10.0.0.1"));
        assert!(inside("128.0.0.0/1", "255.0.0.1") && inside("8000::/1", "ffff::"));
    }

    #[test]
    fn inner_addresses_are_seen_through_every_disguise() {
        for (address, kind) in [
            ("127.0.0.1", Special::Loopback),
            ("127.255.0.9", Special::Loopback),
            ("::1", Special::Loopback),
            ("::ffff:127.0.0.1", Special::Loopback),
            ("64:ff9b::7f00:1", Special::Loopback),
            ("2002:7f00:1::", Special::Loopback),
            ("10.0.0.1", Special::Private),
            ("172.16.0.1", Special::Private),
            ("172.31.255.255", Special::Private),
            ("192.168.1.1", Special::Private),
            ("100.64.0.1", Special::Private),
            ("fd12::1", Special::Private),
            ("64:ff9b::a00:1", Special::Private),
            ("169.254.1.1", Special::LinkLocal),
            ("fe80::1", Special::LinkLocal),
            ("169.254.169.254", Special::Metadata),
            ("::ffff:169.254.169.254", Special::Metadata),
            ("64:ff9b::a9fe:a9fe", Special::Metadata),
            ("fd00:ec2::254", Special::Metadata),
            ("100.100.100.200", Special::Metadata),
            ("168.63.129.16", Special::Metadata),
            ("0.0.0.0", Special::NoHost),
            ("::", Special::NoHost),
            ("::7f00:1", Special::NoHost),
            ("224.0.0.1", Special::NoHost),
            ("255.255.255.255", Special::NoHost),
            ("2001::1", Special::NoHost),
            ("ff02::1", Special::NoHost),
        ] {
            assert_eq!(special(address.parse().unwrap()), Some(kind), "{address}");
        }
        for address in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2001:4860:4860::8888", "64:ff9b::101:101"]
        {
            assert_eq!(special(address.parse().unwrap()), None, "{address}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_back(bytes: [u8; 16], bits in 1u8..=128) {
            let v6 = Ipv6Addr::from(u128::from_be_bytes(bytes) & mask(bits, 128));
            let range = Range::parse(&format!("{v6}/{bits}")).unwrap();
            prop_assert_eq!(Range::parse(&range.to_string()), Ok(range));
            prop_assert!(v6.to_ipv4_mapped().is_some() || range.contains(v6.into()));
        }
    }
}
