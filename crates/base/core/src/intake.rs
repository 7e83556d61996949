//! Where programs, collectors and machines hand in what they have to say.

use crate::federation::WebFiles;
use crate::name::ServiceName;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What the fleet file says under `intake`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    /// OTLP over HTTP, and what is posted: lines of JSON, audit records of Kubernetes.
    pub otlp_http: Option<SocketAddr>,
    /// OTLP over gRPC.
    pub otlp_grpc: Option<SocketAddr>,
    /// Syslog over UDP and TCP; always loopback.
    pub syslog: Option<SocketAddr>,
    /// Syslog over TLS, from clients that show a certificate (RFC 5425).
    pub syslog_tls: Option<SocketAddr>,
    /// Lines of JSON over TCP.
    pub ndjson: Option<SocketAddr>,
    /// The certificate that is shown; that of control where `None`.
    pub web: Option<WebFiles>,
    /// Files with the tokens that may be shown, by the name that their holders get.
    pub tokens: BTreeMap<ServiceName, String>,
    /// Records that one of those who hand in may bring a second.
    pub records_per_s: u32,
}

/// What [`Intake::records_per_s`] is where the file does not say: ten times what a chatty service writes.
pub const RECORDS_PER_S: u32 = 10_000;
/// The largest that it may be.
pub const RECORDS_PER_S_MAX: u32 = 1_000_000;
/// Tokens that may be named, a count.
pub const INTAKE_TOKENS_MAX: usize = 256;

impl Intake {
    /// Whether clients of `at` speak TLS: everywhere but on loopback, and there too where a certificate is named.
    pub fn is_tls(&self, at: SocketAddr) -> bool {
        !at.ip().is_loopback() || self.web.is_some()
    }
}
