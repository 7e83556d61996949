//! Many real guards in one process, under a real control: who reaches whom, who reaches nobody, and how soon all of them
//! know of another instance while they are at work.

use crate::support::{Guard, Node, Place, Running, service};
use bartizan_core::fleet;
use bartizan_core::{Role, SpiffeId};
use bartizan_crypto::{KeyPair, csr, random};
use bartizan_identity::{IssuingCa, RootCa};
use bartizan_proxy::live::Proxy;
use bartizan_runtime::{clock, ports, process, tls};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Services of the fleet in which everybody calls everybody.
const SERVICES: usize = 50;
/// Instances of that service from the beginning to the end.
const ALWAYS: u16 = 2;
/// How long its programs work on a request: so long, that each caller has one under way at nearly all times.
const WORK: Duration = Duration::from_millis(500);
/// How soon all have to know on a quiet machine. Others work on this one: what is asserted is [`NO_LONGER_THAN`].
const SOON: Duration = Duration::from_secs(1);
const NO_LONGER_THAN: Duration = Duration::from_secs(10);
/// How long anything is waited for; two hundred guards begin within it on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Control takes an instance that never came for present until it has run so long.
const CONTROL_KNOWS_WHO_IS_THERE: Duration = Duration::from_secs(11);
/// Guards that come at the same time: more would only wait for one another.
const BEGIN_AT_ONCE: usize = 20;
/// Calls that are made at the same time.
const AT_ONCE: usize = 8;

/// A program that counts what it gets and says `name` after `work`. It ends with `stop`.
pub(crate) async fn program(name: &str, work: Duration, stop: &CancellationToken) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let answer: Arc<str> = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len()).into();
    let (counted, stop) = (Arc::clone(&count), stop.clone());
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&answer), work, Arc::clone(&counted)));
        }
    }));
    (addr, count)
}

async fn serve(mut stream: TcpStream, answer: Arc<str>, work: Duration, count: Arc<AtomicUsize>) {
    while read_message(&mut stream).await.is_some() {
        count.fetch_add(1, Relaxed);
        tokio::time::sleep(work).await;
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A head and as many bytes as it says; `None` where the other end closed, or was silent for too long.
async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.trim().parse().unwrap()) {
                return Some(text);
            }
        }
        let read = timeout(PATIENCE, stream.read_buf(&mut all)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return None;
        }
    }
}

pub(crate) async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.flush().await;
    read_message(&mut stream).await.unwrap_or_default()
}

/// Everything that comes until the other end closes, which it has to.
async fn everything(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.flush().await;
    let mut all = Vec::new();
    // An abrupt end is one too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("who is refused is not kept waiting");
    String::from_utf8_lossy(&all).into_owned()
}

pub(crate) async fn plain(addr: SocketAddr) -> TcpStream {
    timeout(PATIENCE, TcpStream::connect(addr)).await.unwrap().unwrap()
}

/// TLS to whoever is there.
async fn encrypted(addr: SocketAddr, shown: Option<&tls::Identity>) -> Result<tls::ClientStream<TcpStream>, String> {
    let client = tls::Client::new(shown, &["http/1.1"]).unwrap();
    let connected = client.connect(plain(addr).await, Arc::new(|_: &[&[u8]]| Ok(())), PATIENCE).await;
    connected.map(|accepted| accepted.stream).map_err(|error| error.to_string())
}

/// Control of the fleet in `text`, with free ports for everybody.
pub(crate) async fn control_of(text: &str) -> (Place, Running, Vec<ports::Claimed>) {
    process::raise_descriptors();
    let place = Place::new();
    place.write("fleet.yaml", text);
    let fleet = fleet::parse(text, "fleet.yaml").unwrap();
    let mut claims = Vec::new();
    place.edit_plan(|plan| {
        (plan.mesh, plan.outbound) = Default::default();
        let claimed = ports::claim_loopback_ports(plan.lacks(&fleet)).unwrap();
        let mut free = claimed.ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
        plan.complete(&fleet, || free.next()).unwrap();
        claims.push(claimed);
    });
    let control = Running::start(&place).await;
    (place, control, claims)
}

/// Waits until `ready`, in small steps.
async fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let began = Instant::now();
    while !ready() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Guards of all `names`, begun some at a time, each with everything that control sends it.
pub(crate) async fn guards(control: &Running, node: &Node, names: &[String]) -> Vec<Guard> {
    let mut all = Vec::new();
    for names in names.chunks(BEGIN_AT_ONCE) {
        let some: Vec<Guard> = names.iter().map(|name| Guard::begin(control, node, name)).collect();
        let serves = |guard: &Guard| guard.is_whole() && !guard.doors.keys().is_empty();
        until("every guard serves", || some.iter().all(serves)).await;
        all.extend(some);
    }
    all
}

/// Another CA that calls itself as ours does, and a certificate of it for the name of `service`.
fn of_a_foreign_ca(control: &Running, name: &str) -> tls::Identity {
    let now = clock::now();
    let root = RootCa::create(&control.domain, KeyPair::generate().unwrap(), random::bytes(), now).unwrap();
    let key = KeyPair::generate().unwrap();
    let request = csr::check(&csr::make(&key).unwrap()).unwrap();
    let issuing = root.sign_issuing(&request, random::bytes(), now).unwrap();
    let ca = IssuingCa::new(key, &issuing, &control.domain).unwrap();
    let (key, id) = (KeyPair::generate().unwrap(), SpiffeId::of(&control.domain, &Role::Service(service(name))));
    let svid = ca.issue(key.public_spki(), &id, random::bytes(), now).unwrap();
    tls::Identity::new(&svid.chain, &key).unwrap()
}

/// Knocks at every port that the guards listen on for others, in plain, with TLS and no certificate, and with one of
/// `foreign`. Returns how many knocks there were; none of them gets one byte from behind the handshake.
async fn scan(guards: &[Guard], foreign: &tls::Identity) -> usize {
    const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    const HTTP2: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut knocks = 0;
    for guard in guards {
        let doors = guard.doors_to_others();
        assert_eq!(doors, [guard.mesh()], "{} has one door to others", guard.proxy.name);
        for addr in doors {
            for request in [GET, HTTP2] {
                // An alert of TLS at most.
                let answer = everything(plain(addr).await, request).await;
                assert!(answer.len() < 16 && !answer.contains("HTTP"), "{}, in plain: {answer:?}", guard.proxy.name);
                knocks += 1;
            }
            for (shown, why) in [(None, "without a certificate"), (Some(foreign), "of another CA")] {
                // The client's own part of a TLS 1.3 handshake is over before its certificate is judged.
                if let Ok(stream) = encrypted(addr, shown).await {
                    let answer = everything(stream, GET).await;
                    assert!(answer.is_empty(), "{}, {why}: {answer:?}", guard.proxy.name);
                }
                knocks += 1;
            }
        }
    }
    knocks
}

/// About a tenth of all pairs, without a pattern that a mistake could share.
fn calls(from: usize, to: usize) -> bool {
    from != to && (from * from + 3 * to + from * to).is_multiple_of(11)
}

fn names() -> Vec<String> {
    (0..SERVICES).map(|n| format!("s{n:02}")).collect()
}

/// The real certificate and key of `from` at the door of `to`, past the guard of `from`.
async fn directly(from: Arc<Proxy>, to: SocketAddr) -> String {
    let shown = from.live().identity.as_ref().unwrap().shown.clone();
    match encrypted(to, Some(&shown)).await {
        Ok(stream) => ask(stream, "GET /direct HTTP/1.1\r\nhost: x\r\n\r\n").await,
        Err(_) => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_pairs_those_reach_each_other_that_the_graph_declares() {
    let (names, stop) = (names(), CancellationToken::new());
    let mut text = "fleet: matrix\ntrust_domain: bank.test\nservices:\n".to_owned();
    let mut programs = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let (at, count) = program(name, Duration::ZERO, &stop).await;
        let callees: Vec<&str> = (0..SERVICES).filter(|to| calls(n, *to)).map(|to| names[to].as_str()).collect();
        text += &format!("  {name}: {{ at: \"{at}\", protocol: http, owner: x, calls: [{}] }}\n", callees.join(", "));
        programs.push(count);
    }
    let (_place, control, _claims) = control_of(&text).await;
    let node = control.node().await;
    let guards = guards(&control, &node, &names).await;

    // Refusals first: who has no certificate of ours gets nowhere, under whatever name.
    let knocks = scan(&guards, &of_a_foreign_ca(&control, &names[0])).await;
    let reached = || programs.iter().map(|count| count.load(Relaxed)).sum::<usize>();
    assert_eq!((knocks, reached()), (SERVICES * 4, 0));

    // The way that programs have: a listener of their own guard for each callee, and no other.
    let (mut declared, mut through) = (BTreeSet::new(), BTreeSet::new());
    for (from, guard) in guards.iter().enumerate() {
        let offered = guard.directory().own.outbound.clone();
        for (to, callee) in names.iter().enumerate() {
            declared.extend(calls(from, to).then_some((from, to)));
            let Some(addr) = offered.get(&service(callee)) else { continue };
            let answer = ask(plain(*addr).await, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(callee), "{from} {to}: {answer}");
            through.insert((from, to));
        }
    }
    assert_eq!(through, declared);

    // The way that a stolen guard would have: its own key, at every door.
    let (mut allowed, mut denied, mut waiting) = (BTreeSet::new(), 0, JoinSet::new());
    for (from, to) in (0..SERVICES).flat_map(|from| (0..SERVICES).map(move |to| (from, to))) {
        let (proxy, mesh) = (Arc::clone(&guards[from].proxy), guards[to].mesh());
        waiting.spawn(async move { (from, to, directly(proxy, mesh).await) });
        if waiting.len() < AT_ONCE && (from, to) != (SERVICES - 1, SERVICES - 1) {
            continue;
        }
        while let Some(answered) = waiting.join_next().await {
            let (from, to, answer) = answered.unwrap();
            if answer.starts_with("HTTP/1.1 200") {
                assert!(answer.ends_with(&names[to]), "{from} {to}: {answer}");
                allowed.insert((from, to));
            } else {
                assert!(answer.starts_with("HTTP/1.1 403"), "{from} {to}: {answer:?}");
                denied += 1;
            }
        }
    }
    let (extra, missing): (Vec<_>, Vec<_>) =
        (allowed.difference(&declared).collect(), declared.difference(&allowed).collect());
    println!("{SERVICES} services: {} of {} pairs allowed, {denied} denied", allowed.len(), SERVICES * SERVICES);
    assert!(extra.is_empty() && missing.is_empty(), "extra {extra:?}, missing {missing:?}");
    assert!(declared.len() > SERVICES * 3 && denied == SERVICES * SERVICES - declared.len(), "{}", declared.len());
    for (to, count) in programs.iter().enumerate() {
        let expected = declared.iter().filter(|(_, callee)| *callee == to).count() * 2;
        assert_eq!(count.load(Relaxed), expected, "{} got what was allowed, and nothing else", names[to]);
    }
    stop.cancel();
}

/// Of what is printed.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What became of the requests of one caller.
#[derive(Debug, Default)]
struct Load {
    /// Requests that are over; of one caller one is under way at a time.
    over: Arc<AtomicUsize>,
    answered: usize,
    slowest: Duration,
    failed: Vec<String>,
}

/// One request after the other through `addr`, each second one a POST, which nobody may send twice.
async fn keep_calling(addr: SocketAddr, over: Arc<AtomicUsize>, stop: CancellationToken) -> Load {
    const BOTH: [&str; 2] =
        ["GET / HTTP/1.1\r\nhost: target\r\n\r\n", "POST / HTTP/1.1\r\nhost: target\r\ncontent-length: 2\r\n\r\nhi"];
    let (mut load, mut stream) = (Load { over, ..Load::default() }, plain(addr).await);
    while !stop.is_cancelled() {
        let (request, began) = (BOTH[load.answered % 2], Instant::now());
        let written = stream.write_all(request.as_bytes()).await;
        match read_message(&mut stream).await {
            Some(answer) if answer.starts_with("HTTP/1.1 200") => {
                load.answered += 1;
                if answer.to_ascii_lowercase().contains("connection: close") {
                    stream = plain(addr).await;
                }
            }
            other => {
                let first = request.lines().next().unwrap_or_default();
                let (after, now) = (began.elapsed(), EPOCH.elapsed());
                load.failed.push(format!("{first} at {now:?} after {after:?}: {written:?} {other:?}"));
                stream = plain(addr).await;
            }
        }
        load.slowest = load.slowest.max(began.elapsed());
        load.over.fetch_add(1, Relaxed);
    }
    load
}

/// How long after `began` each of `guards` knows of `count` instances.
async fn told(guards: &[Guard], began: Instant, count: usize) -> Vec<Duration> {
    let proxies: Vec<Arc<Proxy>> = guards.iter().map(|guard| Arc::clone(&guard.proxy)).collect();
    // On a thread of its own, which looks once a millisecond.
    let looking = move || {
        let (mut waiting, mut took, target) = (proxies, Vec::new(), service("target"));
        while !waiting.is_empty() {
            waiting.retain(|proxy| {
                let known = proxy.live().directory.as_ref().unwrap().peers[&target].instances.len() == count;
                took.extend(known.then(|| began.elapsed()));
                !known
            });
            assert!(began.elapsed() < PATIENCE, "{} guards do not know of {count} instances", waiting.len());
            std::thread::sleep(Duration::from_millis(1));
        }
        took
    };
    tokio::task::spawn_blocking(looking).await.unwrap()
}

/// Median, 99th percentile and the longest.
fn spread(mut all: Vec<Duration>) -> [Duration; 3] {
    all.sort();
    [0.5, 0.99, 1.0].map(|share| all[((all.len() - 1) as f64 * share) as usize])
}

fn fleet_of_callers(targets: &[SocketAddr], callers: &[String]) -> String {
    let targets: Vec<String> = targets.iter().map(|at| format!("\"{at}\"")).collect();
    let mut text = format!(
        "fleet: many\ntrust_domain: bank.test\nservices:\n  target: {{ at: [{}], protocol: http, owner: many }}\n",
        targets.join(", ")
    );
    for (n, name) in callers.iter().enumerate() {
        // Nobody calls these, so nothing is there.
        text += &format!("  {name}: {{ at: \"127.0.0.1:{}\", protocol: http, owner: many, calls: [target] }}\n", n + 1);
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn guards_at_work_hear_of_instances_and_lose_no_request() {
    hear_of_instances(40, 1).await;
}

/// As many as a large fleet has: `cargo nextest run -p bartizan-control --run-ignored only --no-capture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes where others work on the machine as well"]
async fn two_hundred_guards_at_work_hear_of_instances_and_lose_no_request() {
    hear_of_instances(200, 3).await;
}

/// `callers` guards call one service, of which an instance comes `rounds` times, and as often one goes.
async fn hear_of_instances(callers: usize, rounds: u16) {
    LazyLock::force(&EPOCH);
    let stop = CancellationToken::new();
    let callers: Vec<String> = (0..callers).map(|n| format!("s{n:03}")).collect();
    let (mut places, mut counts) = (Vec::new(), Vec::new());
    for n in 1..=ALWAYS + rounds {
        let (at, count) = program(&format!("target.{n}"), WORK, &stop).await;
        places.push(at);
        counts.push(count);
    }
    let fleet = |count: u16| fleet_of_callers(&places[..usize::from(count)], &callers);
    let (place, control, _claims) = control_of(&fleet(ALWAYS)).await;
    let (node, since) = (control.node().await, Instant::now());
    let mut targets = guards(&control, &node, &["target".to_owned(), "target.2".to_owned()]).await;
    let guards = guards(&control, &node, &callers).await;
    println!("{} guards after {:?}, {} MB in all", callers.len(), since.elapsed(), process::resident_bytes() >> 20);

    let calling = CancellationToken::new();
    let outbound = |guard: &Guard| guard.directory().own.outbound[&service("target")];
    let over: Vec<Arc<AtomicUsize>> = guards.iter().map(|_| Arc::default()).collect();
    let load: Vec<_> = guards
        .iter()
        .zip(&over)
        .map(|(guard, over)| tokio::spawn(keep_calling(outbound(guard), Arc::clone(over), calling.clone())))
        .collect();
    tokio::time::sleep(CONTROL_KNOWS_WHO_IS_THERE.saturating_sub(since.elapsed())).await;
    told(&guards, Instant::now(), ALWAYS.into()).await;

    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for count in ALWAYS + 1..=ALWAYS + rounds {
        place.write("fleet.yaml", &fleet(count));
        control.reload().await.unwrap();
        let began = Instant::now(); // from its first word to control on
        targets.push(Guard::begin(&control, &node, &format!("target.{count}")));
        added.extend(told(&guards, began, count.into()).await);
        let got = &counts[usize::from(count) - 1];
        until("the new one gets calls", || got.load(Relaxed) > 10).await;
        println!("{:?}: {count} instances", EPOCH.elapsed());
    }
    for count in (ALWAYS..ALWAYS + rounds).rev() {
        place.write("fleet.yaml", &fleet(count));
        let began = Instant::now();
        let (reloaded, took) = tokio::join!(control.reload(), told(&guards, began, count.into()));
        reloaded.unwrap();
        removed.extend(took);
        // It finishes what it has, while new calls go elsewhere. That is given longer here than a guard has on its own for
        // its end, since on a busy machine a request takes as long as it likes.
        let under_way: Vec<usize> = over.iter().map(|over| over.load(Relaxed)).collect();
        let finished = || over.iter().zip(&under_way).all(|(over, before)| over.load(Relaxed) > *before);
        until("what was under way to be over", finished).await;
        println!("{:?}: told of {count} instances, the one that is gone ends", EPOCH.elapsed());
        targets.pop().unwrap().end().await;
        println!("{:?}: {count} instances", EPOCH.elapsed());
    }
    calling.cancel();
    let (mut answered, mut slowest, mut failed) = (0, Duration::ZERO, Vec::new());
    for load in load {
        let load = load.await.unwrap();
        assert!(load.answered > 0, "each of them was at work: {load:?}");
        answered += load.answered;
        slowest = slowest.max(load.slowest);
        failed.extend(load.failed);
    }
    let reached: usize = counts.iter().map(|count| count.load(Relaxed)).sum();
    let ([a50, a99, a100], [r50, r99, r100]) = (spread(added), spread(removed));
    println!("added: p50 {a50:?}, p99 {a99:?}, max {a100:?}; removed: p50 {r50:?}, p99 {r99:?}, max {r100:?}");
    println!(
        "{answered} requests answered, the slowest after {slowest:?}, {} failed; within {SOON:?}: {}",
        failed.len(),
        a99.max(r99) < SOON
    );
    assert!(failed.is_empty(), "{} of {answered}: {:#?}", failed.len(), &failed[..failed.len().min(5)]);
    assert_eq!(reached, answered, "each request reached a program once");
    assert!(a99 < NO_LONGER_THAN && r99 < NO_LONGER_THAN, "added {a99:?}, removed {r99:?}");

    let knocks = scan(&guards, &of_a_foreign_ca(&control, "s000")).await;
    let reached_after: usize = counts.iter().map(|count| count.load(Relaxed)).sum();
    assert_eq!((knocks, reached_after), (callers.len() * 4, reached));
    stop.cancel();
}
