//! One question of an Envoy, whichever way it came.

use bartizan_core::TraceContext;
use std::net::SocketAddr;

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    /// The caller's name, as Envoy verified it; empty where it verified nobody.
    pub(super) principal: &'a str,
    /// The caller's certificate, PEM, percent-encoded; empty where Envoy does not send it.
    pub(super) certificate: &'a str,
    /// The caller's address.
    pub(super) remote: Option<SocketAddr>,
    /// What it wants.
    pub(super) wants: Wants<'a>,
    /// The question's place in its trace.
    pub(super) trace: TraceContext,
    /// The span of the hop before, 0 where there was none.
    pub(super) parent_span: u64,
}

/// What a caller wants.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wants<'a> {
    /// A request to be let in.
    Request {
        /// HTTP method.
        method: &'a str,
        /// Path and query.
        target: &'a str,
    },
    /// A TCP connection to be let in.
    Connection,
}
