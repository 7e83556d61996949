//! DNS messages: a strict reader of queries and a writer of answers. Pure.
//!
//! In: one datagram, or one message of a stream. Out: the question, or the code that it is answered with. What a stub resolver
//! has no reason to send (two questions, answers, compressed names, other classes) is refused.
//!
//! Sources: RFC 1035 section 4, RFC 6891 (EDNS), RFC 9619 (one question).

use crate::limits::{DNS_ANSWERS_MAX, DNS_MESSAGE_BYTES_MAX, DNS_UDP_BYTES_MAX};
use bartizan_core::egress::HostName;
use std::net::IpAddr;

/// Longest name on the wire in bytes (RFC 1035 section 3.1).
const NAME_BYTES_MAX: usize = 255;
/// Datagram size that every client takes (RFC 1035 section 4.2.1).
const UDP_BYTES_PLAIN: u16 = 512;
const HEADER_BYTES: usize = 12;
const CLASS_IN: u16 = 1;
const TYPE_OPT: u16 = 41;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Anything else: there is such a name, and nothing of that kind is told.
    Other(u16),
}

/// Outcome of an answer (RFC 1035 section 4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// There is such a name.
    Fine = 0,
    /// The query is malformed.
    Malformed = 1,
    /// It could not be found out.
    Failed = 2,
    /// There is no such name, as far as this service is concerned.
    NoName = 3,
    /// Not a kind of query that is answered.
    NotAnswered = 4,
    /// Not answered for another reason.
    Refused = 5,
}

/// A query that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// To be repeated in the answer.
    pub id: u16,
    recursion: bool,
    /// Name, type and class as they came.
    question: Vec<u8>,
    /// The name, where it can be one of a host.
    pub name: Option<HostName>,
    /// What is asked for.
    pub kind: Kind,
    /// Whether the query had EDNS, and the answer has to.
    edns: bool,
    /// Longest datagram that the client takes, in bytes.
    udp_bytes: u16,
}

/// Why a message is not answered as a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// Not even a header, or an answer itself: to answer it could go round in circles.
    Ignored,
    /// Answered with a code; the header was read.
    Code {
        /// To be repeated in the answer.
        id: u16,
        /// The code.
        code: Code,
    },
}

/// Reads one message.
///
/// # Errors
/// [`QueryError`].
pub fn read(bytes: &[u8]) -> Result<Query, QueryError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else { return Err(QueryError::Ignored) };
    let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (id, flags) = (number(0), number(2));
    if flags & 0x8000 != 0 {
        return Err(QueryError::Ignored);
    }
    let refuse = |code| QueryError::Code { id, code };
    if flags & 0x7800 != 0 {
        return Err(refuse(Code::NotAnswered));
    }
    // No truncated query, no code in one; one question, and nothing behind it but EDNS.
    let shape = flags & 0x020f == 0 && (number(4), number(6), number(8)) == (1, 0, 0) && number(10) <= 1;
    if !shape || bytes.len() > DNS_MESSAGE_BYTES_MAX {
        return Err(refuse(Code::Malformed));
    }
    let (name, length) = name(rest).ok_or(refuse(Code::Malformed))?;
    let (question, rest) = rest.split_at_checked(length + 4).ok_or(refuse(Code::Malformed))?;
    let kind = match u16::from_be_bytes([question[length], question[length + 1]]) {
        1 => Kind::A,
        28 => Kind::Aaaa,
        other => Kind::Other(other),
    };
    if u16::from_be_bytes([question[length + 2], question[length + 3]]) != CLASS_IN {
        return Err(refuse(Code::Refused));
    }
    let edns = if number(10) == 1 { Some(option(rest).ok_or(refuse(Code::Malformed))?) } else { None };
    if edns.is_none() && !rest.is_empty() {
        return Err(refuse(Code::Malformed));
    }
    Ok(Query {
        id,
        recursion: flags & 0x0100 != 0,
        question: question.to_vec(),
        name: name.and_then(|text| HostName::parse(&text).ok()),
        kind,
        edns: edns.is_some(),
        udp_bytes: edns.unwrap_or(0).clamp(UDP_BYTES_PLAIN, DNS_UDP_BYTES_MAX),
    })
}

/// The name at the front and its length on the wire. `Some((None, _))` where it is a name that no host has.
fn name(bytes: &[u8]) -> Option<(Option<String>, usize)> {
    let (mut text, mut at) = (Vec::new(), 0);
    let mut plain = true;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 {
            return None; // compressed, or of a kind that nobody uses
        }
        let label = bytes.get(at..at + length)?;
        plain &= !label.contains(&b'.'); // a dot inside a label would read as two
        text.extend_from_slice(label);
        text.push(b'.');
        at += length;
        if at > NAME_BYTES_MAX {
            return None;
        }
    }
    (at <= NAME_BYTES_MAX).then(|| (String::from_utf8(text).ok().filter(|_| plain), at))
}

/// The datagram size in an EDNS record that is all of `bytes`.
fn option(bytes: &[u8]) -> Option<u16> {
    let (fixed, data) = bytes.split_first_chunk::<11>()?;
    let kind = u16::from_be_bytes([fixed[1], fixed[2]]);
    let length = usize::from(u16::from_be_bytes([fixed[9], fixed[10]]));
    (fixed[0] == 0 && kind == TYPE_OPT && data.len() == length).then(|| u16::from_be_bytes([fixed[3], fixed[4]]))
}

/// An answer without a question, for what could not be read.
pub fn code(id: u16, code: Code) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES);
    out.extend(id.to_be_bytes());
    out.extend((0x8080 | code as u16).to_be_bytes());
    out.extend([0; 8]);
    out
}

impl Query {
    /// The answer with `code`, and with those `addresses` that are of the kind that was asked for.
    ///
    /// Over UDP an answer that does not fit is sent without addresses and marked as truncated: the client asks again over TCP.
    pub fn answer(&self, code: Code, addresses: &[IpAddr], ttl_s: u32, udp: bool) -> Vec<u8> {
        let addresses: Vec<_> = addresses.iter().filter(|it| self.wants(it)).take(DNS_ANSWERS_MAX).collect();
        let whole = self.write(code, &addresses, ttl_s, false);
        if udp && whole.len() > usize::from(self.udp_bytes) { self.write(code, &[], ttl_s, true) } else { whole }
    }

    fn wants(&self, address: &IpAddr) -> bool {
        match self.kind {
            Kind::A => address.is_ipv4(),
            Kind::Aaaa => address.is_ipv6(),
            Kind::Other(_) => false,
        }
    }

    fn write(&self, code: Code, addresses: &[&IpAddr], ttl_s: u32, truncated: bool) -> Vec<u8> {
        let flags = 0x8080 | u16::from(self.recursion) << 8 | u16::from(truncated) << 9 | code as u16;
        let answers = u16::try_from(addresses.len()).expect("at most DNS_ANSWERS_MAX");
        let mut out = Vec::with_capacity(HEADER_BYTES + self.question.len() + addresses.len() * 28 + 11);
        for number in [self.id, flags, 1, answers, 0, u16::from(self.edns)] {
            out.extend(number.to_be_bytes());
        }
        out.extend(&self.question);
        for address in addresses {
            let (kind, data): (u16, Vec<u8>) = match address {
                IpAddr::V4(v4) => (1, v4.octets().to_vec()),
                IpAddr::V6(v6) => (28, v6.octets().to_vec()),
            };
            out.extend([0xc0, 0x0c]); // the name of the question
            out.extend(kind.to_be_bytes());
            out.extend(CLASS_IN.to_be_bytes());
            out.extend(ttl_s.to_be_bytes());
            out.extend(u16::try_from(data.len()).expect("4 or 16").to_be_bytes());
            out.extend(data);
        }
        if self.edns {
            out.push(0);
            out.extend(TYPE_OPT.to_be_bytes());
            out.extend(DNS_UDP_BYTES_MAX.to_be_bytes());
            out.extend([0; 6]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for label in name.split('.').filter(|label| !label.is_empty()) {
            out.push(u8::try_from(label.len()).unwrap());
            out.extend(label.as_bytes());
        }
        out.push(0);
        out
    }

    fn query(flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
        let mut out = vec![0x12, 0x34];
        out.extend(flags.to_be_bytes());
        counts.iter().for_each(|count| out.extend(count.to_be_bytes()));
        out.extend(rest);
        out
    }

    fn question(name: &str, kind: u16, class: u16) -> Vec<u8> {
        [wire(name), kind.to_be_bytes().to_vec(), class.to_be_bytes().to_vec()].concat()
    }

    const ONE: [u16; 4] = [1, 0, 0, 0];
    const OPT: &[u8] = &[0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn refuses_what_a_stub_resolver_does_not_send() {
        let good = question("api.test", 1, 1);
        let code = |code| QueryError::Code { id: 0x1234, code };
        for (why, bytes, error) in [
            ("nothing", vec![], QueryError::Ignored),
            ("half a header", vec![0; 11], QueryError::Ignored),
            ("an answer", query(0x8100, ONE, &good), QueryError::Ignored),
            ("an update", query(0x2800, ONE, &good), code(Code::NotAnswered)),
            ("truncated", query(0x0300, ONE, &good), code(Code::Malformed)),
            ("no question", query(0x0100, [0, 0, 0, 0], &[]), code(Code::Malformed)),
            (
                "two questions",
                query(0x0100, [2, 0, 0, 0], &[good.clone(), good.clone()].concat()),
                code(Code::Malformed),
            ),
            ("an answer in it", query(0x0100, [1, 1, 0, 0], &good), code(Code::Malformed)),
            ("a compressed name", query(0x0100, ONE, &[0xc0, 0x0c, 0, 1, 0, 1]), code(Code::Malformed)),
            ("a name without end", query(0x0100, ONE, &[3, b'a', b'b', b'c']), code(Code::Malformed)),
            (
                "a name that is too long",
                query(0x0100, ONE, &question(&"abcdefg.".repeat(33), 1, 1)),
                code(Code::Malformed),
            ),
            ("bytes behind it", query(0x0100, ONE, &[&good[..], &[0]].concat()), code(Code::Malformed)),
            ("another class", query(0x0100, ONE, &question("api.test", 1, 3)), code(Code::Refused)),
            (
                "a broken EDNS record",
                query(0x0100, [1, 0, 0, 1], &[&good[..], &OPT[..10]].concat()),
                code(Code::Malformed),
            ),
        ] {
            assert_eq!(read(&bytes), Err(error), "{why}");
        }
        let strange = |bytes: &[u8]| read(&query(0x0100, ONE, bytes)).unwrap().name;
        assert_eq!(strange(&[3, b'a', b'.', b'b', 4, b't', b'e', b's', b't', 0, 0, 1, 0, 1]), None, "a dot in a label");
        assert_eq!(strange(&[1, 0xff, 0, 0, 1, 0, 1]), None, "not a name of a host");
        assert_eq!(strange(&[0, 0, 1, 0, 1]), None, "the root");
    }

    #[test]
    fn answers_with_what_was_asked_for() {
        let addresses: Vec<IpAddr> = vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let asked = read(&query(0x0100, ONE, &question("API.test", 1, 1))).unwrap();
        assert_eq!(asked.name.as_ref().unwrap().as_str(), "api.test");
        let answer = asked.answer(Code::Fine, &addresses, 30, true);
        let expected = [
            &query(0x8180, [1, 1, 0, 0], &question("API.test", 1, 1))[..],
            &[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 192, 0, 2, 7],
        ];
        assert_eq!(answer, expected.concat(), "the question as it came, and the one address of its kind");
        let asked = read(&query(0, [1, 0, 0, 1], &[&question("api.test", 65, 1)[..], OPT].concat())).unwrap();
        let answer = asked.answer(Code::Fine, &addresses, 30, true);
        assert_eq!(
            &answer[2..12],
            &[0x80, 0x80, 0, 1, 0, 0, 0, 0, 0, 1],
            "no HTTPS record, which could carry a key for ECH"
        );
        assert_eq!(code(7, Code::Refused)[..4], [0, 7, 0x80, 0x85]);
    }

    #[test]
    fn what_does_not_fit_a_datagram_is_asked_for_again() {
        let many: Vec<IpAddr> =
            (0..20u8).map(|n| IpAddr::from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n])).collect();
        let name = format!("{0}.{0}.test", "a".repeat(63));
        let asked = read(&query(0x0100, ONE, &question(&name, 28, 1))).unwrap();
        let (udp, tcp) = (asked.answer(Code::Fine, &many, 1, true), asked.answer(Code::Fine, &many, 1, false));
        assert_eq!((udp[2] & 2, udp[7]), (2, 0), "truncated, and without answers");
        assert_eq!((tcp[2] & 2, usize::from(tcp[7])), (0, DNS_ANSWERS_MAX));
    }

    proptest! {
        #[test]
        fn what_is_read_is_answered_within_bounds(bytes: Vec<u8>, seed in 0usize..60, count in 0usize..40) {
            let good = query(0x0100, [1, 0, 0, 1], &[&question("a.test", 1, 1)[..], OPT].concat());
            let bytes = [&good[..seed.min(good.len())], &bytes].concat();
            if let Ok(asked) = read(&bytes) {
                let addresses = vec![IpAddr::from([192, 0, 2, 1]); count];
                let answer = asked.answer(Code::Fine, &addresses, 1, true);
                prop_assert!(answer.len() <= usize::from(asked.udp_bytes));
                prop_assert_eq!(&answer[..2], &bytes[..2]);
                prop_assert_eq!(read(&answer), Err(QueryError::Ignored), "no answer is taken for a query");
            }
        }
    }
}
