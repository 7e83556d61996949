//! Other trust domains: whose identities count here, where their roots come from, and where ours are published.
//!
//! Plain data. The words are those of the SPIFFE Federation specification.

use crate::name::{SpiffeId, TrustDomain};
use crate::path::PathPattern;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Shortest pause between two looks at a bundle endpoint, in seconds.
pub const REFRESH_S_MIN: u32 = 5;
/// Longest pause between two looks at a bundle endpoint, in seconds: a root that was distrusted there counts here no longer.
pub const REFRESH_S_MAX: u32 = 3600;
/// Pause between two looks where nothing is said, in seconds.
pub const REFRESH_S: u32 = 60;
/// Most trust domains beside the own one, a count. Each guard holds the roots of all.
pub const DOMAINS_MAX: usize = 30;
/// Most path patterns of one trust domain, a count.
pub const PATHS_MAX: usize = 32;

/// What a fleet file says of other trust domains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Federation {
    /// Where our own roots are published; nowhere where `None`.
    pub endpoint: Option<Endpoint>,
    /// The others.
    pub domains: BTreeMap<TrustDomain, Foreign>,
}

/// Our own bundle endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub listen: SocketAddr,
    /// By what it proves who it is: PEM files, relative to the fleet file; control's SVID where `None`.
    pub web: Option<WebFiles>,
    /// How often others are asked to look, in seconds.
    pub refresh_s: u32,
}

/// A certificate of the web and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebFiles {
    /// The chain.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// Another trust domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// Its bundle endpoint.
    pub url: Url,
    /// How that proves who it is.
    pub profile: Profile,
    /// The paths that its identities may have; any where empty.
    pub paths: Vec<PathPattern>,
}

/// How a bundle endpoint proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// `https_web`: by a certificate below these roots (a PEM file, relative to the fleet file), or below the system's.
    Web(Option<String>),
    /// `https_spiffe`: by the SVID of `id`, at first below the roots in the file `bundle`, relative to the fleet file.
    Spiffe {
        /// Who it is.
        id: SpiffeId,
        /// The first bundle, JSON.
        bundle: String,
    },
}

/// An `https` address: host, port and path, without user, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// A DNS name or an IP address, without brackets.
    pub host: String,
    /// 443 where nothing was said.
    pub port: u16,
    /// With its leading `/`.
    pub path: String,
}

impl Url {
    /// Reads `text`.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("https://").ok_or("begin it with `https://`")?;
        if text.len() > 2048 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("only visible ASCII is allowed, at most 2048 bytes");
        }
        if text.contains(['?', '#', '@', '\\']) {
            return Err("no user, query or fragment is allowed");
        }
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']').ok_or("close the bracket of the address")?;
                let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
                (is_v6.then_some(host).ok_or("there is no IPv6 address in the brackets")?, port.strip_prefix(':'))
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':');
        if host.is_empty() || host.len() > 253 || !host.bytes().all(is_host) {
            return Err("name a host");
        }
        let port = port.map_or(Ok(443), |port| port.parse().map_err(|_| "that is no port"))?;
        if port == 0 {
            return Err("that is no port");
        }
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }

    /// The whole of it as text.
    pub fn text(&self) -> String {
        format!("https://{}{}", self.authority(), self.path)
    }

    /// Host and port as a `Host` header has them.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 443 { host } else { format!("{host}:{}", self.port) }
    }
}

/// How it stands with one other trust domain, for `bartizan federation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Standing {
    /// The domain.
    pub domain: TrustDomain,
    /// Its bundle endpoint.
    pub url: String,
    /// `https_web` or `https_spiffe`.
    pub profile: String,
    /// How many roots count; 0 where no bundle has come yet.
    pub roots: usize,
    /// How many keys of JWT-SVIDs count.
    pub jwt_keys: usize,
    /// `spiffe_sequence` of the bundle in force.
    pub sequence: Option<u64>,
    /// Seconds between two looks.
    pub refresh_s: u32,
    /// When its endpoint was last looked at.
    pub looked_at: Option<Timestamp>,
    /// When the endpoint last gave a good answer.
    pub fetched_at: Option<Timestamp>,
    /// When the bundle in force came.
    pub changed_at: Option<Timestamp>,
    /// Why the last look gave nothing; `None` where it was good.
    pub failure: Option<String>,
    /// The paths that its identities may have; any where empty.
    pub paths: Vec<PathPattern>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_addresses_that_are_none() {
        for text in [
            "",
            "http://a.example/",
            "https://",
            "https:///x",
            "https://a.example:0/",
            "https://a.example:70000/",
            "https://me@a.example/",
            "https://a.example/?q",
            "https://a.example/#f",
            "https://a example/",
            "https://[::1/",
            "https://[a.example]/",
            "https://a_b.example/",
            "HTTPS://a.example/",
            "https://a.example\\@b/",
            "https://a/\u{e9}",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_host_port_and_path() {
        for (text, host, port, path, authority) in [
            ("https://a.example", "a.example", 443, "/", "a.example"),
            ("https://a.example:8444/bundle", "a.example", 8444, "/bundle", "a.example:8444"),
            ("https://127.0.0.1:1/", "127.0.0.1", 1, "/", "127.0.0.1:1"),
            ("https://[::1]:8444/x/y", "::1", 8444, "/x/y", "[::1]:8444"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((&*url.host, url.port, &*url.path, &*url.authority()), (host, port, path, authority));
        }
    }

    proptest! {
        #[test]
        fn any_text_reads_or_is_refused(text in "(https://)?[\\[\\]:/.a-z0-9@?#\\PC]{0,40}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert!(url.port > 0 && url.path.starts_with('/') && !url.host.is_empty());
                let again = Url::parse(&format!("https://{}{}", url.authority(), url.path));
                prop_assert_eq!(again, Ok(url));
            }
        }
    }
}
