//! Closed loop over HTTP/1.1: each connection sends its next request once it has the answer to the last.

use crate::options::Options;
use crate::report::Report;
use crate::way::Way;
use crate::{tls, wire};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::spawn_local;
use tokio_rustls::TlsConnector;

/// Numbers of one connection are apart from those of all others.
const NUMBERS_EACH: u64 = 1 << 32;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// How connections are opened.
#[derive(Clone)]
pub(crate) struct Dial {
    way: Way,
    tls: Option<(TlsConnector, rustls::pki_types::ServerName<'static>)>,
}

impl Dial {
    pub(crate) fn of(options: &Options) -> Self {
        let tls = options.has("ca").then(|| (TlsConnector::from(tls::client(options)), tls::name(options)));
        Self { way: Way::of(options), tls }
    }

    pub(crate) async fn open(&self) -> Result<Box<dyn Stream>, &'static str> {
        let stream = self.way.connect_async().map_err(|_| "connect")?;
        match &self.tls {
            None => Ok(Box::new(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|_| "handshake")?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// One request and its answer; tells whether the connection stays open.
pub(crate) async fn exchange(
    stream: &mut dyn Stream,
    bytes: &mut Vec<u8>,
    number: u64,
    post: bool,
) -> Result<bool, &'static str> {
    bytes.clear();
    wire::put_request(bytes, number, post);
    stream.write_all(bytes).await.map_err(|_| "write")?;
    stream.flush().await.map_err(|_| "write")?;
    bytes.clear();
    loop {
        if stream.read_buf(bytes).await.map_err(|_| "read")? == 0 {
            return Err("closed");
        }
        let Some(answer) = wire::answer(bytes, number)? else { continue };
        return match answer.wrong {
            Some(wrong) => Err(wrong),
            None if answer.taken != bytes.len() => Err("bytes after the answer"),
            None => Ok(!answer.closes),
        };
    }
}

pub(crate) async fn run(options: &Options) {
    let (dial, post, within) = (Dial::of(options), options.has("post"), options.seconds());
    let until = Instant::now() + within;
    let began = Instant::now();
    let tasks: Vec<_> = (0..options.number("connections") as u64)
        .map(|number| spawn_local(drive(dial.clone(), number * NUMBERS_EACH, post, until)))
        .collect();
    let mut report = Report::default();
    for task in tasks {
        report.add(task.await.unwrap());
    }
    report.print(began.elapsed(), json!({}));
}

async fn drive(dial: Dial, first: u64, post: bool, until: Instant) -> Report {
    let (mut report, mut bytes, mut number) = (Report::default(), Vec::with_capacity(8 << 10), first);
    while Instant::now() < until {
        let mut stream = match dial.open().await {
            Ok(stream) => stream,
            Err(error) => {
                report.error(error);
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                continue;
            }
        };
        loop {
            let began = Instant::now();
            if began >= until {
                break;
            }
            number += 1;
            match exchange(&mut *stream, &mut bytes, number, post).await {
                Ok(stays) => {
                    report.done(began.elapsed());
                    if !stays {
                        break;
                    }
                }
                Err(error) => {
                    report.error(error);
                    break;
                }
            }
        }
    }
    report
}
