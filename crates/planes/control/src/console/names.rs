//! Under which names a browser finds the console. Any other name in `Host` is refused: a page elsewhere could have its own name lead here
//! (DNS rebinding), and its scripts would then be of the same origin.

use bartizan_core::console::{Console, host};
use bartizan_runtime::https::Visitor;
use std::net::{IpAddr, SocketAddr};

/// Whether `name`, as a request's `Host` says it, is ours: the address that the connection came to, `localhost` where that is loopback,
/// and what the fleet file says under `hosts`.
pub(super) fn is_ours(name: &str, visitor: &Visitor, said: &Console) -> bool {
    let name = name.to_ascii_lowercase();
    let (local, usual) = (visitor.local, if visitor.encrypted { 443 } else { 80 });
    let at = SocketAddr::new(local.ip().to_canonical(), local.port());
    let bare = match at.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    let own = |own: &str| name == format!("{own}:{}", at.port()) || (at.port() == usual && name == own);
    own(&bare) || (at.ip().is_loopback() && own("localhost")) || is_named(&name, said)
}

/// Whether the fleet file names it; with any port where it names none.
fn is_named(name: &str, said: &Console) -> bool {
    let Some(name) = host(name) else { return false };
    let without = name.split_once(':').map_or(name.as_str(), |(name, _)| name);
    said.hosts.iter().any(|own| *own == name || (!own.contains(':') && own == without))
}

/// Whether a request that says it comes from a page of `origin` comes from one of ours, where `name` is the `Host` that was found to be
/// ours. A name of the fleet file may stand for something in front of us that speaks TLS.
pub(super) fn is_own_origin(origin: &str, name: &str, visitor: &Visitor, said: &Console) -> bool {
    let scheme = if visitor.encrypted { "https" } else { "http" };
    let origin = origin.to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    origin == format!("{scheme}://{name}") || (is_named(&name, said) && origin == format!("https://{name}"))
}

/// Where browsers find it: the first name of the fleet file, else the address.
pub(super) fn url(listen: SocketAddr, said: &Console) -> String {
    let scheme = if said.web.is_some() { "https" } else { "http" };
    match said.hosts.first() {
        Some(name) if said.web.is_some() && !name.contains(':') => format!("{scheme}://{name}:{}", listen.port()),
        Some(name) if said.web.is_some() => format!("{scheme}://{name}"),
        // Something in front of us has that name, and we do not know its port.
        _ if listen.ip().is_unspecified() => format!("{scheme}://localhost:{}", listen.port()),
        _ => format!("{scheme}://{listen}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(local: &str, encrypted: bool) -> Visitor {
        Visitor { remote: "127.0.0.1:50000".parse().unwrap(), local: local.parse().unwrap(), encrypted }
    }

    #[test]
    fn only_our_own_names_are_ours() {
        let said = Console { hosts: vec!["console.bank.test".into(), "c.test:9".into()], ..Console::default() };
        for (name, ours) in [
            ("127.0.0.1:8444", true),
            ("localhost:8444", true),
            ("LocalHost:8444", true),
            ("console.bank.test", true),
            ("console.bank.test:8444", true),
            ("Console.Bank.test:1", true),
            ("c.test:9", true),
            ("c.test", false),
            ("c.test:8444", false),
            ("", false),
            ("127.0.0.1", false),
            ("127.0.0.1:80", false),
            ("127.0.0.2:8444", false),
            ("localhost", false),
            ("localhost.evil.test:8444", false),
            ("evil.test:8444", false),
            ("127.0.0.1.nip.io:8444", false),
            ("xconsole.bank.test", false),
            ("console.bank.test.evil.test", false),
            ("console.bank.test:http", false),
        ] {
            assert_eq!(is_ours(name, &visitor("127.0.0.1:8444", false), &said), ours, "{name}");
        }
        let none = Console::default();
        assert!(is_ours("[::1]:8444", &visitor("[::1]:8444", false), &none));
        assert!(
            is_ours("10.0.0.7", &visitor("10.0.0.7:443", true), &none)
                && !is_ours("10.0.0.8", &visitor("10.0.0.7:443", true), &none)
        );
        assert!(!is_ours("localhost", &visitor("10.0.0.7:443", true), &none), "not from that machine");
    }

    #[test]
    fn an_origin_is_ours_to_the_letter() {
        let said = Console { hosts: vec!["console.bank.test".into()], ..Console::default() };
        let plain = visitor("127.0.0.1:8444", false);
        for (origin, name, ours) in [
            ("http://127.0.0.1:8444", "127.0.0.1:8444", true),
            ("https://127.0.0.1:8444", "127.0.0.1:8444", false),
            ("http://127.0.0.1:8445", "127.0.0.1:8444", false),
            ("http://localhost:8444", "127.0.0.1:8444", false),
            ("null", "127.0.0.1:8444", false),
            ("", "127.0.0.1:8444", false),
            ("https://console.bank.test", "console.bank.test", true),
            ("https://evil.test", "console.bank.test", false),
        ] {
            assert_eq!(is_own_origin(origin, name, &plain, &said), ours, "{origin} at {name}");
        }
        assert!(!is_own_origin("http://127.0.0.1:8444", "127.0.0.1:8444", &visitor("127.0.0.1:8444", true), &said));
    }
}
