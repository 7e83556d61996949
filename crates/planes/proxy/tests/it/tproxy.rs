//! Connections that a rule of TPROXY leads to a guard: a program on another machine, whose way leads through the guard's. Two
//! network namespaces with a pair of virtual cables between them; no address is translated, and the guard sees the one that was
//! meant as its own end of the connection.
//!
//! Namespaces take root; without it this says so and looks at nothing. It needs `ip`, `nft` and `python3`.

use crate::programs;
use crate::world::{Guard, World, free_addr, may_make_networks, name};
use bartizan_core::capture::Captured;
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::Command;

/// Of the range for benchmarks (RFC 2544): stands for `api`.
const API: &str = "198.19.0.2";
/// Stands for `rpc`, which may not be called.
const RPC: &str = "198.19.0.3";
/// Stands for nobody.
const NOBODY: &str = "198.19.0.9";

/// Prints what it hears for a request to argv[1], at a port that nobody chose.
const ASK: &str = "
import socket, sys
try:
    s = socket.create_connection((sys.argv[1], 8080), 5)
    s.settimeout(5)
    s.sendall(b'GET /x HTTP/1.1\\r\\nhost: api\\r\\nconnection: close\\r\\n\\r\\n')
    heard = b''
    while piece := s.recv(999):
        heard += piece
    print(heard.decode())
except OSError as error:
    print('no:', error)
";

fn must(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("`{program}`: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The guard's machine and the program's.
struct Machines {
    guard: String,
    program: String,
}

impl Machines {
    fn new() -> Self {
        let pid = std::process::id();
        let it = Self { guard: format!("bz-guard-{pid}"), program: format!("bz-program-{pid}") };
        let (guard, program) = (it.guard.as_str(), it.program.as_str());
        must("ip", &["netns", "add", guard]);
        must("ip", &["netns", "add", program]);
        must("ip", &["-n", guard, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", program]);
        for (space, link, addr) in [(guard, "near", "10.77.0.1/30"), (program, "far", "10.77.0.2/30")] {
            must("ip", &["-n", space, "addr", "add", addr, "dev", link]);
            must("ip", &["-n", space, "link", "set", link, "up"]);
            must("ip", &["-n", space, "link", "set", "lo", "up"]);
        }
        must("ip", &["-n", program, "route", "add", "default", "via", "10.77.0.1"]);
        // What is marked is this machine's, whatever its address.
        must("ip", &["-n", guard, "rule", "add", "fwmark", "1", "lookup", "100"]);
        must("ip", &["-n", guard, "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100"]);
        it
    }

    fn lead_to(&self, at: SocketAddr) {
        let rules = format!(
            "table ip bartizan {{\n chain before {{\n type filter hook prerouting priority mangle;\n \
             iifname \"near\" meta l4proto tcp tproxy to {at} meta mark set 1 accept\n }}\n}}\n"
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("rules");
        std::fs::write(&file, rules).unwrap();
        must("ip", &["netns", "exec", &self.guard, "nft", "-f", file.to_str().unwrap()]);
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for space in [&self.guard, &self.program] {
            let _ = Command::new("ip").args(["netns", "del", space]).output();
        }
    }
}

async fn ask(machines: &Machines, address: &str) -> String {
    let mut command = tokio::process::Command::new("ip");
    command.args(["netns", "exec", &machines.program, "timeout", "20", "python3", "-c", ASK, address]);
    let output = command.kill_on_drop(true).output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn what_a_rule_of_tproxy_leads_here_is_a_call_of_whom_it_was_meant_for() {
    if !may_make_networks() {
        return;
    }
    let machines = Machines::new();
    let path = format!("/run/netns/{}", machines.guard);
    // Threads that this one starts are on the guard's machine too.
    let thread = std::thread::spawn(move || {
        let space = File::open(path).unwrap();
        move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(led(&machines));
        drop(machines);
    });
    assert!(thread.join().is_ok(), "the test inside failed");
}

async fn led(machines: &Machines) {
    let world = World::new();
    let callee = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let mut directory = world.directory("web");
    directory.own.outbound.insert(name("api"), free_addr());
    directory.peers.insert(name("api"), callee.as_peer(Protocol::Http));
    let at = free_addr();
    let names = BTreeMap::from([(API.parse().unwrap(), name("api")), (RPC.parse().unwrap(), name("rpc"))]);
    directory.own.captured = Some(Captured { at, names });
    let caller = Guard::start(&world, directory, &crate::world::policies("")).await;
    machines.lead_to(at);

    let nobody = ask(machines, NOBODY).await;
    assert!(nobody.trim().is_empty() || nobody.contains("no:"), "{nobody}");
    let refused = caller.event(|event| match &event.what {
        What::Refused(refused) => Some((refused.rule.to_string(), refused.remote.map(|at| at.ip().to_string()))),
        _ => None,
    });
    let whence = Some("10.77.0.2".to_owned());
    assert_eq!(refused.await, ("undeclared_destination".to_owned(), whence), "the caller's own address is kept");
    // Who keeps silent for too long is not told in HTTP, as a program on a busy machine may; then once more.
    let mut undeclared = String::new();
    for _ in 0..5 {
        undeclared = ask(machines, RPC).await;
        if undeclared.starts_with("HTTP/1.1") {
            break;
        }
    }
    assert!(undeclared.starts_with("HTTP/1.1 403") && undeclared.contains("undeclared"), "{undeclared}");
    let answer = ask(machines, API).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("GET /x\n"), "{answer}");
    let heard = callee.event(|event| match &event.what {
        What::Request(request) => Some(request.peer.clone()),
        _ => None,
    });
    assert_eq!(heard.await, Some(world.id("web")), "it comes as the service whose guard it is");
}
