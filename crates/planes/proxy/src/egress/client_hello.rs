//! A strict reader of the first message of TLS: the name of the server in it, and nothing else.
//!
//! In: the bytes of a connection so far. Out: the name, that more is needed, or why it is refused. The same bytes get the same
//! verdict however they were cut. Absent on purpose: sockets, time, and any attempt to understand the rest of TLS: what two
//! readers could take for two names is refused, since the server outside is the other reader.
//!
//! Sources: RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3, RFC 9849 (encrypted ClientHello).

use crate::limits::{CLIENT_HELLO_BYTES_MAX, CLIENT_HELLO_EXTENSIONS_MAX};
use bartizan_core::egress::{HostName, Refusal};

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough to judge. Keep everything and come back with more.
    More,
    /// A ClientHello with this name. The bytes may go on as they are.
    Hello(HostName),
    /// Not to be passed on.
    Refused(Refusal),
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Longest plaintext of a record in bytes (RFC 8446 section 5.1).
const RECORD_BYTES_MAX: usize = 1 << 14;
const SERVER_NAME: u16 = 0;
/// Encrypted ClientHello, and the draft before it: the name outside need not be the one inside. A client that only pretends
/// (GREASE) cannot be told from one that means it, so it is refused too.
const ENCRYPTED: [u16; 2] = [0xfe0d, 0xffce];

/// Judges the bytes that a client has sent so far.
pub fn read(bytes: &[u8]) -> Verdict {
    match message(bytes).and_then(|message| message.map(|message| hello(&message)).transpose()) {
        Ok(None) => Verdict::More,
        Ok(Some(name)) => Verdict::Hello(name),
        Err(refusal) => Verdict::Refused(refusal),
    }
}

/// The body of the ClientHello, put together from its records; `None` while it is not complete.
fn message(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let mut message = Vec::new();
    loop {
        // Judged byte by byte, so that what is no TLS is refused at once instead of waited for.
        match bytes {
            [] => return Ok(None),
            [HANDSHAKE, rest @ ..] => match rest {
                [] | [3] | [3, 1..=3] | [3, 1..=3, _] => return Ok(None),
                [3, 1..=3, ..] => {}
                _ => return Err(Refusal::NotTls),
            },
            _ if message.is_empty() => return Err(Refusal::NotTls),
            _ => return Err(Refusal::BadHello), // another record in the middle of it
        }
        let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        if length == 0 || length > RECORD_BYTES_MAX {
            return Err(Refusal::BadHello);
        }
        let (part, whole) = match bytes.get(5..5 + length) {
            Some(part) => (part, true),
            None => (&bytes[5..], false),
        };
        message.extend_from_slice(part);
        if message.len() > CLIENT_HELLO_BYTES_MAX {
            return Err(Refusal::BadHello);
        }
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(Refusal::BadHello);
        }
        if let [_, a, b, c, body @ ..] = message.as_slice() {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if length > CLIENT_HELLO_BYTES_MAX || body.len() > length {
                return Err(Refusal::BadHello); // too long, or another message behind it in the same record
            }
            if body.len() == length && whole {
                message.drain(..4);
                return Ok(Some(message));
            }
        }
        if !whole {
            return Ok(None);
        }
        bytes = &bytes[5 + length..];
    }
}

fn hello(body: &[u8]) -> Result<HostName, Refusal> {
    let mut at = Reader(body);
    let version = at.number()?;
    at.take(32)?; // random
    let session = at.short()?;
    let suites = at.long()?;
    let compressions = at.short()?;
    let well_formed = matches!(version, 0x0301..=0x0303)
        && session.len() <= 32
        && !suites.is_empty()
        && suites.len().is_multiple_of(2)
        && !compressions.is_empty();
    if !well_formed {
        return Err(Refusal::BadHello);
    }
    if at.0.is_empty() {
        return Err(Refusal::SniMissing); // before extensions were
    }
    let mut extensions = Reader(at.long()?);
    at.end()?;
    let mut seen = Vec::new();
    let mut name = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let content = extensions.long()?;
        if seen.contains(&kind) || seen.len() >= CLIENT_HELLO_EXTENSIONS_MAX {
            return Err(Refusal::BadHello);
        }
        seen.push(kind);
        if kind == SERVER_NAME {
            name = Some(server_name(content)?);
        }
    }
    if seen.iter().any(|kind| ENCRYPTED.contains(kind)) {
        return Err(Refusal::EncryptedHello);
    }
    name.ok_or(Refusal::SniMissing)
}

/// Exactly one name, of the only kind there is.
fn server_name(content: &[u8]) -> Result<HostName, Refusal> {
    let mut at = Reader(content);
    let mut list = Reader(at.long()?);
    at.end()?;
    let [0] = list.take(1)? else { return Err(Refusal::BadHello) };
    let name = list.long()?;
    list.end()?;
    // A dot at the end is not allowed there, and servers differ in what they make of it.
    let text = std::str::from_utf8(name).ok().filter(|text| !text.ends_with('.'));
    text.and_then(|text| HostName::parse(text).ok()).ok_or(Refusal::BadHello)
}

/// Takes pieces from the front; running out is a broken message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Refusal> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Refusal::BadHello)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, Refusal> {
        self.take(2).map(|two| u16::from_be_bytes([two[0], two[1]]))
    }

    /// A piece behind one byte of length.
    fn short(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    /// A piece behind two bytes of length.
    fn long(&mut self) -> Result<&'a [u8], Refusal> {
        let length = self.number()?;
        self.take(length.into())
    }

    fn end(&self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::BadHello) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
    }

    fn sni(name: &[u8]) -> Vec<u8> {
        let length = u16::try_from(name.len()).unwrap();
        let list = [&[0][..], &length.to_be_bytes(), name].concat();
        extension(0, &[&(length + 3).to_be_bytes()[..], &list].concat())
    }

    /// A ClientHello with these extensions, in records of at most `piece` bytes.
    fn client_hello(extensions: &[Vec<u8>], piece: usize) -> Vec<u8> {
        let extensions = extensions.concat();
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
        if !extensions.is_empty() {
            body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
            body.extend(extensions);
        }
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        let message = [&[1][..], &length[1..], &body].concat();
        let record = |part: &[u8]| [&[22, 3, 1][..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat();
        message.chunks(piece).flat_map(record).collect()
    }

    fn host(text: &str) -> Verdict {
        Verdict::Hello(HostName::parse(text).unwrap())
    }

    #[test]
    fn refuses_what_has_no_name_or_could_have_two() {
        let good = sni(b"a.test");
        for (why, bytes, refusal) in [
            ("HTTP", b"GET / HTTP/1.1\r\n".to_vec(), Refusal::NotTls),
            ("SSL 3", vec![22, 3, 0, 0, 5], Refusal::NotTls),
            ("an alert", vec![21, 3, 1], Refusal::NotTls),
            ("a ServerHello", vec![22, 3, 3, 0, 4, 2, 0, 0, 0], Refusal::BadHello),
            ("an empty record", vec![22, 3, 3, 0, 0], Refusal::BadHello),
            ("a record that is too long", vec![22, 3, 3, 0xff, 0xff], Refusal::BadHello),
            ("no extensions", client_hello(&[], 9999), Refusal::SniMissing),
            ("no name", client_hello(&[extension(43, &[2, 3, 4])], 9999), Refusal::SniMissing),
            ("two names", client_hello(&[good.clone(), sni(b"b.test")], 9999), Refusal::BadHello),
            ("encrypted", client_hello(&[good.clone(), extension(0xfe0d, &[0; 9])], 9999), Refusal::EncryptedHello),
            (
                "encrypted, an older way",
                client_hello(&[extension(0xffce, &[]), good.clone()], 9999),
                Refusal::EncryptedHello,
            ),
            ("an address as name", client_hello(&[sni(b"127.0.0.1")], 9999), Refusal::BadHello),
            ("a NUL in the name", client_hello(&[sni(b"a.test\0.b")], 9999), Refusal::BadHello),
            ("a dot at the end", client_hello(&[sni(b"a.test.")], 9999), Refusal::BadHello),
            ("an empty name", client_hello(&[sni(b"")], 9999), Refusal::BadHello),
            ("a name beyond its list", client_hello(&[extension(0, &[0, 4, 0, 0, 9, b'a'])], 9999), Refusal::BadHello),
            (
                "two entries in the list",
                client_hello(&[extension(0, &[0, 8, 0, 0, 1, b'a', 0, 0, 1, b'b'])], 9999),
                Refusal::BadHello,
            ),
            (
                "bytes behind it in the record",
                {
                    let mut bytes = client_hello(std::slice::from_ref(&good), 9999);
                    bytes[4] += 1;
                    bytes.push(0);
                    bytes
                },
                Refusal::BadHello,
            ),
        ] {
            assert_eq!(read(&bytes), Verdict::Refused(refusal), "{why}");
        }
        let long = client_hello(&[extension(21, &vec![0; 60_000]), good], 16_000);
        assert_eq!(read(&long), Verdict::Refused(Refusal::BadHello), "too long");
    }

    #[test]
    fn reads_the_name_however_the_message_is_cut_into_records() {
        for piece in [1, 3, 40, 9999] {
            let bytes = client_hello(&[extension(43, &[2, 3, 4]), sni(b"API.partner.example")], piece);
            assert_eq!(read(&bytes), host("api.partner.example"), "{piece}");
            for cut in 0..bytes.len() {
                assert_eq!(read(&bytes[..cut]), Verdict::More, "{piece} {cut}");
            }
            let early = [&bytes[..], &[23, 3, 3, 0, 1, 9]].concat();
            assert_eq!(read(&early), host("api.partner.example"), "early data goes on behind it");
        }
    }

    #[test]
    fn reads_what_rustls_sends() {
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let name = "api.partner.example".try_into().unwrap();
        let mut client = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        assert_eq!(read(&bytes), host("api.partner.example"));
    }

    proptest! {
        #[test]
        fn a_refusal_of_the_beginning_is_one_of_the_whole(bytes: Vec<u8>, more: Vec<u8>, seed in 0usize..200) {
            let mut bytes = bytes;
            if seed < 100 { // something that begins well
                let good = client_hello(&[sni(b"a.test")], 50);
                bytes = [&good[..seed.min(good.len())], &bytes].concat();
            }
            let verdict = read(&bytes);
            let whole = read(&[&bytes[..], &more].concat());
            match verdict {
                Verdict::More => {}
                Verdict::Hello(_) => prop_assert_eq!(whole, verdict),
                Verdict::Refused(_) => prop_assert!(matches!(whole, Verdict::Refused(_))),
            }
        }
    }
}
