//! Requests to one HTTPS server that our own configuration names, such as a Kubernetes API server.
//!
//! Where it is comes from the configuration alone: no redirect is followed, no proxy asked. Certificates are judged as the web
//! does it (roots of its own, host name, RSA among the keys), since such a server is nobody of our trust domain.

use crate::{limits, listen};
use bartizan_core::Secret;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Builder;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The configured address is none.
    #[error("`{0}` is no address of an HTTPS server, such as `https://kubernetes.default.svc:443`")]
    Address(String),
    /// The configured roots cannot be used.
    #[error("the roots of `{host}` cannot be used: {why}")]
    Roots {
        /// Whose.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// It was not reached, is not who it should be, broke off or sent too much. Another time it may do better.
    #[error("no answer from `{host}`: {why}")]
    Broken {
        /// Whose.
        host: String,
        /// What went wrong.
        why: String,
    },
    /// It said no, or wants to send us elsewhere.
    #[error("`{host}` answered with status {status}")]
    Status {
        /// Whose.
        host: String,
        /// HTTP status.
        status: u16,
    },
}

/// One server. Cloning is cheap.
#[derive(Clone)]
pub struct Https {
    host: String,
    port: u16,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

impl std::fmt::Debug for Https {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Https({}:{})", self.host, self.port)
    }
}

impl Https {
    /// The server at `url` (`https://HOST` or `https://HOST:PORT`, nothing behind it), recognised by `roots` (DER).
    ///
    /// # Errors
    /// [`HttpsError::Address`], [`HttpsError::Roots`].
    pub fn new(url: &str, roots: &[Vec<u8>]) -> Result<Self, HttpsError> {
        let wrong = || HttpsError::Address(url.to_owned());
        let rest = url.strip_prefix("https://").ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            // The last colon of a bare IPv6 address is none before a port.
            Some((host, port)) if !rest.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (rest, 443),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| wrong())?;
        let host = bare.to_owned();
        let refuse = |why: String| HttpsError::Roots { host: host.clone(), why };
        let mut store = RootCertStore::empty();
        for der in roots {
            store.add(CertificateDer::from(der.clone())).map_err(|error| refuse(error.to_string()))?;
        }
        if store.is_empty() {
            return Err(refuse("there are none".to_owned()));
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refuse(error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self { host, port, name, config: Arc::new(config) })
    }

    /// POST of JSON with a bearer token; the body of a successful answer, at most [`limits::HTTPS_ANSWER_BYTES_MAX`], within
    /// [`limits::HTTPS_WITHIN`]. Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`HttpsError`]; a redirect is an error like every other status that is no success.
    pub async fn post(&self, path: &str, bearer: &Secret<String>, body: Vec<u8>) -> Result<Vec<u8>, HttpsError> {
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        self.ask(request, bearer, body, limits::HTTPS_ANSWER_BYTES_MAX).await
    }

    /// GET of JSON, like [`Self::post`]; the body of a successful answer, at most `bytes_max`.
    ///
    /// # Errors
    /// [`HttpsError`].
    pub async fn get(&self, path: &str, bearer: &Secret<String>, bytes_max: usize) -> Result<Vec<u8>, HttpsError> {
        self.ask(Request::get(path), bearer, Vec::new(), bytes_max).await
    }

    async fn ask(
        &self,
        request: Builder,
        bearer: &Secret<String>,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<Vec<u8>, HttpsError> {
        let within = limits::HTTPS_WITHIN;
        match tokio::time::timeout(within, self.send(request, bearer, body, bytes_max)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.broken(format!("it took longer than {} s", within.as_secs()))),
        }
    }

    async fn send(
        &self,
        request: Builder,
        bearer: &Secret<String>,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<Vec<u8>, HttpsError> {
        let broken = |error: &dyn std::error::Error| self.broken(error.to_string());
        let socket = self.dial().await?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), socket).await.map_err(|error| broken(&error))?;
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", bearer.expose()))
            .map_err(|_| self.broken("our bearer token holds what no header may"))?;
        authorization.set_sensitive(true);
        let request = request
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, authorization)
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| broken(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its error reaches us through the request.
            let _ = connection.await;
        });
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        if !answer.status().is_success() {
            return Err(HttpsError::Status { host: self.host.clone(), status: answer.status().as_u16() });
        }
        match Limited::new(answer.into_body(), bytes_max).collect().await {
            Ok(whole) => Ok(whole.to_bytes().to_vec()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(self.broken(format!("its answer is longer than {bytes_max} bytes")))
            }
            Err(error) => Err(self.broken(error.to_string())),
        }
    }

    /// The first address of the host that answers.
    async fn dial(&self) -> Result<tokio::net::TcpStream, HttpsError> {
        let addrs = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addrs = addrs.map_err(|error| self.broken(error.to_string()))?;
        let mut last = self.broken("its name has no address");
        for addr in addrs.take(limits::HTTPS_ADDRESSES_MAX) {
            match listen::connect(addr, limits::CONNECT_WITHIN).await {
                Ok(socket) => return Ok(socket),
                Err(error) => last = self.broken(format!("{addr}: {error}")),
            }
        }
        Err(last)
    }

    fn broken(&self, why: impl Into<String>) -> HttpsError {
        HttpsError::Broken { host: self.host.clone(), why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_crypto::forge::Recipe;

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_else() {
        let root = vec![Recipe::ca("x", Timestamp::from_secs(1_790_000_000)).self_signed().der];
        for (url, host, port) in [
            ("https://kube.test", "kube.test", 443),
            ("https://kube.test:6443/", "kube.test", 6443),
            ("https://10.96.0.1:443", "10.96.0.1", 443),
            ("https://[::1]:6443", "::1", 6443),
            ("https://[::1]", "::1", 443),
        ] {
            let it = Https::new(url, &root).unwrap();
            assert_eq!((it.host.as_str(), it.port), (host, port), "{url}");
        }
        for url in [
            "",
            "kube.test",
            "http://kube.test",
            "https://",
            "https://a/b",
            "https://a@b",
            "https://a:99999",
            "https://a b",
        ] {
            assert!(matches!(Https::new(url, &root), Err(HttpsError::Address(_))), "{url}");
        }
        assert!(matches!(Https::new("https://kube.test", &[]), Err(HttpsError::Roots { .. })));
        assert!(matches!(Https::new("https://kube.test", &[vec![1]]), Err(HttpsError::Roots { .. })));
    }
}
