//! TLS to servers of the web: judged by their certificate, the name that was dialled and the roots of the web.

use super::{ClientStream, HandshakeError, TlsError, protocols, provider};
use bartizan_core::event::HandshakeFailure;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// Everything for dialling servers of the web. Cloning is cheap.
#[derive(Clone)]
pub struct WebClient {
    config: Arc<ClientConfig>,
}

impl WebClient {
    /// A client that trusts the certificates in `roots`, a PEM text, and offers `alpn`.
    ///
    /// # Errors
    /// [`TlsError::Roots`] where there is none among them that can be used.
    pub fn new(roots: &str, alpn: &[&str]) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        let readable = CertificateDer::pem_slice_iter(roots.as_bytes()).filter_map(Result::ok);
        // Collections of the web hold some that nobody reads; the others count.
        let (added, _) = store.add_parsable_certificates(readable);
        if added == 0 {
            return Err(TlsError::Roots);
        }
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider::OURS))
            .build()
            .map_err(|_| TlsError::Roots)?;
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider::OURS))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Config)?
            .with_webpki_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = protocols(alpn);
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }

    /// Shakes hands on `io`, at most for `within`, with whoever can prove to be `host`, a DNS name or an IP address.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub async fn connect<IO>(&self, io: IO, host: &str, within: Duration) -> Result<ClientStream<IO>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let refuse = |failure, detail: String| HandshakeError { failure, detail };
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| refuse(HandshakeFailure::WrongPeer, format!("`{host}` is no name of a server")))?;
        let connecting = TlsConnector::from(Arc::clone(&self.config)).connect(name, io);
        match tokio::time::timeout(within, connecting).await {
            Err(_) => Err(refuse(HandshakeFailure::Timeout, format!("not done within {} ms", within.as_millis()))),
            Ok(outcome) => outcome.map_err(|error| refuse(HandshakeFailure::UntrustedIssuer, error.to_string())),
        }
    }
}

impl std::fmt::Debug for WebClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebClient(…)")
    }
}
