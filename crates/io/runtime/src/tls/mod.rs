//! TLS 1.3 where the peer is judged inside the handshake, by a closure of the caller's.
//!
//! What is fixed here: TLS 1.3 only; key exchange X25519MLKEM768, X25519, P-256, in this order; three AEAD suites;
//! no resumption on either side (a resumed handshake would not ask the judge again), no early data, no SNI sent.
//! What is the caller's: the identity shown, whether clients need one, and the [`Judge`].

mod client;
mod provider;
mod records;
mod server;
mod verify;
mod web;

pub use client::{Client, ClientStream};
pub use records::Records;
pub use server::{ClientAuth, Server, ServerStream};
pub use web::WebClient;

use bartizan_core::Secret;
use bartizan_core::event::HandshakeFailure;
use bartizan_crypto::key::KeyPair;
use rustls::crypto::aws_lc_rs::sign::{any_ecdsa_type, any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use std::sync::Arc;

/// Looks at the chain that the peer sent (DER, leaf first, never empty, otherwise unchecked) and says who that is,
/// or why not. Called once per handshake, before the proof that the peer holds the leaf's key: the handshake fails
/// where that proof does, so act on the answer only after it was handed out in [`Accepted`].
pub type Judge<P> = Arc<dyn Fn(&[&[u8]]) -> Result<P, JudgeError> + Send + Sync>;

/// A judge's no. Retrying cannot help until the peer has another certificate or we other bundles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", failure.as_str())]
pub struct JudgeError {
    /// The cause, as a counter's label; it also picks the alert that the peer sees.
    pub failure: HandshakeFailure,
    /// More, for our own log; the peer never sees it.
    pub detail: String,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the TLS handshake failed ({}): {detail}", failure.as_str())]
pub struct HandshakeError {
    /// The cause, as a counter's label.
    pub failure: HandshakeFailure,
    /// More, for people.
    pub detail: String,
}

impl HandshakeError {
    fn new(failure: HandshakeFailure, detail: impl Into<String>) -> Self {
        Self { failure, detail: detail.into() }
    }
}

impl From<JudgeError> for HandshakeError {
    fn from(JudgeError { failure, detail }: JudgeError) -> Self {
        Self { failure, detail }
    }
}

/// What cannot be turned into a TLS configuration. A fault of our own certificate or key, never of the peer's.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The chain is empty, the key unreadable or not the leaf's: make a new pair.
    #[error("the certificate and its key cannot be used together")]
    Identity(#[source] rustls::Error),
    /// None of the roots of the web can be used: name a PEM file with certificates.
    #[error("there is no certificate among the roots that could be used")]
    Roots,
    /// A PEM text holds no certificate or no key.
    #[error("the PEM text cannot be used: {0}")]
    Pem(String),
    /// The protocol choices do not fit together; cannot happen with the fixed ones.
    #[error("the TLS configuration was refused")]
    Config(#[source] rustls::Error),
}

/// What one end presents: a chain and the key of its leaf. Cloning is cheap and shares the key.
#[derive(Clone)]
pub struct Identity(Arc<SingleCertAndKey>);

impl Identity {
    /// From a chain (DER, leaf first) and the leaf's key.
    ///
    /// # Errors
    /// [`TlsError::Identity`] where the chain is empty or the key is not the leaf's.
    pub fn new(chain: &[Vec<u8>], key: &KeyPair) -> Result<Self, TlsError> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        if chain.is_empty() {
            return Err(TlsError::Identity(rustls::Error::NoCertificatesPresented));
        }
        // Borrowed, so that the only copy of the key's text is the one that `Secret` wipes.
        let secret = key.pkcs8();
        let pkcs8 = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(secret.expose().as_slice()));
        let key = any_ecdsa_type(&pkcs8).map_err(TlsError::Identity)?;
        Self::certified(chain, key)
    }

    /// From two PEM texts, as servers of the web have them: the chain, leaf first, and its key of any common kind.
    ///
    /// # Errors
    /// [`TlsError::Pem`], and as [`Identity::new`].
    pub fn from_pem(chain: &str, key: &Secret<String>) -> Result<Self, TlsError> {
        let pem = |error: rustls::pki_types::pem::Error| TlsError::Pem(error.to_string());
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().map_err(pem)?;
        if chain.is_empty() {
            return Err(TlsError::Identity(rustls::Error::NoCertificatesPresented));
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).map_err(pem)?;
        Self::certified(chain, any_supported_type(&key).map_err(TlsError::Identity)?)
    }

    fn certified(chain: Vec<CertificateDer<'static>>, key: Arc<dyn SigningKey>) -> Result<Self, TlsError> {
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(TlsError::Identity)?;
        Ok(Self(Arc::new(SingleCertAndKey::from(certified))))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// A finished handshake.
#[derive(Debug)]
pub struct Accepted<S, P> {
    /// The encrypted stream.
    pub stream: S,
    /// What the judge made of the peer. As a client, and as a server with [`ClientAuth::Required`], always there.
    pub peer: Option<P>,
    /// What was agreed.
    pub about: About,
}

/// What a handshake agreed on, for events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The application protocol, such as `h2`; `None` where the peer named none.
    pub alpn: Option<String>,
    /// As a server: the host that the client asked for (SNI), in lower case; `None` where it named none.
    pub server_name: Option<Box<str>>,
    /// Key exchange group, such as `X25519MLKEM768`.
    pub group: Arc<str>,
    /// Cipher suite, such as `TLS13_AES_128_GCM_SHA256`.
    pub suite: Arc<str>,
    /// From the first byte awaited to the handshake's end, in microseconds.
    pub took_us: u32,
}

impl About {
    fn of(connection: &rustls::CommonState, began: std::time::Instant) -> Self {
        let alpn = connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        let group = connection.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name()));
        let suite = connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        Self {
            alpn,
            server_name: None,
            group: group.unwrap_or_default().into(),
            suite: suite.unwrap_or_default().into(),
            took_us: took_us(began),
        }
    }
}

fn took_us(began: std::time::Instant) -> u32 {
    u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)
}

/// ALPN names as the wire has them.
fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}
