//! Floods of HTTP/2, in raw frames, at each of a guard's doors: what they make us hold and do is bounded.

use crate::client::{plain, tls, until};
use crate::programs;
use crate::world::{Guard, PATIENCE, World};
use bartizan_core::event::What;
use bartizan_core::fleet::Protocol;
use bartizan_proxy::limits;
use bartizan_proxy::live::ALPN_HTTP2;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        pairs.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(4, 0, 0, &payload)
}

/// `GET /api/x` over HTTP, as HPACK has it without a table.
fn request(stream: u32) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, 6];
    block.extend_from_slice(b"/api/x");
    block.extend_from_slice(&[0x01, 3]);
    block.extend_from_slice(b"api");
    frame(1, END_STREAM | END_HEADERS, stream, &block)
}

pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A guard with a door of each kind, and who is behind.
pub struct Doors {
    _world: World,
    callee: Guard,
    caller: Guard,
    gateway: Guard,
    shown: bartizan_runtime::tls::Identity,
}

impl Doors {
    pub async fn new(program: std::net::SocketAddr) -> Self {
        let world = World::new();
        let callee = world.sidecar("api", program, Protocol::Http).await;
        let caller = world.caller("web", &[(&callee, Protocol::Http)]).await;
        let gateway = world.gateway(&callee, "").await;
        let shown = world.shown("web");
        Self { _world: world, callee, caller, gateway, shown }
    }

    /// A new connection through each door, after the preface.
    pub async fn open(&self) -> Vec<(&'static str, Box<dyn Stream>, &Guard)> {
        let inbound = tls(self.callee.mesh(), Some(&self.shown), &[ALPN_HTTP2]).await.unwrap();
        let gateway = tls(self.gateway.edge(), None, &[ALPN_HTTP2]).await.unwrap();
        let outbound = plain(self.caller.outbound("api")).await;
        let mut all: Vec<(&str, Box<dyn Stream>, &Guard)> = vec![
            ("inbound", Box::new(inbound), &self.callee),
            ("outbound", Box::new(outbound), &self.caller),
            ("gateway", Box::new(gateway), &self.gateway),
        ];
        for (_, stream, _) in &mut all {
            stream.write_all(&[PREFACE, &settings(&[])].concat()).await.unwrap();
            stream.flush().await.unwrap();
        }
        all
    }
}

/// Sends `flood` again and again, reading all that comes, until the guard hangs up. Gives how often it was sent.
async fn flood(stream: Box<dyn Stream>, mut flood: impl FnMut(u32) -> Vec<u8>) -> u32 {
    let (mut read, mut write) = tokio::io::split(stream);
    let hearing = tokio::spawn(async move {
        let mut thrown_away = vec![0; 64 << 10];
        while read.read(&mut thrown_away).await.is_ok_and(|n| n > 0) {}
    });
    let sending = async {
        for n in 0..200_000 {
            if hearing.is_finished() || write.write_all(&flood(n)).await.is_err() {
                return n;
            }
        }
        panic!("it was taken for ever");
    };
    timeout(PATIENCE, sending).await.expect("the guard hangs up")
}

/// What this process has in memory, guards and programs included.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

async fn refused(guard: &Guard) -> (String, Option<std::net::SocketAddr>) {
    guard
        .event(|event| match &event.what {
            What::Refused(refused) => Some((refused.rule.to_string(), refused.remote)),
            _ => None,
        })
        .await
}

async fn ends_with_an_event(what: &str, flood_: fn(u32) -> Vec<u8>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let there = Arc::clone(&asked);
    let program = programs::custom(move |mut stream| {
        let asked = Arc::clone(&there);
        async move {
            let mut bytes = [0; 1024];
            while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {
                asked.fetch_add(1, SeqCst);
            }
        }
    });
    let doors = Doors::new(program.await).await;
    for (door, stream, guard) in doors.open().await {
        let times = flood(stream, flood_).await;
        let (rule, remote) = refused(guard).await;
        assert_eq!(rule, "http2", "{what}, {door}");
        assert!(remote.is_some());
        let stats = || bartizan_proxy::counters::sum(&guard.proxy.counters(), &guard.proxy.events);
        assert!(stats().refused > 0, "{what}, {door}");
        until("its place is free again", async || stats().connections_open == 0 || door == "inbound").await;
        assert!(times < 60_000, "{what}, {door}: {times} times");
    }
    assert!(asked.load(SeqCst) < 8_000, "{what}: {} requests reached the program", asked.load(SeqCst));
}

#[tokio::test]
async fn requests_that_are_reset_at_once_end_the_connection() {
    ends_with_an_event("rapid reset", |n| {
        let stream = 2 * n + 1;
        [request(stream), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    })
    .await;
}

#[tokio::test]
async fn a_head_without_end_ends_the_connection() {
    ends_with_an_event("continuation", |n| match n {
        0 => frame(1, 0, 1, &[0x82, 0x86, 0x84]),
        _ => frame(9, 0, 1, &[]),
    })
    .await;
}

#[tokio::test]
async fn a_head_that_grows_for_ever_ends_the_connection() {
    ends_with_an_event("continuation", |n| match n {
        0 => frame(1, 0, 1, &[0x82, 0x86, 0x84]),
        _ => frame(9, 0, 1, &[&[0x00, 1, b'x', 120][..], &[b'y'; 120]].concat().repeat(80)),
    })
    .await;
}

#[tokio::test]
async fn settings_and_pings_without_end_end_the_connection() {
    ends_with_an_event("settings", |n| settings(&[(4, 65_535 - (n & 1))])).await;
    ends_with_an_event("pings", |_| frame(6, 0, 0, &[7; 8]).repeat(8)).await;
    ends_with_an_event("empty pieces", |n| match n {
        0 => frame(1, END_HEADERS, 1, &[0x83, 0x86, 0x84, 0x01, 3, b'a', b'p', b'i']),
        _ => frame(0, 0, 1, &[]).repeat(8),
    })
    .await;
}

#[tokio::test]
async fn who_floods_and_does_not_read_is_not_listened_to_any_more() {
    let doors = Doors::new(programs::http().await).await;
    for (door, mut stream, guard) in doors.open().await {
        let pings = frame(6, 0, 0, &[7; 8]).repeat(1_000);
        let sending = async {
            for _ in 0..20_000 {
                if stream.write_all(&pings).await.is_err() {
                    return;
                }
            }
            panic!("{door}: 340 MB of pings were taken");
        };
        let _ = timeout(Duration::from_secs(3), sending).await; // it hangs up, or it stands still
        drop(stream);
        let stats = || bartizan_proxy::counters::sum(&guard.proxy.counters(), &guard.proxy.events);
        until("its place is free again", async || stats().connections_open == 0 || door == "inbound").await;
    }
}

#[tokio::test]
async fn streams_beyond_the_limit_are_refused_and_zero_windows_hold_little() {
    const BIG: usize = 2 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let there = Arc::clone(&sent);
    let program = programs::custom(move |mut stream| {
        let sent = Arc::clone(&there);
        async move {
            let mut bytes = [0; 1024];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {BIG}\r\n\r\n").as_bytes()).await;
            for _ in 0..BIG >> 14 {
                if stream.write_all(&[b'x'; 16 << 10]).await.is_err() {
                    return;
                }
                sent.fetch_add(16 << 10, SeqCst);
            }
        }
    });
    let doors = Doors::new(program.await).await;
    let (mut held, at_first) = (Vec::new(), resident_bytes());
    let most = limits::H2_STREAMS_MAX;
    for (door, mut stream, _) in doors.open().await {
        stream.write_all(&settings(&[(4, 0)])).await.unwrap();
        for n in 0..most + 10 {
            stream.write_all(&request(2 * n + 1)).await.unwrap();
        }
        stream.flush().await.unwrap();
        let (mut all, mut heads, mut resets, mut data) = (Vec::new(), 0, 0, 0);
        while heads < most || resets < 10 {
            let n = timeout(PATIENCE, stream.read_buf(&mut all)).await.expect("in time").unwrap();
            assert!(n > 0, "{door}: hung up after {heads} heads and {resets} resets");
            while let Some((length, kind)) =
                all.get(..9).map(|h| (u32::from_be_bytes([0, h[0], h[1], h[2]]) as usize, h[3]))
            {
                if all.len() < 9 + length {
                    break;
                }
                heads += u32::from(kind == 1);
                resets += u32::from(kind == 3);
                data += if kind == 0 { length } else { 0 };
                all.drain(..9 + length);
            }
        }
        assert_eq!((heads, resets, data), (most, 10, 0), "{door}");
        held.push(stream);
    }
    let mut before = usize::MAX;
    while sent.load(SeqCst) != before {
        before = sent.load(SeqCst);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // Three times a hundred responses of 2 MiB stand still. What programs wrote lies in the kernel, within its own bounds.
    let held_bytes = resident_bytes().saturating_sub(at_first);
    assert!(held_bytes < 3 * most as usize * (256 << 10), "{held_bytes} bytes are held of {before} that were sent");
}
