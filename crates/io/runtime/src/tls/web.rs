//! TLS to servers of the web: judged by their certificate, the name that was dialled and the roots of the web.

use super::{ClientStream, HandshakeError, Identity, TlsError, protocols, provider};
use bartizan_core::event::HandshakeFailure;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, RootCertStore};
use std::io;
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
        Self::showing(roots, alpn, None)
    }

    /// The same, which shows `identity` to servers that ask for a certificate.
    ///
    /// # Errors
    /// As [`WebClient::new`].
    pub fn showing(roots: &str, alpn: &[&str], identity: Option<&Identity>) -> Result<Self, TlsError> {
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
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider::OURS))
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Config)?
            .with_webpki_verifier(verifier);
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::clone(&identity.0) as _),
            None => builder.with_no_client_auth(),
        };
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
            Ok(outcome) => outcome.map_err(|error| refuse(cause(&error), error.to_string())),
        }
    }
}

/// Sorts why there is no connection: what is wrong with a certificate is its owner's to mend, everything else is no TLS 1.3.
fn cause(error: &io::Error) -> HandshakeFailure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(why)) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => HandshakeFailure::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                HandshakeFailure::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                HandshakeFailure::WrongPeer
            }
            _ => HandshakeFailure::UntrustedIssuer,
        },
        Some(Error::AlertReceived(AlertDescription::CertificateRequired)) => HandshakeFailure::NoCertificate,
        _ => HandshakeFailure::Protocol,
    }
}

impl std::fmt::Debug for WebClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebClient(…)")
    }
}
