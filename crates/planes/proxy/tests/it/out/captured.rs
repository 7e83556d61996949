//! Connections that were led to the guard on their way elsewhere. Here the sockets listen on the very addresses that are dialled
//! (all of 127.0.0.0/8 is this machine), which to the guard looks like a transparent proxy's; what is let through is looked at in
//! [`super::namespace`], where the kernel does it.

use super::names::{A, resolve};
use super::{Out, get_over_tls, rules};
use crate::client::{hear, plain, status, talk};
use crate::world::{World, free_addr};
use bartizan_core::egress::{Egress, Refusal};
use bartizan_core::event::Outcome;
use bartizan_core::snapshot::EgressSide;
use bartizan_proxy::egress::doors::Sockets;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt;

/// A guard that listens on every address of this machine at `port`, and believes to listen at another place: whoever dials an
/// address there was on his way to it.
async fn everywhere(world: &World, rules: Egress, port: u16) -> Out {
    let anywhere = SocketAddr::from(([0, 0, 0, 0], port));
    let open = EgressSide { proxy: anywhere, dns: free_addr(), rules: Egress::default() };
    let sockets = Sockets::open(&open).unwrap();
    let side = EgressSide { proxy: free_addr(), dns: open.dns, rules };
    Out::on(world, side, sockets).await
}

/// The address of a name as the guard gives it out, on `port`.
async fn asked(out: &Out, name: &str, port: u16) -> SocketAddr {
    SocketAddr::new(resolve(out.side.dns, name, A).await.1[0], port)
}

#[tokio::test]
async fn name_and_address_have_to_agree() {
    let world = World::new();
    let port = free_addr().port();
    let rule = |name| format!("{{ host: {name}, ports: [{port}], addresses: [127.5.0.0/16] }}");
    let egress = format!("[{}, {}]", rule("api.test"), rule("other.test"));
    let out = everywhere(&world, rules(&egress, &[]), port).await;
    // A name that has no address, for all that the guard can find out.
    let early =
        get_over_tls(&world, plain(SocketAddr::new("127.5.0.1".parse().unwrap(), port)).await, "api.test").await;
    assert!(early.is_err());
    assert_eq!(out.refused(Refusal::AddressDisagrees).await.host.as_deref(), Some("api.test"));

    out.names.set("api.test", &["127.5.0.1"]);
    out.names.set("other.test", &["127.5.0.2"]);
    let (api, other) = (asked(&out, "api.test", port).await, asked(&out, "other.test", port).await);
    // The name of one with the address of another; both are listed.
    assert!(get_over_tls(&world, plain(other).await, "api.test").await.is_err());
    // A name that is not listed.
    assert!(get_over_tls(&world, plain(api).await, "evil.test").await.is_err());
    assert_eq!(out.refused(Refusal::Undeclared).await.host.as_deref(), Some("evil.test"));
    // No name at all: bytes, and HTTP, where TLS is listed.
    let mut bytes = plain(api).await;
    bytes.write_all(b"\0\0\0 bytes").await.unwrap();
    assert_eq!(hear(&mut bytes).await, "");
    let refused = out.event(|it| matches!(it.outcome, Outcome::Refused(_)) && it.host.is_none()).await;
    assert_eq!(refused.address, Some(api.ip()));
    let answer = talk(plain(api).await, "GET / HTTP/1.1\r\nhost: api.test\r\nconnection: close\r\n\r\n").await;
    assert!(status(&answer) == 403 && answer.contains("protocol"), "{answer}");
    assert_eq!(out.guard.proxy.egress.stats().passed, 0, "nothing went out");
}
