//! One handshake's verifier: asks the judge, keeps the answer until the handshake is over.

use super::{HandshakeError, Judge, JudgeError, provider};
use bartizan_core::event::HandshakeFailure;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{AlertDescription, CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::sync::{Mutex, PoisonError};
use std::{fmt, io};

/// Verifier of one connection. It is made anew for each, which is how the judge's value finds its connection.
pub(super) struct Verifier<P> {
    judge: Judge<P>,
    /// As a server: whether a client without certificate is refused.
    mandatory: bool,
    answer: Mutex<Option<Result<P, JudgeError>>>,
}

impl<P> Verifier<P> {
    pub(super) fn new(judge: Judge<P>, mandatory: bool) -> Self {
        Self { judge, mandatory, answer: Mutex::new(None) }
    }

    fn ask(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<(), Error> {
        let chain: Vec<&[u8]> = std::iter::once(leaf.as_ref()).chain(rest.iter().map(AsRef::as_ref)).collect();
        let answer = (self.judge)(&chain);
        let verdict = answer.as_ref().map(|_| ()).map_err(|no| alert_for(no.failure));
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        verdict
    }

    fn take(&self) -> Option<Result<P, JudgeError>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The peer of a handshake that ended well.
    pub(super) fn peer(&self) -> Result<Option<P>, HandshakeError> {
        match self.take() {
            Some(answer) => Ok(Some(answer?)),
            // rustls refuses these by itself; should it ever not, we still do.
            None if self.mandatory => {
                Err(HandshakeError::new(HandshakeFailure::NoCertificate, "no certificate was sent"))
            }
            None => Ok(None),
        }
    }

    /// Why a handshake ended badly. A judge's no comes first: what rustls reports then is only its echo.
    pub(super) fn failure(&self, error: &io::Error) -> HandshakeError {
        match self.take() {
            Some(Err(no)) => no.into(),
            _ => explain(error),
        }
    }
}

/// The certificate error whose alert tells the peer the kind of refusal, and no more than that.
fn alert_for(failure: HandshakeFailure) -> Error {
    Error::InvalidCertificate(match failure {
        HandshakeFailure::Expired => CertificateError::Expired,
        HandshakeFailure::NotYetValid => CertificateError::NotValidYet,
        HandshakeFailure::UntrustedIssuer | HandshakeFailure::ForeignDomain => CertificateError::UnknownIssuer,
        HandshakeFailure::BadSvid => CertificateError::BadEncoding,
        _ => CertificateError::ApplicationVerificationFailure,
    })
}

/// Sorts what went wrong outside the judge.
fn explain(error: &io::Error) -> HandshakeError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::NoCertificatesPresented) => {
            HandshakeError::new(HandshakeFailure::NoCertificate, "the peer sent no certificate")
        }
        Some(Error::InvalidCertificate(_)) => HandshakeError::new(
            HandshakeFailure::UntrustedIssuer,
            "the peer did not prove that it holds its certificate's key",
        ),
        Some(Error::AlertReceived(alert)) => HandshakeError::new(
            HandshakeFailure::Protocol,
            format!("the peer gave up with the alert {}", alert_name(*alert)),
        ),
        Some(other) => HandshakeError::new(HandshakeFailure::Protocol, other.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            HandshakeError::new(HandshakeFailure::Protocol, "the peer closed the connection during the handshake")
        }
        None => HandshakeError::new(HandshakeFailure::Protocol, error.to_string()),
    }
}

fn alert_name(alert: AlertDescription) -> String {
    format!("`{alert:?}`")
}

fn no_tls12() -> Error {
    Error::General("TLS 1.2 is not spoken here".into())
}

impl<P: Send> ServerCertVerifier for Verifier<P> {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _name: &ServerName<'_>, // a stand-in; the judge knows whom we dialled
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.ask(leaf, rest).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &provider::signatures())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::signatures().supported_schemes()
    }
}

impl<P: Send> ClientCertVerifier for Verifier<P> {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: our clients have one certificate, and the list would tell strangers whom we trust.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.ask(leaf, rest).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signature, &provider::signatures())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider::signatures().supported_schemes()
    }
}

impl<P> fmt::Debug for Verifier<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}
