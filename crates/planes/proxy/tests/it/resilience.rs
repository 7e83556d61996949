//! Calls that succeed although something on their way does not: instances, retries, breakers, versions.

use crate::client::{get, hear_until, plain, status, talk, until};
use crate::programs;
use crate::world::{Guard, World, free_addr, name};
use bartizan_core::edge::{Breaker, Edge, Instance, Mirror, Retry, RetryOn, Share, Versions};
use bartizan_core::fleet::Protocol;
use bartizan_core::snapshot::Peer;
use bartizan_core::stats::SendingStats;
use bartizan_proxy::counters;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
const UNWELL: &str = "HTTP/1.1 503 Unwell\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A program that counts requests and says `answer`, or hangs up where that is empty.
async fn saying(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let addr = programs::custom(move |mut stream: TcpStream| {
        let counted = Arc::clone(&counted);
        async move {
            hear_until(&mut stream, "\r\n\r\n").await;
            counted.fetch_add(1, Relaxed);
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    (addr, count)
}

fn instance(guard: &Guard) -> Instance {
    at(guard.mesh())
}

fn at(mesh: SocketAddr) -> Instance {
    Instance { mesh, zone: None, weight: 1 }
}

/// `web`, which calls `api` as `change` says.
async fn web(world: &World, api: &Guard, change: impl FnOnce(&mut Peer)) -> Guard {
    let mut web = world.caller("web", &[(api, Protocol::Http)]).await;
    web.redirect(|directory| change(directory.peers.get_mut(&name("api")).unwrap()));
    web
}

fn sending(guard: &Guard, callee: &str) -> SendingStats {
    let sum = counters::sum(&guard.proxy.counters(), &guard.proxy.events);
    sum.sending.get(&name(callee)).copied().unwrap_or_default()
}

fn post() -> String {
    "POST /pay HTTP/1.1\r\nhost: api\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi".to_owned()
}

fn any_failure(attempts: u8) -> Retry {
    Retry { attempts, on: RetryOn { connect: true, reset: true, status_5xx: true, timeout: true }, ..Retry::default() }
}

#[tokio::test]
async fn an_instance_that_is_gone_costs_nobody_a_request() {
    let world = World::new();
    let (program, _) = saying(OK).await;
    let api = world.sidecar("api", program, Protocol::Http).await;
    let web = web(&world, &api, |peer| peer.instances = vec![instance(&api), at(free_addr())]).await;
    for n in 0..60 {
        let request = if n % 2 == 0 { post() } else { get("/") };
        let response = talk(plain(web.outbound("api")).await, request).await;
        assert_eq!(status(&response), 200, "{n}: {response}");
    }
    let counted = sending(&web, "api");
    assert!(counted.retried >= 1 && counted.retried <= 10, "found out once in each worker: {counted:?}");
    assert!((1..=2).contains(&counted.ejected), "{counted:?}");
    until("the workers tell", async || sending(&web, "api").instances_out == 1).await;
}

#[tokio::test]
async fn what_a_program_never_got_goes_to_another_instance() {
    let world = World::new();
    let (program, count) = saying(OK).await;
    let good = world.sidecar("api", program, Protocol::Http).await;
    let without_program = world.sidecar("api", free_addr(), Protocol::Http).await;
    let instances = vec![instance(&good), instance(&without_program)];
    let web = web(&world, &good, |peer| peer.instances = instances).await;
    for n in 0..30 {
        let response = talk(plain(web.outbound("api")).await, post()).await;
        assert_eq!(status(&response), 200, "{n}: {response}");
        assert!(!response.contains("x-bartizan-unsent"), "between guards alone: {response}");
    }
    assert_eq!(count.load(Relaxed), 30, "none twice");
}

#[tokio::test]
async fn a_program_cannot_say_that_it_got_nothing() {
    let world = World::new();
    let lies = "HTTP/1.1 200 OK\r\nx-bartizan-unsent: 1\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    let (program, count) = saying(lies).await;
    let api = world.sidecar("api", program, Protocol::Http).await;
    let web = web(&world, &api, |peer| peer.instances = vec![instance(&api), instance(&api)]).await;
    let response = talk(plain(web.outbound("api")).await, post()).await;
    assert_eq!((status(&response), count.load(Relaxed)), (200, 1), "{response}");
}

#[tokio::test]
async fn only_what_may_be_repeated_is() {
    let world = World::new();
    for (answer, request, got, expected) in [
        ("", post(), 502, 1), // it hung up: whether it paid is not known
        ("", get("/"), 502, 3),
        (UNWELL, post(), 503, 1),
        (UNWELL, get("/"), 503, 3),
    ] {
        let (program, count) = saying(answer).await;
        let api = world.sidecar("api", program, Protocol::Http).await;
        let edge = Edge { retry: any_failure(2), ..Edge::default() };
        let web = web(&world, &api, |peer| peer.edge = edge).await;
        let response = talk(plain(web.outbound("api")).await, &request).await;
        assert_eq!((status(&response), count.load(Relaxed)), (got, expected), "{request} {response}");
    }
}

#[tokio::test]
async fn a_body_that_is_at_hand_is_sent_again_whole() {
    let world = World::new();
    let (bad, _) = saying("").await;
    let api = world.sidecar("api", programs::http().await, Protocol::Http).await;
    let broken = world.sidecar("api", bad, Protocol::Http).await;
    let edge = Edge { retry: any_failure(5), ..Edge::default() };
    let web = web(&world, &api, |peer| {
        (peer.edge, peer.instances) = (edge, vec![instance(&api), instance(&broken)]);
    })
    .await;
    for n in 0..20 {
        let body = "x".repeat(1000 + n);
        let head =
            format!("PUT /a HTTP/1.1\r\nhost: api\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let response = talk(plain(web.outbound("api")).await, head + &body).await;
        assert!(status(&response) == 200 && response.ends_with(&body), "{n}: {response}");
    }
}

#[tokio::test]
async fn retries_stay_within_their_budget() {
    let world = World::new();
    let (program, count) = saying(UNWELL).await;
    let api = world.sidecar("api", program, Protocol::Http).await;
    let retry = Retry { budget: Share::per_mille(100), ..any_failure(3) };
    let breaker = Breaker { calls: 0, ..Breaker::default() };
    let web = web(&world, &api, |peer| peer.edge = Edge { retry, breaker, ..Edge::default() }).await;
    for _ in 0..100 {
        talk(plain(web.outbound("api")).await, get("/")).await;
    }
    let tries = count.load(Relaxed);
    // Ten to begin with in each of the two workers, and a tenth of the requests.
    assert!((105..=130).contains(&tries), "{tries}");
}

#[tokio::test]
async fn a_breaker_opens_soon_and_recovers() {
    let world = World::new();
    let state = Arc::new(AtomicU16::new(503));
    let says = Arc::clone(&state);
    let program = programs::custom(move |mut stream: TcpStream| {
        let says = Arc::clone(&says);
        async move {
            hear_until(&mut stream, "\r\n\r\n").await;
            let answer = if says.load(Relaxed) == 200 { OK } else { UNWELL };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let api = world.sidecar("api", program, Protocol::Http).await;
    let web = web(&world, &api, |_| {}).await;
    let began = Instant::now();
    until("it opens", async || talk(plain(web.outbound("api")).await, post()).await.contains("breaker_open")).await;
    let took = began.elapsed();
    println!("the breaker opened after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}"); // far less on a machine that nobody else loads
    assert!(sending(&web, "api").breaker_opened >= 1);
    state.store(200, Relaxed);
    let began = Instant::now();
    // Both workers, each with a breaker of its own.
    until("all is well again", async || {
        let mut well = true;
        for _ in 0..20 {
            well &= status(&talk(plain(web.outbound("api")).await, post()).await) == 200;
        }
        well
    })
    .await;
    println!("all is well again after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // A breaker closes by what goes through it: many at once, so that each worker has some.
    until("the workers tell", async || {
        let at = web.outbound("api");
        let calls: JoinSet<_> = (0..16).map(|_| async move { talk(plain(at).await, post()).await }).collect();
        calls.join_all().await;
        sending(&web, "api").breakers_open == 0
    })
    .await;
}

#[tokio::test]
async fn a_time_that_the_file_names_is_kept() {
    let world = World::new();
    let silent = programs::custom(|mut stream: TcpStream| async move {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
    })
    .await;
    let api = world.sidecar("api", silent, Protocol::Http).await;
    let edge = Edge { timeout_ms: Some(300), try_timeout_ms: Some(100), retry: any_failure(9), ..Edge::default() };
    let web = web(&world, &api, |peer| peer.edge = edge).await;
    let began = Instant::now();
    let response = talk(plain(web.outbound("api")).await, get("/")).await;
    let took = began.elapsed();
    assert_eq!(status(&response), 504, "{response}");
    assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(3), "{took:?}");
    let retried = sending(&web, "api").retried;
    assert!((1..=2).contains(&retried), "tries of a tenth of a second in three of them: {retried}");
}

#[tokio::test]
async fn who_is_taken_out_finishes_what_is_under_way() {
    let world = World::new();
    let slow = programs::custom(|mut stream: TcpStream| async move {
        hear_until(&mut stream, "\r\n\r\n").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let _ = stream.write_all(OK.as_bytes()).await;
    })
    .await;
    let (quick, count) = saying(OK).await;
    let (old, new) =
        (world.sidecar("api", slow, Protocol::Http).await, world.sidecar("api", quick, Protocol::Http).await);
    let mut web = web(&world, &old, |peer| peer.instances = vec![instance(&old)]).await;
    let outbound = web.outbound("api");
    let under_way: Vec<_> =
        (0..8).map(|_| tokio::spawn(async move { talk(plain(outbound).await, get("/")).await })).collect();
    tokio::time::sleep(Duration::from_millis(100)).await; // they are on their way
    web.redirect(|directory| directory.peers.get_mut(&name("api")).unwrap().instances = vec![instance(&new)]);
    for _ in 0..20 {
        assert_eq!(status(&talk(plain(outbound).await, get("/")).await), 200);
    }
    assert_eq!(count.load(Relaxed), 20, "everything new goes to the new one");
    for request in under_way {
        let response = request.await.unwrap();
        assert_eq!(status(&response), 200, "{response}");
    }
}

#[tokio::test]
async fn versions_get_their_parts_and_copies_are_on_the_side() {
    let world = World::new();
    let ((first, firsts), (second, seconds)) = (saying(OK).await, saying(OK).await);
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = Arc::clone(&seen);
    let shadow = programs::custom(move |mut stream: TcpStream| {
        let heard = Arc::clone(&heard);
        async move {
            let text = hear_until(&mut stream, "hi").await;
            heard.lock().unwrap().push(text);
            // It hangs up: said, or a copy on its way to it would be lost.
            let wrong = b"HTTP/1.1 500 Wrong\r\nconnection: close\r\ncontent-length: 5\r\n\r\nwrong";
            let _ = stream.write_all(wrong).await;
        }
    })
    .await;
    let api = world.sidecar("api", first, Protocol::Http).await;
    let next = world.sidecar("api-v2", second, Protocol::Http).await;
    let other = world.sidecar("any", shadow, Protocol::Http).await;
    let mut web =
        world.caller("web", &[(&api, Protocol::Http), (&next, Protocol::Http), (&other, Protocol::Http)]).await;
    web.redirect(|directory| {
        let split = vec![(name("api"), 75), (name("api-v2"), 25)];
        let mirror = Some(Mirror { to: name("any"), share: Share::ALL });
        directory.peers.get_mut(&name("api")).unwrap().versions = Versions { split, mirror };
    });
    for _ in 0..80 {
        let response = talk(plain(web.outbound("api")).await, post()).await;
        assert!(status(&response) == 200 && response.ends_with("ok"), "{response}");
    }
    let (firsts, seconds) = (firsts.load(Relaxed), seconds.load(Relaxed));
    assert_eq!(firsts + seconds, 80);
    assert!((5..=40).contains(&seconds), "a quarter, by chance: {seconds}");
    until("the copies came", async || seen.lock().unwrap().len() == 80).await;
    let copies = seen.lock().unwrap().clone();
    assert!(copies.iter().all(|text| text.contains("x-bartizan-mirror: 1\r\n") && text.starts_with("POST /pay")));
    let mirrored = sending(&web, "api").mirrored + sending(&web, "api-v2").mirrored;
    assert_eq!(mirrored, 80);
}

#[tokio::test]
async fn a_connection_goes_to_whoever_answers() {
    let world = World::new();
    let db = world.sidecar("db", programs::tcp().await, Protocol::Tcp).await;
    let mut web = world.caller("web", &[(&db, Protocol::Tcp)]).await;
    web.redirect(|directory| {
        directory.peers.get_mut(&name("db")).unwrap().instances = vec![at(free_addr()), instance(&db)];
    });
    for n in 0..20 {
        let mut stream = plain(web.outbound("db")).await;
        stream.write_all(b"select").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "heard: select", "{n}");
    }
}
