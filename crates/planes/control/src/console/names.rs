//! Under which names a browser finds the console. Any other name in `Host` is refused: a page elsewhere could have its own name lead here
//! (DNS rebinding), and its scripts would then be of the same origin.

use bartizan_core::console::Console;
use bartizan_core::host::{AUTHORITY_BYTES_MAX, Authority, Host};
use bartizan_runtime::https::Visitor;
use std::net::SocketAddr;

/// Longest origin that is read, in bytes: `https://` and a host with its port.
const ORIGIN_BYTES_MAX: usize = "https://".len() + AUTHORITY_BYTES_MAX;

/// The host that a request names, where it is ours: the address that the connection came to, `localhost` where that is loopback, and what
/// the fleet file says under `hosts`.
pub(super) fn ours(name: &str, visitor: &Visitor, said: &Console) -> Option<Authority> {
    let asked = Authority::parse(name)?;
    let (at, usual) = (visitor.local, if visitor.encrypted { 443 } else { 80 });
    let is_port = asked.port.unwrap_or(usual) == at.port();
    let own = at.ip().to_canonical();
    let is_own = match &asked.host {
        Host::Ip(address) => *address == own,
        Host::Name(name) => own.is_loopback() && **name == *"localhost",
    };
    ((is_port && is_own) || is_named(&asked, said)).then_some(asked)
}

/// Whether the fleet file names it; with any port where it names none.
fn is_named(asked: &Authority, said: &Console) -> bool {
    let fits = |own: Authority| own.host == asked.host && (own.port.is_none() || own.port == asked.port);
    said.hosts.iter().filter_map(|own| Authority::parse(own)).any(fits)
}

/// Whether a request that says it comes from a page of `origin` comes from one of ours, where `asked` is the host that was found to be
/// ours. A name of the fleet file may stand for something in front of us that speaks TLS.
pub(super) fn is_own_origin(origin: &str, asked: &Authority, visitor: &Visitor, said: &Console) -> bool {
    if origin.len() > ORIGIN_BYTES_MAX {
        return false;
    }
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let is_tls = match scheme {
        "https" => true,
        "http" => false,
        _ => return false,
    };
    let is_same = Authority::parse(host).is_some_and(|of| of == *asked);
    is_same && (is_tls == visitor.encrypted || (is_tls && is_named(asked, said)))
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
    use proptest::prelude::*;

    fn is_ours(name: &str, visitor: &Visitor, said: &Console) -> bool {
        ours(name, visitor, said).is_some()
    }

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
            ("console.bank.test:+1", false),
            ("console.bank.test:", false),
            ("console.bank.test.", false),
            ("localhost.:8444", false),
            ("127.1:8444", false),
            ("0x7f.0.0.1:8444", false),
            ("me@127.0.0.1:8444", false),
            ("127.0.0.1:8444,evil.test", false),
        ] {
            assert_eq!(is_ours(name, &visitor("127.0.0.1:8444", false), &said), ours, "{name}");
        }
        let long = format!("{}console.bank.test", "a.".repeat(AUTHORITY_BYTES_MAX));
        assert!(!is_ours(&long, &visitor("127.0.0.1:8444", false), &said), "longer than any name");
        let none = Console::default();
        assert!(is_ours("[::1]:8444", &visitor("[::1]:8444", false), &none));
        assert!(
            is_ours("127.0.0.1:8444", &visitor("[::ffff:127.0.0.1]:8444", false), &none),
            "one address, two spellings"
        );
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
            ("HTTP://127.0.0.1:8444", "127.0.0.1:8444", false),
            ("http://127.0.0.1:8444/", "127.0.0.1:8444", false),
            ("http://me@127.0.0.1:8444", "127.0.0.1:8444", false),
            ("http://127.0.0.1:8444 http://evil.test", "127.0.0.1:8444", false),
        ] {
            let asked = Authority::parse(name).unwrap();
            assert_eq!(is_own_origin(origin, &asked, &plain, &said), ours, "{origin} at {name}");
        }
        let (asked, encrypted) = (Authority::parse("127.0.0.1:8444").unwrap(), visitor("127.0.0.1:8444", true));
        assert!(!is_own_origin("http://127.0.0.1:8444", &asked, &encrypted, &said));
        let long = format!("https://{}", "a".repeat(ORIGIN_BYTES_MAX));
        assert!(!is_own_origin(&long, &asked, &encrypted, &said));
    }

    proptest! {
        /// Whatever somebody writes there: what is ours is one of a handful, to the letter but for upper case.
        #[test]
        fn nothing_but_our_own_names_is_ours(
            name in "(127\\.0\\.0\\.1|localhost|console\\.bank\\.test|c\\.test|\\[::1\\]|[a-zA-Z0-9.:@,/%\\[\\]-]{0,12}){1,2}(:[0-9]{0,5})?",
        ) {
            let said = Console { hosts: vec!["console.bank.test".into(), "c.test:9".into()], ..Console::default() };
            let found = is_ours(&name, &visitor("127.0.0.1:8444", false), &said);
            let name = name.to_ascii_lowercase();
            let behind = name.strip_prefix("console.bank.test");
            let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port != 0 && port.to_string() == text);
            let any_port = behind.is_some_and(|it| it.is_empty() || it.strip_prefix(':').is_some_and(is_port));
            let expected = any_port || ["127.0.0.1:8444", "localhost:8444", "c.test:9"].contains(&name.as_str());
            prop_assert_eq!(found, expected, "{}", name);
        }

        #[test]
        fn only_the_page_s_own_address_is_its_origin(origin in "(https?|null|ftp)?(://)?[a-z0-9.:\\[\\]@/-]{0,24}") {
            let asked = Authority::parse("127.0.0.1:8444").unwrap();
            let is_own = is_own_origin(&origin, &asked, &visitor("127.0.0.1:8444", false), &Console::default());
            prop_assert_eq!(is_own, origin == "http://127.0.0.1:8444");
        }
    }
}
