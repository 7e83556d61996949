//! DNS: only names of the list, only addresses that may be dialled, and nothing leaves for any other name.

use super::{Origin, Out, rules};
use crate::world::{PATIENCE, World};
use bartizan_core::egress::Refusal;
use std::net::{IpAddr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

pub const A: u16 = 1;
pub const AAAA: u16 = 28;
const NXDOMAIN: u8 = 3;

pub fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut out = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out
}

/// Code and addresses of an answer.
pub fn read(answer: &[u8]) -> (u8, Vec<IpAddr>) {
    assert_eq!(&answer[..2], &[0xab, 0xcd]);
    let count = u16::from_be_bytes([answer[6], answer[7]]);
    let mut at = 12 + answer[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let mut addresses = Vec::new();
    for _ in 0..count {
        let length = usize::from(u16::from_be_bytes([answer[at + 10], answer[at + 11]]));
        let data = &answer[at + 12..at + 12 + length];
        addresses.push(match length {
            4 => IpAddr::from(<[u8; 4]>::try_from(data).unwrap()),
            _ => IpAddr::from(<[u8; 16]>::try_from(data).unwrap()),
        });
        at += 12 + length;
    }
    (answer[3] & 15, addresses)
}

pub async fn ask(dns: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(bytes, dns).await.unwrap();
    let mut answer = vec![0; 2048];
    let heard = timeout(std::time::Duration::from_secs(2), socket.recv(&mut answer)).await;
    heard.ok().map(|n| answer[..n.unwrap()].to_vec())
}

pub async fn resolve(dns: SocketAddr, name: &str, kind: u16) -> (u8, Vec<IpAddr>) {
    read(&ask(dns, &query(name, kind)).await.unwrap_or_else(|| panic!("no answer for {name}")))
}

#[tokio::test]
async fn a_name_that_is_not_listed_does_not_exist_and_is_not_looked_up() {
    let world = World::new();
    let out = Out::start(&world, rules("[api.test, \"*.files.test\"]", &[])).await;
    out.names.set("evil.test", &["1.1.1.1"]);
    for name in [
        "evil.test",
        "files.test",
        "a.b.files.test",
        "data-that-leaves.evil.test",
        "localhost",
        "127.0.0.1",
        "xn--e1afmkfd.test",
    ] {
        for kind in [A, AAAA, 16, 65, 255] {
            assert_eq!(resolve(out.side.dns, name, kind).await, (NXDOMAIN, vec![]), "{name} {kind}");
        }
    }
    let stats = out.guard.proxy.egress.stats();
    assert_eq!((stats.lookups, stats.refused[&Refusal::NameUndeclared]), (0, 35));
    let event = out.refused(Refusal::NameUndeclared).await;
    assert_eq!((event.host.as_deref(), &*event.protocol), (Some("evil.test"), "dns"));
}

#[tokio::test]
async fn what_is_listed_is_looked_up_once_and_told_without_its_aliases() {
    let world = World::new();
    let out = Out::start(&world, rules("[API.test]", &[])).await;
    out.names.set("api.test", &["1.1.1.1", "2606:4700::1111"]);
    for name in ["api.test", "API.TEST"] {
        assert_eq!(resolve(out.side.dns, name, A).await, (0, vec!["1.1.1.1".parse().unwrap()]));
        assert_eq!(resolve(out.side.dns, name, AAAA).await, (0, vec!["2606:4700::1111".parse().unwrap()]));
    }
    assert_eq!(resolve(out.side.dns, "api.test", 65).await, (0, vec![]), "no HTTPS record: no keys for ECH");
    assert_eq!(out.guard.proxy.egress.stats().lookups, 1, "the rest came from memory");
}

#[tokio::test]
async fn a_name_that_leads_inside_leads_nowhere() {
    let world = World::new();
    let out = Out::start(&world, rules("[api.test, { host: inner.test, addresses: [10.1.0.0/16] }]", &[])).await;
    for (addresses, why) in [
        (&["127.0.0.1"][..], Refusal::InnerAddress),
        (&["1.1.1.1", "10.0.0.1"], Refusal::InnerAddress),
        (&["169.254.169.254"], Refusal::Metadata),
        (&["fd00:ec2::254"], Refusal::Metadata),
        (&["::ffff:10.0.0.1"], Refusal::InnerAddress),
        (&[], Refusal::NoAddress),
    ] {
        out.names.set("api.test", addresses);
        let before = out.guard.proxy.egress.stats().refused.get(&why).copied().unwrap_or(0);
        assert_eq!(resolve(out.side.dns, "api.test", A).await, (NXDOMAIN, vec![]), "{addresses:?}");
        assert_eq!(out.guard.proxy.egress.stats().refused[&why], before + 1, "{addresses:?}");
    }
    out.names.set("inner.test", &["10.1.2.3"]);
    assert_eq!(resolve(out.side.dns, "inner.test", A).await, (0, vec!["10.1.2.3".parse().unwrap()]));
    out.names.set("inner.test", &["10.2.0.1"]); // remembered for a while, as it was told
    assert_eq!(resolve(out.side.dns, "inner.test", A).await, (0, vec!["10.1.2.3".parse().unwrap()]));
}

#[tokio::test]
async fn garbage_is_counted_and_answered_with_a_code_or_not_at_all() {
    let world = World::new();
    let out = Out::start(&world, rules("[api.test]", &[])).await;
    out.names.set("api.test", &["1.1.1.1"]);
    assert_eq!(ask(out.side.dns, b"\xc3\0\0\0\x01 begins like QUIC").await.map(|it| it[3] & 15), Some(1));
    assert_eq!(ask(out.side.dns, &[0x80; 12]).await, None, "it looks like an answer");
    assert_eq!(ask(out.side.dns, &[0; 12]).await.map(|it| it[3] & 15), Some(1), "no question");
    assert_eq!(ask(out.side.dns, &[0; 1100]).await.map(|it| it[3] & 15), Some(1), "too long");
    out.refused(Refusal::BadQuery).await;
    // Over TCP the same, several on one connection.
    let mut stream = TcpStream::connect(out.side.dns).await.unwrap();
    for (name, expected) in [("api.test", (0, vec!["1.1.1.1".parse().unwrap()])), ("evil.test", (NXDOMAIN, vec![]))] {
        let query = query(name, A);
        stream.write_u16(u16::try_from(query.len()).unwrap()).await.unwrap();
        stream.write_all(&query).await.unwrap();
        let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(read(&answer), expected, "{name}");
    }
    stream.write_u16(60_000).await.unwrap();
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0; 9])).await.unwrap().unwrap_or(0), 0, "closed");
}

#[tokio::test]
async fn the_names_of_this_host_are_those_of_its_resolver() {
    // `localhost` is in every hosts file; it is an inner address, so it has to be named.
    use bartizan_core::egress::HostName;
    use bartizan_proxy::egress::resolve::Resolver;
    let found = Resolver::Host.addresses(&HostName::parse("localhost").unwrap()).await;
    assert!(found.iter().any(|address| address.is_loopback()), "{found:?}");
    let none = Resolver::Host.addresses(&HostName::parse("no-such-name.invalid").unwrap()).await;
    assert!(none.is_empty(), "{none:?}");
    drop(Origin::plain().await);
}
