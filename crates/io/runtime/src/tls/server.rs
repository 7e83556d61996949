//! The accepting end.

use super::verify::Verifier;
use super::{About, Accepted, HandshakeError, Identity, Judge, TlsError, protocols, provider};
use crate::limits;
use bartizan_core::event::HandshakeFailure;
use bartizan_core::tls::TlsGroups;
use rustls::server::{NoServerSessionStorage, WantsServerCert};
use rustls::version::TLS13;
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// An accepted, encrypted stream over `IO`.
pub type ServerStream<IO> = tokio_rustls::server::TlsStream<IO>;

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// A client without a certificate is refused in the handshake.
    Required,
    /// A client may come without; one that shows a certificate has it judged, and a bad one is refused like anywhere.
    Optional,
    /// None is asked for and the judge is never called: a web server.
    None,
}

/// Everything for accepting, ready to be shared; a renewed identity is a new `Server`. Cloning is cheap.
#[derive(Clone)]
pub struct Server {
    builder: ConfigBuilder<ServerConfig, WantsVerifier>,
    identity: Identity,
    auth: ClientAuth,
    alpn: Vec<Vec<u8>>,
}

impl Server {
    /// A server that shows `identity` and picks the first of `alpn` that the client offers. A client that offers
    /// only others is refused; one that offers none is not.
    ///
    /// # Errors
    /// [`TlsError::Config`], which the fixed choices of this module never cause.
    pub fn new(identity: &Identity, auth: ClientAuth, alpn: &[&str]) -> Result<Self, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider::OURS))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Config)?;
        Ok(Self { builder, identity: identity.clone(), auth, alpn: protocols(alpn) })
    }

    /// The same server, asking clients for a certificate, or not.
    #[must_use]
    pub fn asking(&self, auth: ClientAuth) -> Self {
        Self { auth, ..self.clone() }
    }

    /// The same with these key exchanges alone.
    ///
    /// # Errors
    /// As [`Server::new`].
    pub fn limited_to(&self, groups: TlsGroups) -> Result<Self, TlsError> {
        if groups.is_all() {
            return Ok(self.clone());
        }
        let builder = ServerConfig::builder_with_provider(provider::limited_to(groups))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Config)?;
        Ok(Self { builder, ..self.clone() })
    }

    /// Shakes hands on `io`, at most for `within`.
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`HandshakeError`]: the judge's own cause where it said no, `NoCertificate`, `UntrustedIssuer` where the client
    /// does not hold its certificate's key, `Timeout`, `Protocol` for the rest. The client was sent an alert, and
    /// [`limits::LINGER`] to read it.
    pub async fn accept<IO, P>(
        &self,
        io: IO,
        judge: Judge<P>,
        within: Duration,
    ) -> Result<Accepted<ServerStream<IO>, P>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        P: Send + 'static,
    {
        let began = Instant::now();
        let verifier = Arc::new(Verifier::new(judge, self.auth == ClientAuth::Required));
        let acceptor = TlsAcceptor::from(Arc::new(self.config(&verifier)));
        match tokio::time::timeout(within, acceptor.accept(io).into_fallible()).await {
            Err(_) => Err(HandshakeError::new(
                HandshakeFailure::Timeout,
                format!("the client did not finish within {} ms", within.as_millis()),
            )),
            Ok(Err((error, io))) => {
                linger(io).await;
                Err(verifier.failure(&error))
            }
            Ok(Ok(stream)) => {
                let connection = stream.get_ref().1;
                let server_name = connection.server_name().map(|name| name.to_ascii_lowercase().into());
                let about = About { server_name, ..About::of(connection, began) };
                Ok(Accepted { peer: verifier.peer()?, about, stream })
            }
        }
    }

    /// A configuration per connection: it carries the connection's own verifier. Some small allocations, little
    /// beside a handshake's signatures.
    fn config<P: Send + 'static>(&self, verifier: &Arc<Verifier<P>>) -> ServerConfig {
        let builder: ConfigBuilder<ServerConfig, WantsServerCert> = match self.auth {
            ClientAuth::None => self.builder.clone().with_no_client_auth(),
            ClientAuth::Required | ClientAuth::Optional => {
                self.builder.clone().with_client_cert_verifier(Arc::clone(verifier) as _)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&self.identity.0) as _);
        config.alpn_protocols.clone_from(&self.alpn);
        // A resumed handshake would not ask the judge: no tickets, no memory of sessions, no early data.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        config
    }
}

/// Closes so that the client gets to read the alert. A client of TLS 1.3 sends its request right after its
/// certificate; were we to close at once, its next write would break, and that would be all it could tell its user.
async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO) {
    let drained = async {
        // Whatever fails here, the connection ends, which is what is wanted.
        let _ = io.shutdown().await;
        let mut thrown_away = [0; 1024];
        while io.read(&mut thrown_away).await.is_ok_and(|bytes| bytes > 0) {}
    };
    let _ = tokio::time::timeout(limits::LINGER, drained).await;
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("auth", &self.auth).finish_non_exhaustive()
    }
}
