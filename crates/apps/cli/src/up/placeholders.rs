//! Placeholders in a program's arguments and environment: `${ledger.url}`, `${data}`.

use bartizan_core::ServiceName;
use bartizan_core::fleet::{self, Part, Placeholder, Protocol};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Where a callee is to be found, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The address to connect to.
    pub(crate) addr: SocketAddr,
    /// What is spoken there.
    pub(crate) protocol: Protocol,
}

impl Place {
    /// The address as a URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.protocol == Protocol::Tcp { "tcp" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }
}

/// What the placeholders of one service stand for.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    /// The service's declared callees.
    pub(crate) callees: &'a BTreeMap<ServiceName, Place>,
    /// Where the service itself listens.
    pub(crate) listen: SocketAddr,
    /// The service's own folder.
    pub(crate) data: &'a str,
}

/// Why a text could not be filled in. The check of the fleet file finds all of this before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FillError {
    /// A placeholder that nobody knows.
    #[error(transparent)]
    Unknown(#[from] fleet::PlaceholderError),
    /// A callee that is not declared.
    #[error("`{0}` is not among the service's declared calls; add it under `calls`")]
    Undeclared(String),
}

/// Puts values in the place of every `${…}`; `$${` stands for a literal `${`.
///
/// # Errors
/// [`FillError`]; a text is never filled in partly.
pub(crate) fn fill(text: &str, scope: &Scope<'_>) -> Result<String, FillError> {
    fleet::fill(text, |placeholder| match placeholder {
        Placeholder::Data => Ok(scope.data.to_owned()),
        Placeholder::Listen => Ok(scope.listen.to_string()),
        Placeholder::Callee { name, part } => {
            let place = ServiceName::parse(name).ok().and_then(|name| scope.callees.get(&name));
            let place = place.ok_or_else(|| FillError::Undeclared(name.to_owned()))?;
            Ok(match part {
                Part::Url => place.url(),
                Part::Addr => place.addr.to_string(),
                Part::Host => place.addr.ip().to_string(),
                Part::Port => place.addr.port().to_string(),
            })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callees() -> BTreeMap<ServiceName, Place> {
        let place = |port, protocol| Place { addr: SocketAddr::from(([127, 0, 0, 1], port)), protocol };
        BTreeMap::from([
            (ServiceName::parse("ledger").unwrap(), place(7001, Protocol::Http)),
            (ServiceName::parse("main-db").unwrap(), place(7002, Protocol::Tcp)),
        ])
    }

    fn listen() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7000))
    }

    #[test]
    fn fills_in_every_part_of_a_callee() {
        let callees = callees();
        let scope = Scope { callees: &callees, listen: listen(), data: "/d/accounts" };
        for (text, filled) in [
            ("", ""),
            ("--plain=$HOME", "--plain=$HOME"),
            ("${ledger.url}/v1", "http://127.0.0.1:7001/v1"),
            ("${ledger.addr}|${ledger.host}|${ledger.port}", "127.0.0.1:7001|127.0.0.1|7001"),
            ("${main-db.url}", "tcp://127.0.0.1:7002"),
            ("${data}/db.sqlite", "/d/accounts/db.sqlite"),
            ("--listen=${listen}", "--listen=127.0.0.1:7000"),
            ("$${data} and ${data}", "${data} and /d/accounts"),
        ] {
            assert_eq!(fill(text, &scope).unwrap(), filled, "{text}");
        }
    }

    #[test]
    fn refuses_what_stands_for_nothing() {
        let callees = callees();
        let scope = Scope { callees: &callees, listen: listen(), data: "/d" };
        for (text, part) in [
            ("${users.url}", "declared calls"),
            ("${data}${Ledger.url}", "declared calls"),
            ("${ledger.uri}", "stands for nothing"),
            ("${ledger.url", "without"),
        ] {
            let error = fill(text, &scope).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
