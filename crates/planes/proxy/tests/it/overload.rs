//! A gateway before a service that gets ten times what it can work on: those who come as usual are served, the others refused.

use crate::client::hear_until;
use crate::programs;
use crate::world::{Guard, PATIENCE, World};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_runtime::tls::{Client, ClientStream};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Requests that the program works on at once, and for how long each: 40 a second.
const SLOTS: usize = 4;
const WORK: Duration = Duration::from_millis(100);
/// Legitimate clients with two requests a second each: half of what the program can do.
const CLIENTS: u8 = 10;
const CLIENT_EVERY: Duration = Duration::from_millis(500);
/// Connections of the flood with two requests a second each, from eight addresses: ten times what it can do.
const FLOOD: u8 = 200;
const FLOOD_EVERY: Duration = Duration::from_millis(500);
/// For how long the legitimate ones are alone, and for how long the flood lasts.
const ALONE: Duration = Duration::from_secs(8);
const FLOODED: Duration = Duration::from_secs(10);
/// An answer that comes later is of no use to anybody.
const USEFUL: Duration = Duration::from_secs(2);

async fn slow_program() -> SocketAddr {
    let slots = Arc::new(Semaphore::new(SLOTS));
    programs::custom(move |mut stream: TcpStream| {
        let slots = Arc::clone(&slots);
        async move {
            loop {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let slot = slots.acquire().await.unwrap();
                sleep(WORK).await;
                drop(slot);
                if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

async fn from(address: [u8; 4], to: SocketAddr) -> ClientStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::from(address), 0).into()).unwrap();
    let stream = timeout(PATIENCE, socket.connect(to)).await.unwrap().unwrap();
    let judge = Arc::new(|_: &[&[u8]]| Ok(()));
    Client::new(None, &["http/1.1"]).unwrap().connect(stream, judge, PATIENCE).await.unwrap().stream
}

/// One request on a connection that stays; the status.
async fn ask(stream: &mut ClientStream<TcpStream>) -> Option<u16> {
    stream.write_all(b"GET /api/x HTTP/1.1\r\nhost: api.test\r\n\r\n").await.ok()?;
    stream.flush().await.ok()?;
    let head = hear_until(stream, "\r\n\r\n").await;
    let length: usize = crate::client::header(&head, "content-length")?.parse().ok()?;
    let have = head.split_once("\r\n\r\n")?.1.len();
    let mut rest = vec![0; length.saturating_sub(have)];
    stream.read_exact(&mut rest).await.ok()?;
    head.split(' ').nth(1)?.parse().ok()
}

/// Statuses of requests that were due every so often between two moments, and `None` for each that was not useful or not even sent.
async fn come(address: [u8; 4], to: SocketAddr, every: Duration, from_: Instant, until: Instant) -> Vec<Option<u16>> {
    let mut stream = from(address, to).await;
    let (mut statuses, mut due) = (Vec::new(), from_);
    while due < until {
        sleep_until(due).await;
        let late = due.elapsed() > every;
        statuses.push(match late {
            true => None,
            false => match timeout(USEFUL, ask(&mut stream)).await {
                Ok(status) => status,
                Err(_) => {
                    stream = from(address, to).await;
                    None
                }
            },
        });
        due += every;
    }
    statuses
}

/// The share of the legitimate requests that were served while the flood lasted, and what became of the flood's.
async fn measure(adaptive: bool) -> (f64, usize, usize, Guard) {
    let world = World::new();
    let api = world.sidecar("api", slow_program().await, Protocol::Http).await;
    let mut gateway = world.gateway(&api, "").await;
    gateway.redirect(|directory| directory.own.gateway.as_mut().unwrap().adaptive = adaptive);
    let to = gateway.edge();
    let (began, mut legitimate, mut flood) = (Instant::now(), JoinSet::new(), JoinSet::new());
    let (flooded, end) = (began + ALONE, began + ALONE + FLOODED);
    for n in 0..CLIENTS {
        let first = began + CLIENT_EVERY * u32::from(n) / u32::from(CLIENTS);
        legitimate.spawn(come([127, 0, 1, n + 1], to, CLIENT_EVERY, first, end));
    }
    for n in 0..FLOOD {
        let first = flooded + FLOOD_EVERY * u32::from(n) / u32::from(FLOOD);
        flood.spawn(come([127, 0, 2, n % 8 + 1], to, FLOOD_EVERY, first, end));
    }
    let legitimate = legitimate.join_all().await;
    let flood: Vec<_> = flood.join_all().await.into_iter().flatten().collect();
    let first = (ALONE.as_millis() / CLIENT_EVERY.as_millis()) as usize;
    let during: Vec<_> = legitimate.iter().flat_map(|all| &all[first..]).collect();
    let good = during.iter().filter(|status| ***status == Some(200)).count();
    let refused = flood.iter().filter(|status| **status == Some(503)).count();
    let share = good as f64 / during.len() as f64;
    println!(
        "adaptive {adaptive}: {:.1} % of {} legitimate requests served; of {} of the flood {refused} refused, {} served",
        share * 100.0,
        during.len(),
        flood.len(),
        flood.iter().filter(|status| **status == Some(200)).count(),
    );
    (share, refused, flood.len(), gateway)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_ten_times_the_capacity_those_who_come_as_usual_keep_their_goodput() {
    let (share, refused, flood, gateway) = measure(true).await;
    assert!(share >= 0.95, "{share}");
    assert!(refused * 4 > flood * 3, "{refused} of {flood}");
    let why = gateway
        .event(|event| match &event.what {
            What::Request(request) if request.status == 503 => request.decision.clone(),
            _ => None,
        })
        .await;
    assert_eq!(&*why.policies[0], "fleet:adaptive");
    assert!(why.reason.unwrap().starts_with("`api` bears about "));
    assert!(gateway.proxy.live().limits.stats()["adaptive api"].refused as usize >= refused);
    // Without it the same flood takes most of that away: so it is known that there is something to see.
    let (share, ..) = measure(false).await;
    assert!(share < 0.5, "{share}");
}
