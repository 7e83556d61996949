//! The dialling end.

use super::verify::Verifier;
use super::{About, Accepted, HandshakeError, Identity, Judge, TlsError, protocols, provider};
use bartizan_core::event::HandshakeFailure;
use bartizan_core::tls::TlsGroups;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};
use rustls::version::TLS13;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// A dialled, encrypted stream over `IO`.
pub type ClientStream<IO> = tokio_rustls::client::TlsStream<IO>;

/// Everything for dialling, ready to be shared; a renewed identity is a new `Client`. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    /// Its verifier refuses everybody; each connection puts in its own.
    config: Arc<ClientConfig>,
    identity: Option<Identity>,
}

impl Client {
    /// A client that shows `identity` where it is asked for one, and offers `alpn` in this order.
    ///
    /// # Errors
    /// [`TlsError::Config`], which the fixed choices of this module never cause.
    pub fn new(identity: Option<&Identity>, alpn: &[&str]) -> Result<Self, TlsError> {
        Self::with(Arc::clone(&provider::OURS), identity, protocols(alpn))
    }

    /// The same with these key exchanges alone.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn limited_to(&self, groups: TlsGroups) -> Result<Self, TlsError> {
        if groups.is_all() {
            return Ok(self.clone());
        }
        Self::with(provider::limited_to(groups), self.identity.as_ref(), self.config.alpn_protocols.clone())
    }

    fn with(provider: Arc<CryptoProvider>, identity: Option<&Identity>, alpn: Vec<Vec<u8>>) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Config)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(nobody(), true)));
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::clone(&identity.0) as _),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn;
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        config.enable_sni = false;
        Ok(Self { config: Arc::new(config), identity: identity.cloned() })
    }

    /// Shakes hands on `io`, at most for `within`. No name is sent; who answered is for the judge to say.
    ///
    /// In TLS 1.3 a client is done before the server has judged it: where the server refuses *us*, this still
    /// returns `Ok`, and the first read fails with the server's alert.
    ///
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`HandshakeError`]: the judge's own cause where it said no, `UntrustedIssuer` where the server does not hold
    /// its certificate's key, `Timeout`, `Protocol` for the rest.
    pub async fn connect<IO, P>(
        &self,
        io: IO,
        judge: Judge<P>,
        within: Duration,
    ) -> Result<Accepted<ClientStream<IO>, P>, HandshakeError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        P: Send + 'static,
    {
        let began = Instant::now();
        let verifier = Arc::new(Verifier::new(judge, true));
        let mut config = ClientConfig::clone(&self.config);
        config.dangerous().set_certificate_verifier(Arc::clone(&verifier) as _);
        let connector = TlsConnector::from(Arc::new(config));
        match tokio::time::timeout(within, connector.connect(stand_in(), io)).await {
            Err(_) => Err(HandshakeError::new(
                HandshakeFailure::Timeout,
                format!("the server did not finish within {} ms", within.as_millis()),
            )),
            Ok(Err(error)) => Err(verifier.failure(&error)),
            Ok(Ok(stream)) => {
                let about = About::of(stream.get_ref().1, began);
                Ok(Accepted { peer: verifier.peer()?, about, stream })
            }
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client(…)")
    }
}

/// The judge of a configuration that was never given one.
fn nobody() -> Judge<()> {
    Arc::new(|_| {
        Err(super::JudgeError {
            failure: HandshakeFailure::NotReady,
            detail: "no judge was set for this connection".into(),
        })
    })
}

/// rustls wants a name. It is neither sent (no SNI) nor looked at (the verifier ignores it).
fn stand_in() -> ServerName<'static> {
    ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([127, 0, 0, 1])))
}
