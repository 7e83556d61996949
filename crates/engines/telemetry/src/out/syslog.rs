//! Messages of syslog (RFC 5424), each with its length before it (RFC 6587, section 3.4.1).

use super::{Outgoing, text};
use crate::moment::to_rfc3339;
use std::fmt::Write as _;

/// Facility `log audit`.
const FACILITY: u64 = 13;
/// Severities of syslog by `severity_id` of OCSF: informational, low, medium, high, critical, fatal.
const SEVERITIES: [u64; 7] = [6, 6, 5, 4, 3, 2, 0];
/// The element: the number is one that is set aside for examples (RFC 5612), since none is registered.
const ELEMENT: &str = "bartizan@32473";
/// What is said as parameters.
const PARAMETERS: [&str; 13] = [
    "kind", "service", "seen_by", "request", "peer", "to", "user", "decision", "reason", "denial", "owner", "version",
    "image",
];

/// The frame of an event.
pub fn frame(it: &Outgoing) -> Vec<u8> {
    let severity = usize::try_from(it.severity()).unwrap_or(0).min(SEVERITIES.len() - 1);
    let host = it.ocsf["device"]["name"].as_str().map_or("-", |host| host);
    let mut message = format!(
        "<{}>1 {} {} bartizan - {} [{ELEMENT} id=\"{}\"",
        FACILITY * 8 + SEVERITIES[severity],
        to_rfc3339(it.event.at),
        word(host),
        it.event.class(),
        it.event.id,
    );
    for key in PARAMETERS {
        let value = it.own(key);
        if !value.is_null() {
            let _ = write!(message, " {key}=\"{}\"", escaped(&text(value)));
        }
    }
    // Line feeds would end it for a receiver that knows no lengths.
    let said = it.message().replace(['\n', '\r'], " ");
    let _ = write!(message, "] {said}");
    format!("{} {message}", message.len()).into_bytes()
}

fn word(host: &str) -> &str {
    let fits = !host.is_empty() && host.len() <= 255 && host.bytes().all(|b| b.is_ascii_graphic());
    if fits { host } else { "-" }
}

/// `"`, `\` and `]` behind a backslash.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
