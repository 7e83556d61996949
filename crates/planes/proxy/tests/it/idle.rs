//! As many idle connections as a door has places: they stop nobody, cost little, and who comes beyond that waits outside.

use crate::client::{get, hear_until, plain, until};
use crate::programs;
use crate::world::World;
use bartizan_core::fleet::Protocol;
use bartizan_proxy::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// Places that are left for those who ask: an idle thread of the guard holds one for whoever comes next.
const LEFT: usize = 8;

/// Holds argv[2] connections to port argv[1] in a process of its own, which has descriptors of its own, and lets half of them go
/// once it is told to.
const HOLD: &str = "
import resource, socket, sys
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
held = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for _ in range(int(sys.argv[2]))]
print('there', flush=True)
sys.stdin.readline()
del held[len(held) // 2:]
print('fewer', flush=True)
sys.stdin.readline()
";

/// What this process has in memory, the guards and their program included.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_say_nothing_stop_nobody_and_the_next_ones_wait() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    // A guard takes no more than it has descriptors for: one on either side of each.
    let places = most.map_or(usize::MAX, |most| most.saturating_sub(limits::DESCRIPTORS_KEPT) as usize / 2);
    let places = places.min(limits::CONNECTIONS_MAX);
    let world = World::new();
    let callee = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
    let addr = caller.outbound("api");
    let open = || bartizan_proxy::counters::sum(&caller.proxy.counters(), &caller.proxy.events).connections_open;

    let mut asking = plain(addr).await;
    asking.write_all(get("/").as_bytes()).await.unwrap();
    assert!(hear_until(&mut asking, "\r\n\r\n").await.contains(" 200 "));
    let before = resident_bytes();
    let idle = places - LEFT;
    let mut holder = Command::new("python3")
        .args(["-c", HOLD, &addr.port().to_string(), &idle.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python3 is installed");
    let (mut tell, mut said) = (holder.stdin.take().unwrap(), BufReader::new(holder.stdout.take().unwrap()).lines());
    assert_eq!(said.next_line().await.unwrap().as_deref(), Some("there"));
    until("all of them to be let in", async || open() as usize >= idle).await;
    let each = resident_bytes().saturating_sub(before) / idle;
    println!("{each} bytes for each of {idle} idle connections");
    assert!(each < 16 << 10, "{each} bytes for each");

    for path in ["/a", "/b"] {
        let mut between = plain(addr).await;
        between.write_all(get(path).as_bytes()).await.unwrap();
        let heard = timeout(Duration::from_secs(20), hear_until(&mut between, path)).await;
        let heard = heard.expect("it is answered beside them");
        assert!(heard.contains(" 200 "), "{heard}");
    }

    let mut more = Vec::new();
    for _ in 0..3 * LEFT {
        more.push(plain(addr).await); // the kernel takes it, and keeps those for whom there is no place
    }
    let mut last = plain(addr).await;
    last.write_all(get("/late").as_bytes()).await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_secs(1), last.read_exact(&mut byte)).await.is_err(), "it waits outside");
    assert!(open() as usize <= places, "{} of {places}", open());
    tell.write_all(b"\n").await.unwrap();
    assert_eq!(said.next_line().await.unwrap().as_deref(), Some("fewer"));
    let heard = timeout(Duration::from_secs(20), hear_until(&mut last, "/late")).await;
    let heard = heard.expect("there is room again");
    assert!(heard.contains(" 200 "), "{heard}");
}
