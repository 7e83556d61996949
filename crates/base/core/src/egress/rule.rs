//! The allow-list of one service, and the questions that a guard asks it.

use super::{HostName, HostPattern, Range, Refusal, Special, special};
use crate::path::PathPattern;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::Path;

/// Port of plain HTTP, which a program names where its guard speaks the TLS.
const HTTP_PORT: u16 = 80;

/// What one service may reach outside the fleet. Nothing where it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// True while destinations that no rule names are let through and recorded; inner addresses never are.
    #[serde(default)]
    pub learn: bool,
    /// The destinations.
    #[serde(default)]
    pub to: Vec<Destination>,
}

/// What is spoken outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// TLS that the guard passes on as it is, after a look at the name in its first message.
    Https,
    /// HTTP that the guard reads, request by request.
    Http,
    /// Bytes, to addresses that are named.
    Tcp,
}

impl Outside {
    /// The word in files and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Tcp => "tcp",
        }
    }

    /// The inverse of [`Outside::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Https, Self::Http, Self::Tcp].into_iter().find(|it| it.as_str() == text)
    }
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The names it is for; `None` for addresses alone, which only `tcp` has.
    pub host: Option<HostPattern>,
    /// What is spoken there.
    pub protocol: Outside,
    /// The ports; at least one.
    pub ports: Vec<u16>,
    /// The only addresses it may have; any that is no inner one where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<Range>,
    /// What only a guard that reads the requests can hold to: protocol `http` alone.
    #[serde(default, skip_serializing_if = "HttpRule::is_empty")]
    pub http: HttpRule,
}

/// See [`Destination::http`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// The only methods; any where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The only paths; any where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPattern>,
    /// The guard speaks TLS outside, and HTTP with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originate: Option<Originate>,
}

/// How the guard speaks TLS on the program's behalf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Originate {
    /// PEM file of the roots that servers are judged by; the system's where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<String>,
    /// A header that the guard adds, so that the program never holds the credential in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderFrom>,
    /// A token of the service's own identity that the guard shows, so that there is no lasting credential at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenFor>,
}

/// A JWT-SVID of the service, for somebody outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenFor {
    /// Who is to believe it, and nobody else.
    pub audience: String,
    /// Name of the header that it stands in, in lower case.
    pub header: String,
    /// How long it counts, in seconds.
    pub life_s: u32,
}

impl TokenFor {
    /// The header in which tokens are shown where nothing else is said.
    pub const HEADER: &str = "authorization";

    /// What stands before the token in its header.
    pub fn prefix(&self) -> &'static str {
        if self.header == Self::HEADER { "Bearer " } else { "" }
    }
}

/// A header whose value is in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderFrom {
    /// Name of the header, in lower case.
    pub name: String,
    /// The file; read anew for every request, so that whoever replaces the credential replaces the file.
    pub file: String,
    /// What stands before the value, such as `Bearer `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
}

impl HttpRule {
    /// True where it asks for nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a request may pass; `path` has no query.
    pub fn admits(&self, method: &str, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|it| it == method))
            && (self.paths.is_empty() || self.paths.iter().any(|it| it.matches(path)))
    }
}

impl Egress {
    /// The rule for a named destination in one of `protocols`; exact names come before patterns.
    ///
    /// # Errors
    /// `Undeclared` where there is none, `Protocol` where there is one for another protocol.
    pub fn named(&self, host: &HostName, port: u16, protocols: &[Outside]) -> Result<&Destination, Refusal> {
        let fits = |it: &&Destination| it.is_for(host) && it.takes_port(port);
        let exact = |it: &&Destination| matches!(it.host, Some(HostPattern::Exact(_)));
        let all = || self.to.iter().filter(fits);
        let speaks = |it: &&Destination| protocols.contains(&it.protocol);
        let found = all().filter(speaks).find(exact).or_else(|| all().find(speaks));
        found.ok_or_else(|| if all().next().is_some() { Refusal::Protocol } else { Refusal::Undeclared })
    }

    /// The `tcp` rule that names an address.
    pub fn addressed(&self, address: IpAddr, port: u16) -> Option<&Destination> {
        let tcp = self.to.iter().filter(|it| it.protocol == Outside::Tcp && it.ports.contains(&port));
        tcp.into_iter().find(|it| it.check_address(address).is_ok())
    }

    /// Whether a host may be looked up: some rule names it, whatever the port.
    pub fn names(&self, host: &HostName) -> bool {
        self.to.iter().any(|it| it.is_for(host))
    }

    /// The tokens that the guard shows, one for each destination that wants one.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenFor> {
        self.to.iter().filter_map(|it| it.http.originate.as_ref()?.token.as_ref())
    }

    /// How long a token for `audience` counts, in seconds; the shortest where several destinations have it. `None` where none has.
    pub fn token_life_s(&self, audience: &str) -> Option<u32> {
        self.tokens().filter(|it| it.audience == audience).map(|it| it.life_s).min()
    }

    /// Every rule that names `host`.
    pub fn rules_for<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a Destination> {
        self.to.iter().filter(|it| it.is_for(host))
    }
}

impl Destination {
    fn is_for(&self, host: &HostName) -> bool {
        self.host.as_ref().is_some_and(|pattern| pattern.matches(host))
    }

    fn takes_port(&self, port: u16) -> bool {
        self.ports.contains(&port) || (self.http.originate.is_some() && port == HTTP_PORT)
    }

    /// The port outside for the `port` that the program named.
    pub fn port_outside(&self, port: u16) -> u16 {
        match self.ports.first() {
            Some(first) if !self.ports.contains(&port) => *first,
            _ => port,
        }
    }

    /// Whether a name of this rule may have `address`.
    ///
    /// # Errors
    /// `Metadata`, `InnerAddress` or `NotPinned`.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let pinned = self.addresses.iter().any(|range| range.contains(address));
        match special(address) {
            // A wide range that happens to hold it does not mean it.
            Some(Special::Metadata) if !self.addresses.contains(&Range::of(address)) => Err(Refusal::Metadata),
            Some(_) if !pinned => Err(Refusal::InnerAddress),
            _ if !pinned && !self.addresses.is_empty() => Err(Refusal::NotPinned),
            _ => Ok(()),
        }
    }

    /// The addresses, where the rule names every one of them for one name: then nobody is asked.
    pub fn fixed(&self) -> Option<Vec<IpAddr>> {
        if !matches!(self.host, Some(HostPattern::Exact(_))) || self.addresses.is_empty() {
            return None;
        }
        self.addresses.iter().map(Range::single).collect()
    }
}

impl Egress {
    /// Names every file from `dir` on.
    pub fn resolve_files(&mut self, dir: &Path) {
        let resolve = |file: &mut String| *file = dir.join(&*file).to_string_lossy().into_owned();
        for originate in self.to.iter_mut().filter_map(|rule| rule.http.originate.as_mut()) {
            originate.roots.as_mut().into_iter().for_each(resolve);
            originate.header.as_mut().into_iter().for_each(|header| resolve(&mut header.file));
        }
    }
}

/// What holds for an address that no rule speaks of: it must be no inner one.
///
/// # Errors
/// `Metadata` or `InnerAddress`.
pub(super) fn check_unpinned(address: IpAddr) -> Result<(), Refusal> {
    match special(address) {
        None => Ok(()),
        Some(Special::Metadata) => Err(Refusal::Metadata),
        Some(_) => Err(Refusal::InnerAddress),
    }
}

impl Egress {
    /// Judges an address that a name without a rule was resolved to, while learning.
    ///
    /// # Errors
    /// `Metadata` or `InnerAddress`.
    pub fn check_learned(address: IpAddr) -> Result<(), Refusal> {
        check_unpinned(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    fn to(pattern: &str, protocol: Outside, ports: &[u16], addresses: &[&str]) -> Destination {
        Destination {
            host: (!pattern.is_empty()).then(|| HostPattern::parse(pattern).unwrap()),
            protocol,
            ports: ports.to_vec(),
            addresses: addresses.iter().map(|text| Range::parse(text).unwrap()).collect(),
            http: HttpRule::default(),
        }
    }

    #[test]
    fn only_what_is_named_is_found_and_the_exact_name_first() {
        let mut exact = to("api.example.com", Outside::Https, &[443], &["192.0.2.7"]);
        let egress = Egress {
            learn: false,
            to: vec![
                to("*.example.com", Outside::Https, &[443], &[]),
                exact.clone(),
                to("a.test", Outside::Http, &[80], &[]),
            ],
        };
        let https = [Outside::Https, Outside::Tcp];
        assert_eq!(egress.named(&host("api.example.com"), 443, &https), Ok(&exact));
        assert_eq!(egress.named(&host("www.example.com"), 443, &https), Ok(&egress.to[0]));
        assert_eq!(egress.named(&host("www.example.com"), 8443, &https), Err(Refusal::Undeclared));
        assert_eq!(egress.named(&host("example.com"), 443, &https), Err(Refusal::Undeclared));
        assert_eq!(egress.named(&host("a.test"), 80, &https), Err(Refusal::Protocol));
        assert!(egress.names(&host("a.test")) && !egress.names(&host("b.test")));
        exact.http.originate = Some(Originate::default());
        assert!(exact.takes_port(80) && exact.port_outside(80) == 443, "the program speaks plain HTTP");
    }

    #[test]
    fn inner_addresses_have_to_be_named() {
        let open = to("a.test", Outside::Https, &[443], &[]);
        let pinned = to("a.test", Outside::Https, &[443], &["10.1.0.0/16", "169.254.0.0/16"]);
        let metadata = to("a.test", Outside::Http, &[80], &["169.254.169.254"]);
        for (rule, address, expected) in [
            (&open, "1.1.1.1", Ok(())),
            (&open, "10.1.0.1", Err(Refusal::InnerAddress)),
            (&open, "::ffff:127.0.0.1", Err(Refusal::InnerAddress)),
            (&open, "169.254.169.254", Err(Refusal::Metadata)),
            (&pinned, "10.1.0.1", Ok(())),
            (&pinned, "10.2.0.1", Err(Refusal::InnerAddress)),
            (&pinned, "1.1.1.1", Err(Refusal::NotPinned)),
            (&pinned, "169.254.169.254", Err(Refusal::Metadata)),
            (&pinned, "64:ff9b::a9fe:a9fe", Err(Refusal::Metadata)),
            (&metadata, "169.254.169.254", Ok(())),
        ] {
            assert_eq!(rule.check_address(address.parse().unwrap()), expected, "{address}");
        }
        assert_eq!(open.fixed(), None);
        assert_eq!(pinned.fixed(), None, "ranges say where, not what");
        assert_eq!(metadata.fixed().map(|all| all.len()), Some(1));
    }

    #[test]
    fn an_address_alone_needs_a_tcp_rule_for_it() {
        let egress = Egress {
            learn: false,
            to: vec![
                to("", Outside::Tcp, &[5432], &["192.0.2.0/24"]),
                to("a.test", Outside::Https, &[443], &["192.0.2.9"]),
            ],
        };
        let ip = |text: &str| text.parse().unwrap();
        assert!(egress.addressed(ip("192.0.2.7"), 5432).is_some());
        assert!(egress.addressed(ip("192.0.2.7"), 5433).is_none());
        assert!(egress.addressed(ip("198.51.100.1"), 5432).is_none());
        assert!(egress.addressed(ip("192.0.2.9"), 443).is_none(), "a name is asked for there");
    }
}
