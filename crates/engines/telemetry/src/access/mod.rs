//! Access logs of gateways, meshes and web servers, and what programs log of sign-ins: whatever their shape, the same attributes after it.
//!
//! | Attribute | |
//! |---|---|
//! | `client.address` | who asked, as near to the beginning as the log says |
//! | `user.name` | on whose behalf |
//! | `source.service`, `destination.service` | the short names of both ends |
//! | `http.request.method`, `url.path`, `http.response.status_code` | |
//! | `http.request.body.size`, `http.response.body.size` | bytes |
//! | `url.query`, `user_agent.original` | for whoever looks for probes; the query is not for the store |
//! | `event.category`, `event.outcome` | `authentication`, and `failure` or `success` |

mod fields; // lines of JSON
mod line; // lines of text
mod sign_in; // who was not let in, by sshd and programs

pub(crate) use line::{read as read_line, without_query};

use crate::draft::cut;
use crate::limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX};
use bartizan_core::Timestamp;
use bartizan_core::event::telemetry::SEVERITY_ERROR;
use bartizan_core::event::{Signal, Telemetry};
use std::sync::Arc;

/// One request, as a log tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// When it began.
    at: Option<Timestamp>,
    /// The address of whoever asked, without its port.
    client: String,
    /// On whose behalf, where it says so.
    user: Option<String>,
    /// The service that asked.
    from: Option<String>,
    /// The service that was asked.
    to: Option<String>,
    /// Method.
    method: String,
    /// Path without query.
    path: String,
    /// Query.
    query: Option<String>,
    /// Status answered; 0 where there was none.
    status: u16,
    /// Bytes of the request's body.
    received: Option<u64>,
    /// Bytes of the response's body.
    sent: Option<u64>,
    /// What it called itself.
    agent: Option<String>,
}

/// Recognises an access log or a sign-in in a record of a log, of which `line` is what its text says; anything else stays as it is.
pub(crate) fn understand(it: &mut Telemetry, line: Option<Access>) {
    if it.signal != Signal::Log {
        return;
    }
    match (fields::read(it), line) {
        (Some(access), line) => {
            // What a program says beside its request is its own word, unless it is that request once more.
            let text = Arc::clone(&it.body);
            let is_own = line.is_none() && !text.is_empty() && !access.is_told_by(&text);
            let (name, severity) = (Arc::clone(&it.name), it.severity);
            access.put_into(it);
            if is_own {
                it.body = text;
            }
            if !name.is_empty() {
                it.name = name;
            }
            it.severity = it.severity.max(severity);
            it.failed |= severity >= SEVERITY_ERROR;
        }
        (None, Some(access)) => access.put_into(it),
        (None, None) => sign_in::understand(it),
    }
}

impl Access {
    /// Takes `GET /a?b HTTP/1.1` apart.
    fn request(&mut self, text: &str) -> Option<()> {
        let (method, rest) = text.split_once(' ')?;
        let target = rest.rsplit_once(' ').map_or(rest, |(target, _)| target);
        let is_method =
            !method.is_empty() && method.len() <= 16 && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if !is_method || target.is_empty() {
            return None;
        }
        self.method = method.to_owned();
        self.target(target);
        Some(())
    }

    /// The same; of what is none all of it, since somebody sent that too.
    fn request_or_else(&mut self, text: &str) {
        if self.request(text).is_none() {
            self.method = "-".to_owned();
            self.target(text);
        }
    }

    /// Whether a text is this request in other words, or has its query in it.
    fn is_told_by(&self, text: &str) -> bool {
        let mut words = text.split(' ');
        let is_request = words.next() == Some(&*self.method)
            && words.next().is_some_and(|target| target.starts_with('/') || target.contains("://"));
        is_request || self.repeats_query(text)
    }

    /// Whether a text has the query in it; of a short one, such as `a`, only where it stands behind its sign.
    fn repeats_query(&self, text: &str) -> bool {
        let query = self.query.as_deref().unwrap_or_default();
        let is_clear = query.len() >= 8 || query.contains('=');
        is_clear && text.contains(query)
            || !query.is_empty() && text.contains(&format!("?{query}"))
            || !self.path.is_empty() && text.contains(&format!("{}?", self.path))
    }

    /// Takes a path with its query apart; of a whole URL, what follows the host.
    fn target(&mut self, target: &str) {
        let target = match target.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) => {
                rest.find(['/', '?']).map_or("/", |at| &rest[at..])
            }
            _ => target,
        };
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        self.path = path.to_owned();
        self.query = query.map(str::to_owned);
    }

    fn put_into(self, it: &mut Telemetry) {
        let Self { at, client, user, from, to, method, path, query, status, received, sent, agent } = self;
        it.signal = Signal::Access;
        it.said_at = at.or(it.said_at);
        it.name = cut(&method, NAME_BYTES_MAX).into();
        it.failed = status >= 500;
        it.severity = if it.failed { 17 } else { 9 };
        it.security |= matches!(status, 401 | 403 | 407 | 429);
        // A query may hold anything, and the line holds it too.
        it.body = cut(&format!("{method} {path} {status}"), VALUE_BYTES_MAX).into();
        let size = |bytes: Option<u64>| bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        let status = if status == 0 { String::new() } else { status.to_string() };
        let or_none = Option::unwrap_or_default;
        // What tells most comes first: where there is no room, the rest is left out.
        let said = [
            ("client.address", client),
            ("http.response.status_code", status),
            ("http.request.method", method),
            ("source.service", or_none(from)),
            ("destination.service", or_none(to)),
            ("user.name", or_none(user)),
            ("http.request.body.size", size(received)),
            ("http.response.body.size", size(sent)),
            ("url.path", path),
            ("url.query", or_none(query)),
            ("user_agent.original", or_none(agent)),
        ];
        it.attributes.retain(|(name, _)| said.iter().all(|(key, _)| **name != **key));
        let mut left =
            ATTRIBUTE_BYTES_MAX.saturating_sub(it.attributes.iter().map(|(key, value)| key.len() + value.len()).sum());
        for (key, value) in said.into_iter().filter(|(_, value)| !value.is_empty()) {
            let kept = cut(&value, VALUE_BYTES_MAX.min(left.saturating_sub(key.len())));
            if kept.len() < value.len() {
                it.cut += 1;
            }
            if kept.is_empty() || it.attributes.len() >= ATTRIBUTES_MAX {
                continue;
            }
            left -= key.len() + kept.len();
            it.attributes.push((key.into(), kept.into()));
        }
    }
}

/// The address in `10.0.0.1:443`, `[::1]:443`, or the first of a list of forwarders.
fn address(text: &str) -> Option<String> {
    let first = text.split(',').next().unwrap_or_default().trim();
    let bare = match first.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None if first.matches(':').count() == 1 => first.split(':').next().unwrap_or_default(),
        None => first,
    };
    bare.parse::<std::net::IpAddr>().ok().map(|it| it.to_string())
}

/// The short name in `spiffe://d/ns/n/sa/web`, `web.shop.serviceaccount.identity.linkerd.cluster.local`,
/// `outbound|80||web.shop.svc.cluster.local`, `web.shop:80` or `web`; no name in an address.
fn short(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with("spiffe://") {
        let last = text.split([',', ';']).next()?.rsplit('/').next()?;
        return named(last);
    }
    let host = text.rsplit('|').next().unwrap_or_default();
    if host.is_empty() || address(host).is_some() {
        return None;
    }
    named(host.split([':', '.', '/']).next()?)
}

fn named(text: &str) -> Option<String> {
    let is_name =
        !text.is_empty() && text.len() <= 63 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    is_name.then(|| text.to_owned())
}

/// What is there, where it is not the `-` of a log.
fn said(text: &str) -> Option<String> {
    Some(text).filter(|text| !text.is_empty() && *text != "-").map(str::to_owned)
}

#[cfg(test)]
mod tests;
