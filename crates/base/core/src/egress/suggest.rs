//! The smallest allow-list under which everything that was seen still works.

use super::{Destination, Egress, HostName, HostPattern, HttpRule, Outside, Range, TokenFor, special};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// A destination that was used, as guards report it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Seen {
    /// Its name; `None` where an address was dialled.
    pub host: Option<HostName>,
    /// The address that was dialled.
    pub address: Option<IpAddr>,
    /// The port outside.
    pub port: u16,
    /// What was spoken.
    pub protocol: Outside,
}

/// The smallest list for `seen`, without learning. A rule of `now` that asks for more than a name (methods, paths, a credential)
/// is kept as it is, with the ports that were used.
pub fn suggestion(now: &Egress, seen: &[Seen]) -> Egress {
    let mut rules: BTreeMap<(Option<HostPattern>, Outside), Destination> = BTreeMap::new();
    for it in seen {
        let (pattern, http) = place(now, it);
        let rule = rules.entry((pattern.clone(), it.protocol)).or_insert_with(|| Destination {
            host: pattern,
            protocol: it.protocol,
            ports: Vec::new(),
            addresses: Vec::new(),
            http,
        });
        add(&mut rule.ports, it.port);
        // Inner addresses and those of `tcp` do not go without being named.
        let pin = it.address.filter(|address| it.protocol == Outside::Tcp || special(*address).is_some());
        if let Some(address) = pin {
            add(&mut rule.addresses, Range::of(address));
        }
    }
    Egress { learn: false, to: rules.into_values().collect() }
}

/// The name that a destination is listed by, and what else its present rule asks for.
fn place(now: &Egress, seen: &Seen) -> (Option<HostPattern>, HttpRule) {
    let Some(host) = &seen.host else { return (None, HttpRule::default()) };
    let rule = now.named(host, seen.port, &[seen.protocol]).ok().filter(|rule| !rule.http.is_empty());
    match rule {
        Some(rule) => (rule.host.clone(), rule.http.clone()),
        None => (Some(HostPattern::Exact(host.clone())), HttpRule::default()),
    }
}

fn add<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(at) = list.binary_search(&item) {
        list.insert(at, item);
    }
}

impl Egress {
    /// As the fleet file has it, each line behind `indent` spaces; ends with a line feed.
    pub fn to_yaml(&self, indent: usize) -> String {
        let pad = " ".repeat(indent);
        if self.to.is_empty() {
            return format!("{pad}egress: []\n");
        }
        let mut text = format!("{pad}egress:\n");
        for rule in &self.to {
            let _ = writeln!(text, "{pad}  - {}", rule.to_yaml());
        }
        text
    }
}

impl Destination {
    fn to_yaml(&self) -> String {
        let Self { host, protocol, ports, addresses, http: HttpRule { methods, paths, originate } } = self;
        let plain = *protocol == Outside::Https && ports == &[443] && addresses.is_empty();
        if let (Some(HostPattern::Exact(host)), true) = (host, plain) {
            return host.to_string();
        }
        let mut keys = Vec::new();
        keys.extend(host.iter().map(|host| format!("host: {}", quoted(&host.to_string()))));
        if *protocol != Outside::Https {
            keys.push(format!("protocol: {}", protocol.as_str()));
        }
        keys.push(format!("ports: [{}]", joined(ports)));
        if !addresses.is_empty() {
            keys.push(format!("addresses: [{}]", joined_quoted(addresses)));
        }
        if !methods.is_empty() {
            keys.push(format!("methods: [{}]", joined(methods)));
        }
        if !paths.is_empty() {
            keys.push(format!("paths: [{}]", joined_quoted(paths)));
        }
        if let Some(originate) = originate {
            keys.push("https_originate: true".to_owned());
            keys.extend(originate.roots.iter().map(|file| format!("roots: {}", quoted(file))));
            keys.extend(originate.header.iter().map(|header| {
                let (name, file, prefix) = (quoted(&header.name), quoted(&header.file), quoted(&header.prefix));
                let prefix = if header.prefix.is_empty() { String::new() } else { format!(", prefix: {prefix}") };
                format!("header: {{ name: {name}, file: {file}{prefix} }}")
            }));
            keys.extend(originate.token.iter().map(|TokenFor { audience, header, life_s }| {
                format!("token: {{ audience: {}, header: {}, life: {life_s}s }}", quoted(audience), quoted(header))
            }));
        }
        format!("{{ {} }}", keys.join(", "))
    }
}

fn joined<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn joined_quoted<T: ToString>(items: &[T]) -> String {
    items.iter().map(|item| quoted(&item.to_string())).collect::<Vec<_>>().join(", ")
}

/// A text of YAML's double-quoted kind, which is JSON's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(host: &str, address: &str, port: u16, protocol: Outside) -> Seen {
        Seen { host: HostName::parse(host).ok(), address: address.parse().ok(), port, protocol }
    }

    #[test]
    fn lists_what_was_used_and_nothing_else() {
        let seen = [
            seen("api.partner.example", "1.2.3.4", 443, Outside::Https),
            seen("api.partner.example", "1.2.3.5", 443, Outside::Https),
            seen("b.files.example", "1.2.3.4", 8443, Outside::Https),
            seen("inner.example", "10.0.0.7", 443, Outside::Https),
            seen("updates.example", "1.1.1.1", 80, Outside::Http),
            seen("", "192.0.2.7", 5432, Outside::Tcp),
            seen("", "192.0.2.8", 5432, Outside::Tcp),
        ];
        let egress = suggestion(&Egress { learn: true, to: Vec::new() }, &seen);
        let expected = r#"    egress:
      - { protocol: tcp, ports: [5432], addresses: ["192.0.2.7", "192.0.2.8"] }
      - api.partner.example
      - { host: "b.files.example", ports: [8443] }
      - { host: "inner.example", ports: [443], addresses: ["10.0.0.7"] }
      - { host: "updates.example", protocol: http, ports: [80] }
"#;
        assert_eq!(egress.to_yaml(4), expected);
        assert_eq!(suggestion(&Egress::default(), &[]).to_yaml(2), "  egress: []\n");
    }
}
