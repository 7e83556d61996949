//! The heads of a request and of a response, in the one form that filters and all protocols share.

use super::Fields;
use crate::framing::{Parts, Span};
use http::{Method, StatusCode};

/// A request's head. Its target is in origin form and plain ASCII.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method.
    pub method: Method,
    target: Span,
    /// `:authority` of HTTP/2, where there is one.
    authority: Option<Span>,
    /// It came as HTTP/2: programs that speak both get it as that.
    pub http2: bool,
    /// The header fields.
    pub fields: Fields,
}

/// A response's head.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub fields: Fields,
}

impl RequestHead {
    /// From its parts; `target` and `authority` were checked.
    pub fn new(method: Method, target: &[u8], authority: Option<&[u8]>, mut fields: Fields) -> Self {
        let target = fields.keep(target);
        let authority = authority.map(|text| fields.keep(text));
        Self { method, target, authority, http2: false, fields }
    }

    /// From the bytes of a head that the framing guard accepted; `None` where the method is none, which it does not accept.
    pub(crate) fn accepted(head: &[u8], parts: &Parts) -> Option<Self> {
        let method = Method::from_bytes(parts.method.of(head)).ok()?;
        let fields = Fields::from_head(head, &parts.fields);
        Some(Self { method, target: parts.target, authority: None, http2: false, fields })
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        std::str::from_utf8(self.fields.text(self.target)).unwrap_or("/")
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        let target = self.target();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    /// The query, where there is one.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Puts another query in the place of the one that came, which it is a part of.
    pub fn set_query(&mut self, query: &str) {
        let path = self.path();
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        self.target = self.fields.keep(target.as_bytes());
    }

    /// `:authority`, where the request came with one.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.map(|span| self.fields.text(span))
    }
}
