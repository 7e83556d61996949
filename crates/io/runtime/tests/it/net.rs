//! Listeners and ports.

use crate::pki::LONG;
use bartizan_runtime::listen::{self, ListenError};
use bartizan_runtime::ports::claim_loopback_ports;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

#[test]
fn free_ports_are_different_and_can_be_bound() {
    let ports = claim_loopback_ports(300).unwrap().ports;
    assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 300);
    let held: Vec<_> = ports.iter().map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap()).collect();
    let others = claim_loopback_ports(300).unwrap().ports;
    assert!(others.iter().all(|port| !ports.contains(port)), "a port that is in use was called free");
    drop(held);
    assert!(claim_loopback_ports(0).unwrap().ports.is_empty());
    assert!(claim_loopback_ports(70_000).is_err());
}

#[test]
fn what_is_claimed_is_given_to_nobody_else() {
    let first = claim_loopback_ports(100).unwrap();
    for _ in 0..50 {
        let others = claim_loopback_ports(100).unwrap();
        assert!(others.ports.iter().all(|port| !first.ports.contains(port)));
    }
    // The ports themselves are free for the parts of the fleet.
    assert!(first.ports.iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()));
}

#[tokio::test]
async fn an_address_in_use_names_its_holder() {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let error = listen::bind(addr).unwrap_err();
    let ListenError::InUse { holder: Some((pid, name)), .. } = &error else { panic!("{error:?}") };
    assert_eq!(*pid, std::process::id());
    assert_eq!(error.to_string(), format!("address {addr} is in use (by pid {pid}, `{name}`)"));

    // A listener on all addresses is in the way too.
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = everywhere.local_addr().unwrap().port();
    let error = listen::bind(SocketAddr::from(([127, 0, 0, 1], port))).unwrap_err();
    assert!(matches!(error, ListenError::InUse { holder: Some(_), .. }), "{error:?}");

    let error = listen::bind("203.0.113.1:0".parse().unwrap()).unwrap_err();
    assert!(matches!(error, ListenError::Refused { .. }), "not an address of this machine: {error:?}");
}

#[tokio::test]
async fn a_restarted_listener_does_not_wait_for_old_connections() {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(listen::connect(addr, LONG), listen::accept(&listener));
    let (client, (accepted, from)) = (client.unwrap(), accepted.unwrap());
    assert_eq!(from, client.local_addr().unwrap());
    assert!(client.nodelay().unwrap() && accepted.nodelay().unwrap());
    // The server closes first, so TIME_WAIT is on its side.
    drop(accepted);
    drop(client);
    drop(listener);
    listen::bind(addr).unwrap();
}

#[tokio::test]
async fn shared_listeners_have_one_port_and_see_rivals() {
    let shared = listen::bind_shared("127.0.0.1:0".parse().unwrap(), 3).unwrap();
    let addrs: BTreeSet<_> = shared.iter().map(|l| l.local_addr().unwrap()).collect();
    assert_eq!((shared.len(), addrs.len()), (3, 1));
    let addr = *addrs.first().unwrap();
    for error in [listen::bind(addr).map(drop).unwrap_err(), listen::bind_shared(addr, 1).map(drop).unwrap_err()] {
        assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
    }
    let listeners: Vec<_> = shared.into_iter().map(|l| tokio::net::TcpListener::from_std(l).unwrap()).collect();
    let client = listen::connect(addr, LONG).await.unwrap();
    let accepted = tokio::select! {
        it = listen::accept(&listeners[0]) => it,
        it = listen::accept(&listeners[1]) => it,
        it = listen::accept(&listeners[2]) => it,
    };
    assert_eq!(accepted.unwrap().1, client.local_addr().unwrap());
}

#[tokio::test]
async fn dialling_nobody_fails_at_once() {
    let claimed = claim_loopback_ports(1).unwrap();
    let port = claimed.ports[0];
    let error = listen::connect(SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn only_listeners_beyond_loopback_are_wildcards() {
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(!listen::wildcard_listener(inside.local_addr().unwrap().port()));
    let outside = TcpListener::bind("0.0.0.0:0").unwrap();
    assert!(listen::wildcard_listener(outside.local_addr().unwrap().port()));
    let Ok(both) = TcpListener::bind("[::]:0") else { return }; // a kernel without IPv6
    assert!(listen::wildcard_listener(both.local_addr().unwrap().port()));
}
