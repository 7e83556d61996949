//! From what a connection asks for to the addresses that may be dialled for it. Names are looked up here, once, and what is
//! dialled are the very addresses that were judged: a name that changes its mind in between changes nothing.

use super::way::Way;
use crate::limits;
use bartizan_core::egress::{Destination, Egress, HostName, Outside, Refusal, special};
use std::net::{IpAddr, SocketAddr};
use tokio::time::Instant;

/// What a connection asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Name(HostName),
    Address(IpAddr),
}

impl Asked {
    /// From the host of an authority or `Host`; IPv6 addresses stand in brackets there.
    pub(super) fn parse(host: &str) -> Option<Self> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = match bare {
            Some(bare) => Some(IpAddr::V6(bare.parse().ok()?)),
            None => host.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4),
        };
        match address {
            Some(address) => Some(Self::Address(address.to_canonical())),
            None => HostName::parse(host).ok().map(Self::Name),
        }
    }

    /// As events have it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Name(host) => host.to_string(),
            Self::Address(address) => address.to_string(),
        }
    }
}

/// What may be done.
#[derive(Clone, Debug)]
pub(super) struct Leave {
    /// The rule; `None` where nothing names it and the guard is learning.
    pub(super) rule: Option<Destination>,
    /// Where to, in the order in which to try.
    pub(super) to: Vec<SocketAddr>,
}

/// Judges a wish for `port`, where the program spoke one of `protocols`. `dialled` is the address that a captured connection was
/// on its way to.
pub(super) async fn judge(
    way: &Way,
    asked: &Asked,
    port: u16,
    protocols: &[Outside],
    dialled: Option<IpAddr>,
) -> Result<Leave, Refusal> {
    match asked {
        Asked::Address(address) => by_address(way, *address, port, protocols),
        Asked::Name(host) => by_name(way, host, port, protocols, dialled).await,
    }
}

fn by_address(way: &Way, address: IpAddr, port: u16, protocols: &[Outside]) -> Result<Leave, Refusal> {
    let rule = way.ask(|side| {
        let rules = &side.rules;
        let tcp = protocols.contains(&Outside::Tcp);
        if let Some(rule) = rules.addressed(address, port).filter(|_| tcp) {
            return Ok(Some(rule.clone()));
        }
        Egress::check_learned(address)?;
        if rules.learn { Ok(None) } else { Err(Refusal::RawAddress) }
    })?;
    allowed(way, rule, vec![address], port)
}

async fn by_name(
    way: &Way,
    host: &HostName,
    port: u16,
    protocols: &[Outside],
    dialled: Option<IpAddr>,
) -> Result<Leave, Refusal> {
    let rule = way.ask(|side| match side.rules.named(host, port, protocols) {
        Ok(rule) => Ok(Some(rule.clone())),
        Err(Refusal::Undeclared) if side.rules.learn => Ok(None),
        Err(refusal) => Err(refusal),
    })?;
    let fixed = rule.as_ref().and_then(Destination::fixed);
    let addresses = match (dialled, fixed) {
        (Some(address), fixed) => {
            let address = address.to_canonical();
            let given = || way.answers.borrow().agree(host, address, Instant::now());
            let agrees = match fixed {
                Some(fixed) => fixed.contains(&address),
                None if given() => true,
                // The program knows it from elsewhere (a file of hosts, a guard before this one): then it has to be so still.
                None => look_up(way, host).await.is_ok_and(|addresses| addresses.contains(&address)),
            };
            if !agrees {
                return Err(Refusal::AddressDisagrees);
            }
            vec![address]
        }
        (None, Some(fixed)) => fixed,
        (None, None) => look_up(way, host).await?,
    };
    for address in &addresses {
        match &rule {
            Some(rule) => rule.check_address(*address)?,
            None => Egress::check_learned(*address)?,
        }
    }
    let outside = rule.as_ref().map_or(port, |rule| rule.port_outside(port));
    allowed(way, rule, addresses, outside)
}

/// The addresses of a name, of this moment.
///
/// # Errors
/// `TooMany` where too many are looked up already, `NoAddress` where there is none.
pub(super) async fn look_up(way: &Way, host: &HostName) -> Result<Vec<IpAddr>, Refusal> {
    let Ok(_place) = way.lookups.try_acquire() else { return Err(Refusal::TooMany) };
    way.proxy.egress.looked_up();
    let addresses = way.resolver.addresses(host).await;
    if addresses.is_empty() { Err(Refusal::NoAddress) } else { Ok(addresses) }
}

fn allowed(way: &Way, rule: Option<Destination>, addresses: Vec<IpAddr>, port: u16) -> Result<Leave, Refusal> {
    let to: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    match to.iter().any(|at| way.is_own(*at)) {
        true => Err(Refusal::OwnAddress),
        false => Ok(Leave { rule, to: to.into_iter().take(limits::EGRESS_DIALS_MAX).collect() }),
    }
}

/// Whether a connection to `host` at `address` would still be allowed, for those that are open.
pub(super) fn still(rules: &Egress, asked: &Asked, protocol: Outside, at: SocketAddr, learned: bool) -> bool {
    if learned {
        return rules.learn && special(at.ip()).is_none();
    }
    match asked {
        Asked::Address(address) => rules.addressed(*address, at.port()).is_some(),
        Asked::Name(host) => {
            rules.named(host, at.port(), &[protocol]).is_ok_and(|it| it.check_address(at.ip()).is_ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_nothing_between() {
        let address = |text: &str| Some(Asked::Address(text.parse().unwrap()));
        for (text, asked) in [
            ("192.0.2.7", address("192.0.2.7")),
            ("[2001:db8::7]", address("2001:db8::7")),
            ("[::ffff:127.0.0.1]", address("127.0.0.1")),
            ("Api.Test", Some(Asked::Name(HostName::parse("api.test").unwrap()))),
            ("2001:db8::7", None),
            ("[192.0.2.7]", None),
            ("[::1", None),
            ("127.1", None),
            ("2130706433", None),
            ("0x7f.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(Asked::parse(text), asked, "{text}");
        }
    }
}
