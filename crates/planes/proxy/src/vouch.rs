//! The first contact: the node on this host vouches for our key, in exchange for the ticket we were started with.

use crate::limits;
use bartizan_core::{Secret, ServiceName};
use bartizan_crypto::base64;
use bartizan_crypto::key::KeyPair;
use bartizan_runtime::local::{self, LocalError};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a node that does not run yet is waited for.
const NODE_TIME: Duration = Duration::from_secs(20);

/// What the node gave.
#[derive(Debug)]
pub struct Vouched {
    /// For control, good for `core::limits::VOUCHER_TTL`.
    pub voucher: String,
    /// Seals what we keep on disk; the same for every process of this service on this host.
    pub seal_key: Secret<[u8; 32]>,
}

/// Why there is no voucher. The ticket may be spent; whoever started us starts us again with another.
#[derive(Debug, thiserror::Error)]
pub enum VouchError {
    /// The node does not run, or refuses.
    #[error("the node did not vouch for us")]
    Node(#[from] LocalError),
    /// It answered with something else than a key.
    #[error("the node's seal key is not 32 bytes in base64")]
    SealKey,
}

#[derive(Serialize)]
struct Request<'a> {
    service: &'a ServiceName,
    ticket: &'a str,
    spki: String,
}

#[derive(Deserialize)]
struct Reply {
    voucher: String,
    seal_key: String,
}

/// Asks the node at `socket` to vouch for `key` as the proxy of `service`.
///
/// # Errors
/// [`VouchError`]; a node that does not run yet is waited for first.
pub async fn vouch(
    socket: &Path,
    service: &ServiceName,
    ticket: &Secret<String>,
    key: &KeyPair,
) -> Result<Vouched, VouchError> {
    let request = Request { service, ticket: ticket.expose(), spki: base64::encode(key.public_spki()) };
    let give_up = Instant::now() + NODE_TIME;
    let reply: Reply = loop {
        match local::post(socket, "/v1/vouch", &request).await {
            Err(LocalError::NotRunning { .. }) if Instant::now() < give_up => sleep(limits::RETRY_FIRST).await,
            answered => break answered?,
        }
    };
    let seal_key = Secret::new(base64::decode(&reply.seal_key).map_err(|_| VouchError::SealKey)?);
    let seal_key = <[u8; 32]>::try_from(seal_key.expose().as_slice()).map_err(|_| VouchError::SealKey)?;
    Ok(Vouched { voucher: reply.voucher, seal_key: Secret::new(seal_key) })
}
