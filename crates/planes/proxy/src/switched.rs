//! What comes after a switch to WebSocket: bytes both ways, as long as the call is allowed.

use crate::conn::Conn;
use crate::relay;
use crate::respond::Switched;
use tokio::io::{AsyncRead, AsyncWrite};

/// Passes bytes between `client` and the program until both are through, or what was asked for the request is not allowed any more:
/// it stands in the ledger for so long. Nothing is passed any more once it is `given_up`.
pub async fn pass(
    conn: &Conn,
    client: impl AsyncRead + AsyncWrite + Unpin,
    switched: Switched,
    given_up: impl Future<Output = ()>,
) {
    let Switched { io: program, question, peer } = switched;
    let client_part = conn.trust.begin(question);
    let peer_part = peer.as_ref().map(|peer| peer.begin(None));
    let over = async {
        match &peer_part {
            None => client_part.until_over().await,
            Some(part) => tokio::select! {
                ending = client_part.until_over() => ending,
                ending = part.until_over() => ending,
            },
        }
    };
    let relayed = tokio::select! {
        relayed = relay::run(client, program, conn.worker.stopping(), over) => Some(relayed),
        () = given_up => None,
    };
    conn.trust.finish(&client_part);
    tracing::debug!(?relayed, "switched connection ended");
}
