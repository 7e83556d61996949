//! Closed loop over HTTP/2 without TLS: a number of streams on each connection.

use crate::options::Options;
use crate::report::Report;
use crate::wire;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

pub(crate) async fn run(options: &Options) {
    let began = Instant::now();
    let until = began + options.seconds();
    let (connections, streams) = (options.number("connections") as u64, options.number("streams") as u64);
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let stream = TcpStream::connect(options.addr("to")).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (send, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        for stream in 0..streams {
            tasks.push(spawn_local(drive(send.clone(), (connection * streams + stream) << 32, until)));
        }
    }
    let mut report = Report::default();
    for task in tasks {
        report.add(task.await.unwrap());
    }
    report.print(began.elapsed(), json!({}));
}

async fn drive(mut send: SendRequest<Empty<Bytes>>, first: u64, until: Instant) -> Report {
    let (mut report, mut number) = (Report::default(), first);
    loop {
        let began = Instant::now();
        if began >= until {
            return report;
        }
        number += 1;
        match exchange(&mut send, number).await {
            Ok(()) => report.done(began.elapsed()),
            Err(error) => {
                report.error(error);
                if send.is_closed() {
                    return report;
                }
            }
        }
    }
}

async fn exchange(send: &mut SendRequest<Empty<Bytes>>, number: u64) -> Result<(), &'static str> {
    let request = http::Request::builder()
        .uri(format!("http://race.test{}", wire::path(number)))
        .header("user-agent", "race/1")
        .header("x-number", number)
        .body(Empty::new())
        .map_err(|_| "request")?;
    send.ready().await.map_err(|_| "closed")?;
    let answer = send.send_request(request).await.map_err(|_| "send")?;
    if answer.status() != 200 {
        return Err("status");
    }
    let body = answer.into_body().collect().await.map_err(|_| "read")?.to_bytes();
    if wire::is_body(&body, number) { Ok(()) } else { Err("body") }
}
