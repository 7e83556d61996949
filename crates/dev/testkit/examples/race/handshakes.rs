//! Full mutual handshakes, one after the other, each with one request over it: in TLS 1.3 a client is done before the server
//! has judged it, and only an answer shows that it was let in.

use crate::closed::exchange;
use crate::options::Options;
use crate::report::Report;
use crate::tls;
use rustls::pki_types::ServerName;
use serde_json::json;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) async fn run(options: &Options) {
    let connector = TlsConnector::from(tls::trusting_client(options));
    let (mut report, mut bytes) = (Report::default(), Vec::new());
    let began = Instant::now();
    for number in 0..options.number("count") as u64 {
        let began = Instant::now();
        match once(options, &connector, &mut bytes, number).await {
            Ok(()) => report.done(began.elapsed()),
            Err(error) => report.error(error),
        }
    }
    report.print(began.elapsed(), json!({}));
}

async fn once(
    options: &Options,
    connector: &TlsConnector,
    bytes: &mut Vec<u8>,
    number: u64,
) -> Result<(), &'static str> {
    let stream = TcpStream::connect(options.addr("to")).await.map_err(|_| "connect")?;
    stream.set_nodelay(true).map_err(|_| "connect")?;
    let name = ServerName::try_from("race.test").map_err(|_| "name")?;
    let mut stream = connector.connect(name, stream).await.map_err(|_| "handshake")?;
    exchange(&mut stream, bytes, number, false).await.map(drop)
}
