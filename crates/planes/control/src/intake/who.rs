//! Who hands something in: a verified certificate, a token, or somebody on this machine.

use crate::app::App;
use crate::limits::{INTAKE_TOKEN_BYTES_MAX, INTAKE_TOKEN_CHARS_MIN};
use crate::stream::Peer;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use bartizan_core::intake::Intake;
use bartizan_core::{Role, ServiceName};
use bartizan_crypto::hash;
use bartizan_runtime::{clock, files};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Somebody who may hand in.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The name in events.
    pub(super) name: Arc<str>,
    /// The service whose certificate was shown: it speaks for itself alone.
    pub(super) service: Option<ServiceName>,
}

/// The tokens that may be shown, hashed.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<(Arc<str>, [u8; 32])>);

impl Tokens {
    /// Reads the files that `intake` names, relative to `dir`. Blocks for the disk.
    ///
    /// # Errors
    /// The text says which file, and what is wrong with it.
    pub(super) fn read(intake: &Intake, dir: &Path) -> Result<Self, String> {
        let mut all = Vec::with_capacity(intake.tokens.len());
        for (name, file) in &intake.tokens {
            let path = dir.join(file);
            let refuse = |why: &str| format!("intake.tokens.{name}: `{}`: {why}", path.display());
            let bytes =
                files::read_bounded(&path, INTAKE_TOKEN_BYTES_MAX).map_err(|error| refuse(&error.to_string()))?;
            let token = bytes.trim_ascii();
            if token.len() < INTAKE_TOKEN_CHARS_MIN || token.iter().any(u8::is_ascii_whitespace) {
                return Err(refuse(
                    "expected one word of at least 32 characters, such as `openssl rand -hex 16` makes",
                ));
            }
            all.push((name.as_str().into(), hash::sha256(token)));
        }
        Ok(Self(all))
    }

    fn holder(&self, token: &[u8]) -> Option<Arc<str>> {
        let shown = hash::sha256(token);
        // All are compared, and hashes tell nothing of what they are made from.
        let mut found = None;
        for (name, hash) in &self.0 {
            if hash::equal(hash, &shown) {
                found = Some(Arc::clone(name));
            }
        }
        found
    }
}

/// Who came over HTTP; `None` for a stranger.
pub(super) fn over_http(
    app: &App,
    tokens: &Tokens,
    peer: Option<&Peer>,
    remote: SocketAddr,
    fields: &HeaderMap,
) -> Option<Client> {
    if let Some(peer) = peer {
        return still_good(app, peer).then(|| by_certificate(app, peer));
    }
    if let Some(shown) = fields.get(AUTHORIZATION) {
        let (way, token) = shown.as_bytes().split_at_checked(7)?;
        let name = way.eq_ignore_ascii_case(b"bearer ").then(|| tokens.holder(token.trim_ascii()))??;
        return Some(Client { name, service: None });
    }
    on_this_machine(remote).filter(|_| tokens.0.is_empty())
}

/// Who came over TCP, where no token can be shown.
pub(super) fn over_tcp(app: &App, peer: Option<&Peer>, remote: SocketAddr) -> Option<Client> {
    peer.map_or_else(|| on_this_machine(remote), |peer| Some(by_certificate(app, peer)))
}

/// Whether the certificate that was shown when the connection began would still be taken: connections outlive it.
pub(super) fn still_good(app: &App, peer: &Peer) -> bool {
    clock::now() < peer.not_after() && app.in_force().denied.denies(peer).is_none()
}

fn by_certificate(app: &App, peer: &Peer) -> Client {
    let service = match peer.id().role_in(&app.in_force().desired.fleet.trust_domain) {
        Some(Role::Service(name)) => Some(name),
        Some(Role::Control | Role::Node(_)) | None => None,
    };
    // Workloads have a role of services in their name too, and a collector among them speaks for many.
    let service = service.filter(|name| app.in_force().desired.fleet.services.contains_key(name));
    Client { name: peer.id().as_str().into(), service }
}

/// Whoever connects over loopback. Its port is left out: each connection would be another client.
pub(super) fn on_this_machine(remote: SocketAddr) -> Option<Client> {
    let ip = remote.ip().to_canonical();
    ip.is_loopback().then(|| Client { name: ip.to_string().into(), service: None })
}
