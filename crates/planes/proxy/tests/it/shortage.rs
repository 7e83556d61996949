//! A process without descriptors or ports: it says so, nobody spins, nobody else is blamed, and it goes on by itself.

use crate::client::{get, mtls, plain, status, talk, until};
use crate::programs;
use crate::world::{World, may_make_networks};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_core::stats::Shortage;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Until no descriptor was opened or closed for a while: what closes later would be room.
async fn until_all_is_quiet() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (mut last, mut same) = (open(), 0);
    until("descriptors to stay as they are", async || {
        let now = open();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        tokio::time::sleep(Duration::from_millis(50)).await;
        same >= 6
    })
    .await;
}

/// Takes every descriptor that is left, under a bound not far above what is open.
fn take_all() -> Vec<File> {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let bound = Rlimit { current: Some(open + 8), maximum: getrlimit(Resource::Nofile).maximum };
    setrlimit(Resource::Nofile, bound).unwrap();
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[tokio::test]
async fn without_descriptors_who_comes_waits_until_there_is_room() {
    let world = World::new();
    let callee = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let addr = caller.outbound("api");
    assert_eq!(status(&talk(plain(addr).await, get("/")).await), 200);

    until_all_is_quiet().await;
    let mut taken = take_all();
    assert!(!taken.is_empty(), "the bound holds");
    drop(taken.pop()); // the client needs one
    let mut waiting = TcpStream::connect(addr).await.unwrap();
    waiting.write_all(get("/").as_bytes()).await.unwrap();
    let times = || caller.proxy.shortages.stats().get(&Shortage::Descriptors).copied().unwrap_or(0);
    until("it is counted", async || times() > 0).await;
    let (before, since) = (times(), Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let per_second = (times() - before) as f64 / since.elapsed().as_secs_f64();
    assert!((1.0..60.0).contains(&per_second), "each of two threads tries ten times a second: {per_second}");

    let since = Instant::now();
    drop(taken);
    assert_eq!(status(&talk(waiting, "").await), 200, "it waited and is answered");
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let refused = |event: &bartizan_core::event::Event| match &event.what {
        What::Refused(it) => Some((it.rule.to_string(), it.remote, it.status)),
        _ => None,
    };
    assert_eq!(caller.event(refused).await, ("descriptors_exhausted".to_owned(), None, 0));
    let told = |event: &bartizan_core::event::Event| refused(event).is_some();
    assert_eq!(caller.proxy.events.take().iter().filter(|event| told(event)).count(), 0, "once, not each time");
}

fn must(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap_or_else(|error| panic!("`ip` is installed: {error}"));
    assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs in a network namespace of its own, where the kernel gives out as few ports as the test likes.
fn in_a_network_of_its_own(test: impl FnOnce(&Runtime) + Send + 'static) {
    if !may_make_networks() {
        return;
    }
    struct Space(String);
    impl Drop for Space {
        fn drop(&mut self) {
            let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
        }
    }
    let space = Space(format!("bz-ports-{}", std::process::id()));
    must(&["netns", "add", &space.0]);
    must(&["-n", &space.0, "link", "set", "lo", "up"]);
    let path = format!("/run/netns/{}", space.0);
    // Threads that this one starts are in there too.
    let thread = std::thread::spawn(move || {
        let inside = File::open(path).unwrap();
        move_into_link_name_space(inside.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        test(&tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
    });
    assert!(thread.join().is_ok(), "the test inside failed");
}

#[test]
fn without_ports_a_call_is_answered_503_and_nobody_is_blamed() {
    in_a_network_of_its_own(|runtime| runtime.block_on(without_ports()));
}

async fn without_ports() {
    let world = World::new();
    let program = programs::http().await;
    let callee = world.sidecar("api", program, Protocol::Http).await;
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40001").unwrap();
    // All that there are towards the program.
    let held = [plain(program).await, plain(program).await];

    let response = talk(mtls(&world, callee.mesh(), "web").await, get("/")).await;
    assert_eq!(status(&response), 503, "{response}");
    assert!(response.contains("ports_exhausted") && response.contains("request_id"), "{response}");
    let refused = callee.event(|event| match &event.what {
        What::Refused(it) => Some((it.rule.to_string(), it.remote, it.status)),
        _ => None,
    });
    assert_eq!(refused.await, ("ports_exhausted".to_owned(), Some(program), 503));
    assert_eq!(callee.proxy.shortages.stats().get(&Shortage::Ports), Some(&1));

    drop(held);
    // More than were held: each try below leaves one of its own behind for a minute.
    std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40999").unwrap();
    until("it goes on once there are ports", async || {
        status(&talk(mtls(&world, callee.mesh(), "web").await, get("/")).await) == 200
    })
    .await;
}
