//! Who the client is where proxies in front say so in `X-Forwarded-For`: each adds whom it was asked by, at the end. Pure.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Most addresses that are looked at, a count: more proxies stand in front of nobody.
pub const HOPS_MAX: usize = 32;

/// What the header says cannot be read where it has to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The client of a request that came from `peer`, who is trusted: the last address in `lines` (the header's, in their order) that is
/// not trusted itself. What stands before it anybody may have written, and is not looked at.
///
/// # Errors
/// [`Unreadable`], where a trusted proxy said something that is no address, or too many of them.
pub fn client<'a>(
    peer: IpAddr,
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Unreadable> {
    let mut nearest = peer;
    let words = lines.rev().flat_map(|line| line.rsplit(|&b| b == b','));
    for (n, word) in words.enumerate() {
        if n >= HOPS_MAX {
            return Err(Unreadable);
        }
        nearest = address(word).ok_or(Unreadable)?;
        if !is_trusted(nearest) {
            break;
        }
    }
    Ok(nearest)
}

/// An address as proxies write it: alone, in brackets, or with a port.
fn address(word: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(word).ok()?.trim_matches([' ', '\t']);
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|at| at.ip());
    let found = text.parse::<IpAddr>().ok().or_else(bracketed).or_else(with_port)?;
    Some(found.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn find(lines: &[&str]) -> Option<String> {
        let trusted = |at: IpAddr| at.to_string().starts_with("10.");
        let peer = IpAddr::from([10, 0, 0, 1]);
        client(peer, lines.iter().map(|line| line.as_bytes()), trusted).ok().map(|at| at.to_string())
    }

    #[test]
    fn what_clients_write_in_front_is_not_believed() {
        for (lines, wanted) in [
            (&[][..], Some("10.0.0.1")),
            (&["192.0.2.7"], Some("192.0.2.7")),
            (&["6.6.6.6, 192.0.2.7"], Some("192.0.2.7")),
            (&["10.9.9.9, 192.0.2.7, 10.0.0.2"], Some("192.0.2.7")),
            (&["6.6.6.6", "192.0.2.7, 10.0.0.2"], Some("192.0.2.7")),
            (&["nonsense, 192.0.2.7"], Some("192.0.2.7")),
            (&["10.0.0.3,10.0.0.2"], Some("10.0.0.3")),
            (&["192.0.2.7:4711, 10.0.0.2"], Some("192.0.2.7")),
            (&["[2001:db8::7]:4711"], Some("2001:db8::7")),
            (&["[2001:db8::7]"], Some("2001:db8::7")),
            (&["::ffff:192.0.2.7"], Some("192.0.2.7")),
            (&["192.0.2.7, nonsense"], None),
            (&["192.0.2.7,"], None),
            (&[""], None),
            (&["unknown"], None),
            (&["192.0.2.7, 10.0.0.2", "1.2.3.4.5"], None),
        ] {
            assert_eq!(find(lines).as_deref(), wanted, "{lines:?}");
        }
        assert_eq!(find(&[&vec!["10.0.0.2"; HOPS_MAX + 1].join(",")]), None, "too many");
    }

    proptest! {
        #[test]
        fn any_text_is_borne_and_never_moves_what_stands_behind_it(text in "[0-9a-f:.,\\[\\] ]{0,40}") {
            let _ = find(&[&text]);
            let behind = format!("{text},192.0.2.7");
            prop_assert_eq!(find(&[&behind]), Some("192.0.2.7".to_owned()));
        }
    }
}
