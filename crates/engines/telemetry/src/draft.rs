//! A record under way: every part is bounded as it is added.

use crate::access::{self, Access};
use crate::any::Any;
use crate::handed::{Handed, Scene};
use crate::limits::{
    ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, BODY_BYTES_MAX, CUT_BYTES_MAX, DEPTH_MAX, KEY_BYTES_MAX, NAME_BYTES_MAX,
    VALUE_BYTES_MAX,
};
use bartizan_core::event::telemetry::SEVERITY_ERROR;
use bartizan_core::event::{Signal, Telemetry};
use bartizan_core::trace::TraceContext;
use bartizan_core::{RequestId, Timestamp};
use std::sync::Arc;

/// Beginnings of keys that tell of security (OpenTelemetry semantic conventions, ECS).
const SECURITY_KEYS: &[&str] = &["security.", "enduser.", "authentication.", "authorization.", "threat.", "rule."];
/// Values of `event.category` and `event.kind` that do (ECS).
const SECURITY_WORDS: &[&str] = &["authentication", "iam", "intrusion_detection", "malware", "threat", "alert"];
/// Beginnings of names that do.
const SECURITY_NAMES: &[&str] = &["auth", "login", "logout", "sign_in", "policy", "deny", "denied"];
/// Statuses of HTTP and gRPC by which somebody was not let in.
const REFUSALS: &[(&str, &[&str])] = &[
    ("http.response.status_code", &["401", "403", "407", "429"]),
    ("http.status_code", &["401", "403", "407", "429"]),
    ("rpc.grpc.status_code", &["7", "16"]),
];

#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) it: Telemetry,
    pub(crate) request: Option<RequestId>,
    /// What the text says as a line of an access log, read before it was cut.
    line: Option<Access>,
    /// Bytes that keys and values may still take.
    left: usize,
}

impl Draft {
    pub(crate) fn new(signal: Signal, scene: &Scene, emitter: Option<Arc<str>>) -> Self {
        let it = Telemetry {
            signal,
            source: Arc::clone(&scene.source),
            from: Arc::clone(&scene.from),
            said_at: None,
            came_at: scene.now,
            emitter,
            name: "".into(),
            severity: 0,
            body: "".into(),
            attributes: Vec::new(),
            cut: 0,
            span: 0,
            parent_span: 0,
            took_us: 0,
            failed: false,
            security: false,
        };
        Self { it, request: None, line: None, left: ATTRIBUTE_BYTES_MAX }
    }

    pub(crate) fn emitter(&mut self, text: &str) {
        if !text.is_empty() {
            self.it.emitter = Some(self.text(text, NAME_BYTES_MAX));
        }
    }

    pub(crate) fn name(&mut self, text: &str) {
        self.it.name = self.text(text, NAME_BYTES_MAX);
    }

    pub(crate) fn body(&mut self, text: &str) {
        let mut text = text;
        if self.it.signal == Signal::Log {
            self.line = access::read_line(text);
            text = access::without_query(text);
        }
        self.it.body = self.text(text, BODY_BYTES_MAX);
    }

    /// Nanoseconds since 1970; 0 says nothing.
    pub(crate) fn said_at_ns(&mut self, ns: u64) {
        self.it.said_at = (ns != 0).then(|| Timestamp::from_millis(ns / 1_000_000));
    }

    /// As many of what other records share as there is room for.
    pub(crate) fn shared(&mut self, attributes: &[(Arc<str>, Arc<str>)]) {
        for (key, value) in attributes {
            self.put(Arc::clone(key), Arc::clone(value));
        }
    }

    /// Adds a value; a map becomes several, by dotted keys.
    pub(crate) fn value(&mut self, key: &str, value: &Any<'_>) {
        self.nested(key, value, 0);
    }

    fn nested(&mut self, key: &str, value: &Any<'_>, depth: usize) {
        match value {
            Any::Empty => {}
            Any::Text(text) => self.attribute(key, text),
            Any::Map(entries) if depth < DEPTH_MAX => {
                for (name, value) in entries {
                    self.nested(&format!("{key}.{name}"), value, depth + 1);
                }
            }
            // A key inside keeps its word for redaction: the text is JSON.
            other => self.attribute(key, &other.to_text()),
        }
    }

    /// Adds an attribute, and looks whether it is a thread to a trace.
    pub(crate) fn attribute(&mut self, key: &str, value: &str) {
        if self.request.is_none() {
            self.trace(key, value);
        }
        if self.it.attributes.len() >= ATTRIBUTES_MAX || key.is_empty() {
            self.it.cut += 1;
            return;
        }
        let room = VALUE_BYTES_MAX.min(self.left);
        let (key, value) = (self.text(key, KEY_BYTES_MAX), self.text(value, room));
        self.put(key, value);
    }

    fn put(&mut self, key: Arc<str>, value: Arc<str>) {
        let bytes = key.len() + value.len();
        if self.it.attributes.len() >= ATTRIBUTES_MAX || bytes > self.left {
            self.it.cut += 1;
            return;
        }
        self.left -= bytes;
        self.it.attributes.push((key, value));
    }

    fn trace(&mut self, key: &str, value: &str) {
        match key {
            "trace_id" | "traceId" | "trace.id" | "traceID" => self.request = RequestId::parse(value),
            "traceparent" | "http.request.header.traceparent" => {
                let Some(context) = TraceContext::parse(value) else { return };
                self.request = Some(context.request);
                if self.it.span == 0 {
                    self.it.parent_span = context.span;
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, bytes_max: usize) -> Arc<str> {
        let kept = cut(text, bytes_max);
        if kept.len() < text.len() {
            self.it.cut += 1;
        }
        kept.into()
    }

    pub(crate) fn finish(mut self) -> Handed {
        access::understand(&mut self.it, self.line.take());
        self.it.failed |= self.it.signal == Signal::Log && self.it.severity >= SEVERITY_ERROR;
        self.it.security |= self.is_about_security();
        Handed { telemetry: self.it, request: self.request }
    }

    fn is_about_security(&self) -> bool {
        let told = |(key, value): &(Arc<str>, Arc<str>)| {
            SECURITY_KEYS.iter().any(|begin| key.starts_with(begin))
                || matches!(&**key, "event.category" | "event.kind") && SECURITY_WORDS.contains(&&**value)
                || REFUSALS.iter().any(|(name, codes)| &**key == *name && codes.contains(&&**value))
        };
        self.it.signal == Signal::Audit
            || SECURITY_NAMES.iter().any(|begin| self.it.name.starts_with(begin))
            || self.it.attributes.iter().any(told)
    }
}

/// At most `bytes_max` of `text`. The word that the cut goes through goes as well: half of a key looks like no key.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max {
        return text;
    }
    let end = text.floor_char_boundary(bytes_max);
    let from = end.saturating_sub(CUT_BYTES_MAX);
    let word = text.as_bytes()[from..end].iter().rposition(|b| b.is_ascii_whitespace());
    let end = match word {
        Some(at) => from + at,
        None => text.floor_char_boundary(from),
    };
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        let scene = Scene { source: "otlp".into(), from: "me".into(), now: Timestamp::from_secs(9) };
        Draft::new(Signal::Span, &scene, None)
    }

    #[test]
    fn what_is_too_much_is_left_out_and_counted() {
        let mut it = draft();
        for n in 0..ATTRIBUTES_MAX + 3 {
            it.attribute(&format!("key-{n}"), "v");
        }
        it.attribute("", "no key");
        assert_eq!((it.it.attributes.len(), it.it.cut), (ATTRIBUTES_MAX, 4));

        let mut it = draft();
        for n in 0..40 {
            it.attribute(&format!("k{n}"), &"word ".repeat(200));
        }
        let bytes: usize = it.it.attributes.iter().map(|(k, v)| k.len() + v.len()).sum();
        assert!(bytes <= ATTRIBUTE_BYTES_MAX && it.it.cut > 0, "{bytes} {}", it.it.cut);
        let mut it = draft();
        it.body(&"a b ".repeat(BODY_BYTES_MAX));
        assert!(it.it.body.len() <= BODY_BYTES_MAX && it.it.cut == 1);
    }

    #[test]
    fn a_cut_leaves_no_half_of_a_word() {
        assert_eq!(cut("one two three", 9), "one two");
        assert_eq!(cut("one two", 7), "one two");
        assert_eq!(cut(&"x".repeat(1_000), 700).len(), 700 - CUT_BYTES_MAX);
        assert_eq!(cut(&"é".repeat(10), 5), "");
        assert_eq!(cut("short", 0), "");
    }

    #[test]
    fn a_trace_is_found_in_what_logs_say() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (key, value) in [
            ("trace_id", id),
            ("trace.id", id),
            ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ] {
            let mut it = draft();
            it.attribute(key, value);
            assert_eq!(it.finish().request, RequestId::parse(id), "{key}");
        }
        let mut it = draft();
        it.attribute("trace_id", "none of ours");
        assert_eq!(it.finish().request, None);
    }

    #[test]
    fn what_is_about_security_says_so() {
        for (key, value, expected) in [
            ("http.response.status_code", "403", true),
            ("http.response.status_code", "200", false),
            ("rpc.grpc.status_code", "16", true),
            ("event.category", "authentication", true),
            ("event.category", "web", false),
            ("enduser.id", "ana", true),
            ("securityless", "1", false),
        ] {
            let mut it = draft();
            it.attribute(key, value);
            assert_eq!(it.finish().telemetry.security, expected, "{key}={value}");
        }
        let mut it = draft();
        it.name("authorize");
        assert!(it.finish().telemetry.security);
    }
}
