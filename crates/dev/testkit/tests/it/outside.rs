//! Who may not come in: other addresses of this machine, plain text, malformed requests.

use bartizan_testkit::{Bank, Deadline, wait_for};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// An address of this machine that is not loopback; none on a machine without any network.
fn outside_address() -> Option<IpAddr> {
    // Nothing is sent: connecting a UDP socket only asks the kernel which address it would use.
    let probe = UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect("192.0.2.1:9").ok()?;
    probe.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback())
}

#[test]
fn no_program_and_no_sidecar_is_reachable_from_outside_loopback() {
    let bank = Bank::start(&[]);
    let Some(outside) = outside_address() else {
        panic!("this machine has no address besides loopback, so this cannot be shown here");
    };
    let plan = bank.up.plan();
    let mesh =
        plan["mesh"].as_object().unwrap().values().map(|a| a.as_str().unwrap().parse::<SocketAddr>().unwrap().port());
    for port in bank.ports.iter().copied().chain(mesh) {
        // Programs are not even on this machine's loopback.
        assert_eq!(TcpStream::connect(("127.0.0.1", port)).is_ok(), !bank.ports.contains(&port));
        let reached = TcpStream::connect_timeout(&SocketAddr::new(outside, port), Duration::from_secs(2));
        assert!(reached.is_err(), "port {port} answers on {outside}");
    }
}

#[test]
fn smuggled_requests_from_the_bank_side_are_refused_with_an_event() {
    let bank = Bank::start(&[]);
    let plan = bank.up.plan();
    let out = plan["outbound"]["payment"]["accounts"].as_str().unwrap();
    for (bytes, rule) in [
        (
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
            "transfer_encoding",
        ),
        ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd", "content_length"),
        ("GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n z\r\n\r\n", "fold"),
    ] {
        let answer = bank.up.send_inside("payment", out, bytes);
        assert!(answer.starts_with("HTTP/1.1 400"), "{bytes:?} -> {answer:?}");
        wait_for(&format!("an event for {rule}"), Deadline::default(), || {
            bank.up.say(&["events", "--service", "payment", "--deny", "--json"]).contains(rule).then_some(())
        });
    }
}
