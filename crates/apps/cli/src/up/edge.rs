//! Asks the gateway what a client would: a TLS handshake, judged by the roots that clients are given.

use crate::data_dir::DataDir;
use crate::limits::{CA_FILE_BYTES_MAX, CONNECT_WITHIN};
use bartizan_core::event::HandshakeFailure;
use bartizan_crypto::cert::{self, Usage};
use bartizan_runtime::tls::{self, Judge, JudgeError};
use bartizan_runtime::{clock, files, listen};
use std::net::SocketAddr;
use std::sync::Arc;

/// Whether the gateway at `addr` shows a certificate that clients with `roots.pem` accept. (They look at the host name too;
/// that is control's to choose, and not looked at here.)
pub(crate) async fn answers(addr: SocketAddr, data: &DataDir) -> bool {
    let Some(roots) = roots(data) else { return false };
    let Ok(client) = tls::Client::new(None, &["h2", "http/1.1"]) else { return false };
    let Ok(socket) = listen::connect(addr, CONNECT_WITHIN).await else { return false };
    let judge: Judge<()> = Arc::new(move |chain| {
        cert::verify_path(chain, &roots, clock::now(), Usage::Server)
            .map(|_which| ())
            .map_err(|error| JudgeError { failure: HandshakeFailure::UntrustedIssuer, detail: error.to_string() })
    });
    client.connect(socket, judge, CONNECT_WITHIN).await.is_ok()
}

fn roots(data: &DataDir) -> Option<Vec<Vec<u8>>> {
    let text = files::read_bounded(&data.roots(), CA_FILE_BYTES_MAX).ok()?;
    cert::from_pem(&String::from_utf8_lossy(&text)).ok()
}
