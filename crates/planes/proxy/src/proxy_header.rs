//! What a balancer in front says about the client before anything else: the PROXY protocol, versions 1 and 2.
//!
//! Source: haproxy.org, `proxy-protocol.txt` of 2020-03-05. Read strictly, since whoever says it is believed. Pure.

use crate::limits::PROXY_HEADER_BYTES_MAX;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

/// The longest line of version 1, with its end.
const V1_BYTES: RangeInclusive<usize> = 15..=107;
/// How version 2 begins: bytes that begin nothing else.
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, version and command, family, length.
const V2_FIXED_BYTES: usize = 16;

/// What was found at the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// So many bytes have to be there before more can be said; never more than belong to the header.
    More(usize),
    /// The header has so many bytes.
    Done {
        /// Its length.
        bytes: usize,
        /// The client; `None` where the balancer speaks for itself, to see whether we are well.
        client: Option<SocketAddr>,
    },
    /// It is none.
    Bad(Bad),
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It does not begin like one.
    Missing,
    /// Longer than any that is taken.
    TooLong,
    /// A line of version 1 that is not made as it has to be.
    Line,
    /// Version, command, family or length of version 2.
    Fixed,
    /// What follows the addresses of version 2.
    Extras,
}

impl Bad {
    /// The word in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "proxy_header_missing",
            Self::TooLong => "proxy_header_too_long",
            Self::Line => "proxy_header_line",
            Self::Fixed => "proxy_header_fixed",
            Self::Extras => "proxy_header_extras",
        }
    }
}

/// Reads what stands at the beginning of `input`.
pub fn parse(input: &[u8]) -> Parsed {
    let begins = |with: &[u8]| input.iter().zip(with).all(|(a, b)| a == b);
    if begins(V2_SIGNATURE) {
        return version_2(input);
    }
    if begins(b"PROXY ") {
        return version_1(input);
    }
    Parsed::Bad(Bad::Missing)
}

fn version_1(input: &[u8]) -> Parsed {
    let window = &input[..input.len().min(*V1_BYTES.end())];
    let Some(end) = window.iter().position(|&b| b == b'\n') else {
        return match input.len() {
            n if n >= *V1_BYTES.end() => Parsed::Bad(Bad::TooLong),
            // The end of the line is looked for byte by byte: what follows it is not ours to take.
            n => Parsed::More((n + 1).max(*V1_BYTES.start())),
        };
    };
    let line = input[..end].strip_suffix(b"\r").and_then(|line| std::str::from_utf8(line).ok());
    match line.and_then(client_of_line) {
        Some(client) => Parsed::Done { bytes: end + 1, client },
        None => Parsed::Bad(Bad::Line),
    }
}

/// `None` where the line is none; `Some(None)` where it names nobody.
fn client_of_line(line: &str) -> Option<Option<SocketAddr>> {
    let rest = line.strip_prefix("PROXY ")?;
    // Whatever follows is to be ignored, and says nothing.
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let mut words = rest.split(' ');
    let (family, from, to) = (words.next()?, words.next()?, words.next()?);
    let (from_port, to_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (from, _to, _to_port) = (address(from)?, address(to)?, to_port);
    Some(Some(SocketAddr::new(from, from_port)))
}

/// Digits alone, without leading zeros.
fn port(text: &str) -> Option<u16> {
    let good = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if good { text.parse().ok() } else { None }
}

fn version_2(input: &[u8]) -> Parsed {
    let Some(fixed) = input.get(..V2_FIXED_BYTES) else { return Parsed::More(V2_FIXED_BYTES) };
    let rest = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let bytes = V2_FIXED_BYTES + rest;
    if bytes > PROXY_HEADER_BYTES_MAX {
        return Parsed::Bad(Bad::TooLong);
    }
    // Of a family that is not TCP over IP nothing could be believed.
    let addresses = match (fixed[12], fixed[13]) {
        (0x20, 0x00 | 0x11 | 0x21) | (0x21, 0x00) => 0,
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        _ => return Parsed::Bad(Bad::Fixed),
    };
    if rest < addresses {
        return Parsed::Bad(Bad::Fixed);
    }
    let Some(body) = input.get(V2_FIXED_BYTES..bytes) else { return Parsed::More(bytes) };
    let (found, extras) = body.split_at(addresses);
    if fixed[12] == 0x21 && !are_extras(extras) {
        return Parsed::Bad(Bad::Extras);
    }
    Parsed::Done { bytes, client: client_of_addresses(found) }
}

fn client_of_addresses(found: &[u8]) -> Option<SocketAddr> {
    match found.len() {
        12 => {
            let from: [u8; 4] = found[..4].try_into().ok()?;
            Some(SocketAddr::new(from.into(), u16::from_be_bytes([found[8], found[9]])))
        }
        36 => {
            let from: [u8; 16] = found[..16].try_into().ok()?;
            Some(SocketAddr::new(from.into(), u16::from_be_bytes([found[32], found[33]])))
        }
        _ => None,
    }
}

/// Whether bytes are triples of type, length and value, to the last one. What they say is of no use here.
fn are_extras(mut extras: &[u8]) -> bool {
    while let [_, high, low, rest @ ..] = extras {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(after) = rest.get(length..) else { return false };
        extras = after;
    }
    extras.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, body].concat()
    }

    #[test]
    fn refuses_what_is_not_made_as_it_has_to_be() {
        for line in [
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n",
            "PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.04 5.6.7.8 1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
            "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY UNKNOWNS 1.2.3.4\r\n",
            "PROXY \r\n.........\r\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Parsed::Bad(Bad::Line), "{line:?}");
        }
        assert_eq!(parse(b"proxy TCP4"), Parsed::Bad(Bad::Missing));
        assert_eq!(parse(b"\x16\x03\x01\x00\x00"), Parsed::Bad(Bad::Missing));
        assert_eq!(parse(&[b"PROXY UNKNOWN ", &[b'x'; 100][..]].concat()), Parsed::Bad(Bad::TooLong));
        for (bytes, why) in [
            (v2(0x11, 0x11, &[0; 12]), Bad::Fixed),
            (v2(0x22, 0x11, &[0; 12]), Bad::Fixed),
            (v2(0x21, 0x12, &[0; 12]), Bad::Fixed),
            (v2(0x21, 0x31, &[0; 216]), Bad::Fixed),
            (v2(0x21, 0x11, &[0; 11]), Bad::Fixed),
            (v2(0x21, 0x21, &[0; 12]), Bad::Fixed),
            (v2(0x21, 0x11, &[0; 13]), Bad::Extras),
            (v2(0x21, 0x11, &[&[0; 12][..], &[4, 0, 2, 0]].concat()), Bad::Extras),
            (v2(0x21, 0x11, &vec![0; PROXY_HEADER_BYTES_MAX]), Bad::TooLong),
        ] {
            assert_eq!(parse(&bytes), Parsed::Bad(why), "{:?}", &bytes[12..bytes.len().min(40)]);
        }
    }

    #[test]
    fn both_versions_name_the_client() {
        let client = |text: &str| Some(text.parse().unwrap());
        for (line, wanted) in [
            ("PROXY TCP4 192.0.2.7 10.0.0.1 56324 443\r\n", client("192.0.2.7:56324")),
            ("PROXY TCP6 2001:db8::7 ::1 0 443\r\n", client("[2001:db8::7]:0")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ::1 1 2\r\n", None),
        ] {
            let with_more = [line.as_bytes(), b"\x16\x03"].concat();
            assert_eq!(parse(&with_more), Parsed::Done { bytes: line.len(), client: wanted }, "{line}");
        }
        let four = [&[192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 4, 1, 187][..], &[4, 0, 1, 0]].concat();
        let bytes = v2(0x21, 0x11, &four);
        assert_eq!(parse(&bytes), Parsed::Done { bytes: bytes.len(), client: client("192.0.2.7:56324") });
        let six = [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], &[0, 9, 0, 1]].concat();
        let bytes = v2(0x21, 0x21, &six);
        assert_eq!(parse(&bytes), Parsed::Done { bytes: bytes.len(), client: client("[2001:db8::7]:9") });
        for own in [v2(0x20, 0, &[]), v2(0x20, 0x11, &[1; 20]), v2(0x21, 0, &[])] {
            assert_eq!(parse(&own), Parsed::Done { bytes: own.len(), client: None });
        }
    }

    proptest! {
        /// Whoever reads as much as is asked for gets to an end, and never past the header.
        #[test]
        fn what_is_read_step_by_step_ends_where_the_whole_does(
            start in "(PROXY (TCP4|TCP6|UNKNOWN) [0-9:. ]{0,40}(\r\n|\n)?)?",
            two in any::<bool>(),
            head in (any::<u8>(), prop::sample::select(vec![0x20_u8, 0x21, 0x11]), prop::sample::select(vec![0_u8, 0x11, 0x21])),
            body in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let input = match two {
                true => [&V2_SIGNATURE[..], &[head.1, head.2, 0, head.0 % 64], &body].concat(),
                false => [start.as_bytes(), &body].concat(),
            };
            let whole = parse(&input);
            let mut read = 0;
            loop {
                match parse(&input[..read]) {
                    Parsed::More(bytes) => {
                        prop_assert!(bytes > read && bytes <= PROXY_HEADER_BYTES_MAX);
                        if bytes > input.len() {
                            break;
                        }
                        read = bytes;
                    }
                    Parsed::Done { bytes, client } => {
                        prop_assert_eq!(bytes, read, "nothing of what follows is taken");
                        prop_assert_eq!(whole, Parsed::Done { bytes, client });
                        break;
                    }
                    Parsed::Bad(_) => {
                        prop_assert!(matches!(whole, Parsed::Bad(_)));
                        break;
                    }
                }
            }
        }
    }
}
