//! Where events go besides the store.

use crate::event::{Class, Upshot};
use crate::federation::{Url, WebFiles};
use crate::name::ServiceName;
use std::net::IpAddr;

/// Outputs of a fleet, a count: each reads the store for itself.
pub const OUTPUTS_MAX: usize = 16;
/// Bytes of a file where the fleet file does not say.
pub const FILE_BYTES: u64 = 100 << 20;
/// Smallest size of one that may be asked for, in bytes.
pub const FILE_BYTES_MIN: u64 = 1 << 20;
/// Largest, in bytes.
pub const FILE_BYTES_MAX: u64 = 64 << 30;
/// Files that are kept where the fleet file does not say, a count.
pub const FILES: u32 = 10;
/// The most that may be asked for, a count.
pub const FILES_MAX: u32 = 1_000;

/// Brokers that may be named, a count: any of them knows the others.
pub const BROKERS_MAX: usize = 16;
/// Longest name of a topic, in characters: as Kafka has it.
pub const TOPIC_CHARS_MAX: usize = 249;
/// Whether this build can send to Kafka: the feature `kafka`.
pub const KAFKA: bool = cfg!(feature = "kafka");

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where to.
    pub to: Destination,
    /// Which events.
    pub only: Only,
}

/// Which events go there; an empty list is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Of these classes.
    pub classes: Vec<Class>,
    /// That came out so.
    pub outcomes: Vec<Upshot>,
    /// Of these services.
    pub services: Vec<ServiceName>,
}

impl Only {
    /// Whether an event is among them. A class that only a later version knows is never asked for.
    pub fn fits(&self, class: Option<Class>, outcome: Upshot, service: Option<&ServiceName>) -> bool {
        let classes = self.classes.is_empty() || class.is_some_and(|class| self.classes.contains(&class));
        let services = self.services.is_empty() || service.is_some_and(|name| self.services.contains(name));
        classes && services && (self.outcomes.is_empty() || self.outcomes.contains(&outcome))
    }
}

/// Where events go. Files are relative to the fleet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Lines of OCSF in files: when one has `bytes`, the next is begun, and `files` are kept.
    Ndjson {
        /// The newest; older ones have `.1`, `.2` behind their name.
        file: String,
        /// Bytes of one.
        bytes: u64,
        /// How many are kept.
        files: u32,
    },
    /// OTLP logs over HTTP.
    Otlp(Http),
    /// Elasticsearch or OpenSearch.
    Elasticsearch {
        /// Where its bulk API is.
        http: Http,
        /// The index, alias or data stream.
        index: String,
    },
    /// Lists of OCSF records by POST, signed (Standard Webhooks).
    Webhook {
        /// Where to.
        http: Http,
        /// File with the secret, `whsec_…`.
        secret: String,
    },
    /// Prometheus' remote write, of our own metrics: no events go there.
    RemoteWrite(Http),
    /// Syslog over TCP or TLS (RFC 5424, RFC 6587, RFC 5425).
    Syslog(Stream),
    /// Kafka; only where [`KAFKA`].
    Kafka(Cluster),
}

/// A server of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Whether it is one with TLS; always where it is not on this machine.
    pub tls: bool,
    /// Host, port and path.
    pub url: Url,
    /// PEM file with the roots of its certificate; those of the system where `None`.
    pub roots: Option<String>,
    /// The certificate that is shown to a receiver that asks for one.
    pub shown: Option<WebFiles>,
    /// File with the value of `Authorization`.
    pub authorization: Option<String>,
}

/// A server on TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Whether it is one with TLS; always where it is not on this machine.
    pub tls: bool,
    /// A DNS name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// PEM file with the roots of its certificate; those of the system where `None`.
    pub roots: Option<String>,
    /// The certificate that is shown to a receiver that asks for one.
    pub shown: Option<WebFiles>,
}

/// A cluster of Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Whether its brokers speak TLS; always where one is not on this machine.
    pub tls: bool,
    /// Host and port of those that are asked for the others.
    pub brokers: Vec<(String, u16)>,
    /// Where the events go.
    pub topic: String,
    /// PEM file with the roots of the brokers' certificates; those of the system where `None`.
    pub roots: Option<String>,
    /// The certificate that is shown to brokers that ask for one.
    pub shown: Option<WebFiles>,
}

impl Destination {
    /// The key of the fleet file.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ndjson { .. } => "ndjson",
            Self::Otlp(_) => "otlp",
            Self::Elasticsearch { .. } => "elasticsearch",
            Self::Webhook { .. } => "webhook",
            Self::RemoteWrite(_) => "remote_write",
            Self::Syslog(_) => "syslog",
            Self::Kafka(_) => "kafka",
        }
    }
}

/// `SCHEME://HOST:PORT/PATH`, where the scheme is `tls` or `plain`: the URL, and whether it is TLS. In plain only to this machine, since
/// events name people and secrets go along.
///
/// # Errors
/// The rule that it breaks.
pub fn parse_url(text: &str, (plain, tls): (&str, &str), port: (u16, u16)) -> Result<(bool, Url), &'static str> {
    let (is_tls, rest) = match text.split_once("://") {
        Some((scheme, rest)) if scheme == tls => (true, rest),
        Some((scheme, rest)) if scheme == plain => (false, rest),
        _ => return Err("begin it with the scheme, such as `https://`"),
    };
    let mut url = Url::parse(&format!("https://{rest}"))?;
    let authority = rest.split('/').next().unwrap_or_default();
    let says_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if !says_port {
        url.port = if is_tls { port.1 } else { port.0 };
    }
    if !is_tls && !is_here(&url.host) {
        return Err("without TLS nothing leaves this machine");
    }
    Ok((is_tls, url))
}

/// Whether `host` is this machine, by its name or address alone.
pub fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_in_plain() {
        let http = |text: &str| {
            parse_url(text, ("http", "https"), (80, 443)).map(|(tls, url)| (tls, url.host, url.port, url.path))
        };
        for text in [
            "http://es.test:9200",
            "http://192.0.2.7/",
            "es.test",
            "ftp://127.0.0.1/",
            "https://",
            "https://a?b",
            "http://127.0.0.1.evil.test",
        ] {
            assert!(http(text).is_err(), "{text}");
        }
        assert_eq!(http("http://127.0.0.1/x"), Ok((false, "127.0.0.1".into(), 80, "/x".into())));
        assert_eq!(http("http://[::1]:9200"), Ok((false, "::1".into(), 9200, "/".into())));
        assert_eq!(http("https://es.test"), Ok((true, "es.test".into(), 443, "/".into())));
    }
}
