//! Open loop over HTTP/1.1 at a fixed rate: requests are due by the clock, whether or not earlier ones are answered.
//!
//! A request that was due while its connection still waited for an answer counts from when it was due (no coordinated
//! omission); one that found its connection free counts from when it was sent, since what is between is this client's own
//! timer. Requests are dealt out to connections in turn. A thread for each connection: timers of the kernel are
//! exact to some 60 microseconds, those of the runtime to a millisecond.

use crate::options::Options;
use crate::report::Report;
use crate::way::Way;
use crate::{tls, wire};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::json;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From the start of the threads to the first request.
const SET_UP: Duration = Duration::from_millis(200);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

pub(crate) fn run(options: &Options) {
    let connections = options.number("connections") as u32;
    let every = Duration::from_secs(1) / options.number("rate") as u32;
    let within = options.seconds();
    let requests = (within.as_secs_f64() / every.as_secs_f64()) as u32;
    let tls = options.has("ca").then(|| (tls::client(options), tls::name(options)));
    let first = Instant::now() + SET_UP;
    let way = Way::of(options);
    let threads: Vec<_> = (0..connections)
        .map(|which| {
            let tls = tls.clone();
            let due = (which..requests).step_by(connections as usize).map(move |n| (n.into(), first + every * n));
            std::thread::spawn(move || drive(way, tls, due))
        })
        .collect();
    let (mut report, mut late) = (Report::default(), 0);
    for thread in threads {
        let (one, its_late) = thread.join().unwrap();
        report.add(one);
        late += its_late;
    }
    report.print(first.elapsed(), json!({"asked": requests, "waited_for_a_connection": late}));
}

type Tls = Option<(Arc<ClientConfig>, rustls::pki_types::ServerName<'static>)>;

fn open(way: Way, tls: &Tls) -> Result<Box<dyn Stream>, &'static str> {
    let stream = way.connect().map_err(|_| "connect")?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(|_| "connect")?;
    match tls {
        None => Ok(Box::new(stream)),
        Some((config, name)) => {
            let session = ClientConnection::new(Arc::clone(config), name.clone()).map_err(|_| "handshake")?;
            let mut stream = StreamOwned::new(session, stream);
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock).map_err(|_| "handshake")?;
            }
            Ok(Box::new(stream))
        }
    }
}

fn drive(way: Way, tls: Tls, due: impl Iterator<Item = (u64, Instant)>) -> (Report, u64) {
    let (mut report, mut late, mut bytes) = (Report::default(), 0, Vec::with_capacity(8 << 10));
    let mut stream = open(way, &tls).ok();
    for (number, due) in due {
        let free = Instant::now();
        std::thread::sleep(due.saturating_duration_since(free));
        let from = if free > due {
            late += 1;
            due
        } else {
            Instant::now()
        };
        if stream.is_none() {
            stream = open(way, &tls).map_err(|error| report.error(error)).ok();
        }
        let Some(open) = &mut stream else { continue };
        match exchange(&mut **open, &mut bytes, number) {
            Ok(stays) => {
                report.done(from.elapsed());
                if !stays {
                    stream = None;
                }
            }
            Err(error) => {
                report.error(error);
                stream = None;
            }
        }
    }
    (report, late)
}

fn exchange(stream: &mut dyn Stream, bytes: &mut Vec<u8>, number: u64) -> Result<bool, &'static str> {
    bytes.clear();
    wire::put_request(bytes, number, false);
    stream.write_all(bytes).map_err(|_| "write")?;
    stream.flush().map_err(|_| "write")?;
    bytes.clear();
    let mut some = [0; 4 << 10];
    loop {
        match stream.read(&mut some).map_err(|_| "read")? {
            0 => return Err("closed"),
            n => bytes.extend_from_slice(&some[..n]),
        }
        let Some(answer) = wire::answer(bytes, number)? else { continue };
        return match answer.wrong {
            Some(wrong) => Err(wrong),
            None => Ok(!answer.closes),
        };
    }
}
