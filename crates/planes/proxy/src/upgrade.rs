//! WebSocket: once the program has agreed, both ends become byte streams and are relayed.

use crate::answer::{REQUEST_ID_HEADER, id_value};
use crate::body::Download;
use crate::conn::Conn;
use crate::filter;
use crate::record::Record;
use crate::relay;
use crate::upstream::Received;
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::rc::Rc;

/// Passes on the program's `101` and starts the relay, which lives until either end closes, falls silent for too long, or
/// the proxy stops.
pub fn switch(conn: &Rc<Conn>, client_side: OnUpgrade, received: Received, mut record: Record) -> Response<Download> {
    let Received { mut response, lease, sent, received } = received;
    let program_side = hyper::upgrade::on(&mut response);
    let peer = lease.trust();
    drop(lease); // the connection is no HTTP any more
    if let Some(notes) = &conn.notes {
        notes.decide(true);
    }
    let switched = Rc::clone(conn); // keeps the connection's slot
    // The record of the request ends with its head; what was asked for it stands in the ledger as long as bytes are passed.
    let (question, peer_side) =
        (record.ongoing().and_then(|it| it.question().cloned()), peer.map(|it| (it.begin(None), it)));
    let client_part = conn.trust.begin(question);
    conn.worker.tasks.spawn_local(async move {
        let (client, program) = match tokio::try_join!(client_side, program_side) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "the protocol switch was not completed");
                return;
            }
        };
        let over = async {
            match &peer_side {
                None => client_part.until_over().await,
                Some((part, _)) => tokio::select! {
                    ending = client_part.until_over() => ending,
                    ending = part.until_over() => ending,
                },
            }
        };
        let relayed = relay::run(TokioIo::new(client), TokioIo::new(program), &switched.worker.stop, over).await;
        switched.trust.finish(&client_part);
        tracing::debug!(up = relayed.bytes_up, down = relayed.bytes_down, error = ?relayed.error, "switched connection ended");
    });

    let (head, body) = response.into_parts();
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = head.headers;
    filter::strip_response(response.headers_mut(), true);
    response.headers_mut().insert(REQUEST_ID_HEADER, id_value(record.trace().request));
    record.passed(StatusCode::SWITCHING_PROTOCOLS.as_u16(), sent.duration_since(record.began()) + received.elapsed());
    response.map(|()| Download::passed(body, None, record))
}
