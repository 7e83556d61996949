//! Which addresses the program was given for which names: a connection that comes to an address has to be one for such a name.

use crate::limits;
use bartizan_core::egress::HostName;
use std::collections::HashMap;
use std::net::IpAddr;
use tokio::time::Instant;

/// The memory of one guard.
#[derive(Debug, Default)]
pub(super) struct Answers {
    names: HashMap<HostName, Given>,
}

#[derive(Debug)]
struct Given {
    /// The newest answer.
    newest: Vec<IpAddr>,
    at: Instant,
    /// Every address that still counts, with when it was given out last.
    all: Vec<(IpAddr, Instant)>,
}

impl Answers {
    /// Notes what the program is told.
    pub(super) fn give(&mut self, host: &HostName, addresses: &[IpAddr], now: Instant) {
        if self.names.len() >= limits::EGRESS_ANSWERS_MAX && !self.names.contains_key(host) {
            let oldest = self.names.iter().min_by_key(|(_, given)| given.at).map(|(name, _)| name.clone());
            oldest.map(|name| self.names.remove(&name));
        }
        let given =
            self.names.entry(host.clone()).or_insert_with(|| Given { newest: Vec::new(), at: now, all: Vec::new() });
        (given.newest, given.at) = (addresses.to_vec(), now);
        given.all.retain(|(address, at)| !addresses.contains(address) && now - *at < limits::EGRESS_ANSWER_KEPT);
        given.all.extend(addresses.iter().map(|address| (*address, now)));
        let spare = given.all.len().saturating_sub(limits::EGRESS_ADDRESSES_MAX);
        given.all.drain(..spare);
    }

    /// The newest answer, where it need not be asked for again yet.
    pub(super) fn fresh(&self, host: &HostName, now: Instant) -> Option<Vec<IpAddr>> {
        let given = self.names.get(host)?;
        (now - given.at < limits::EGRESS_ANSWER_TTL).then(|| given.newest.clone())
    }

    /// Whether `address` was given out for any name, not too long ago.
    pub(super) fn is_of_some_name(&self, address: IpAddr, now: Instant) -> bool {
        self.names.keys().any(|host| self.agree(host, address, now))
    }

    /// Whether `address` was given out for `host`, not too long ago.
    pub(super) fn agree(&self, host: &HostName, address: IpAddr, now: Instant) -> bool {
        let given = self.names.get(host).into_iter().flat_map(|given| &given.all);
        given.into_iter().any(|(it, at)| *it == address && now - *at < limits::EGRESS_ANSWER_KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostName {
        HostName::parse(text).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_counts_for_its_own_name_and_not_for_ever() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        answers.give(&host("a.test"), &[ip("192.0.2.1")], now);
        answers.give(&host("a.test"), &[ip("192.0.2.2")], now + limits::EGRESS_ANSWER_TTL);
        assert!(answers.agree(&host("a.test"), ip("192.0.2.1"), now + limits::EGRESS_ANSWER_TTL), "the one before");
        assert!(!answers.agree(&host("b.test"), ip("192.0.2.1"), now), "another name");
        assert!(!answers.agree(&host("a.test"), ip("192.0.2.3"), now), "another address");
        assert!(!answers.agree(&host("a.test"), ip("192.0.2.1"), now + limits::EGRESS_ANSWER_KEPT), "long ago");
        assert_eq!(answers.fresh(&host("a.test"), now + limits::EGRESS_ANSWER_TTL), Some(vec![ip("192.0.2.2")]));
        assert_eq!(answers.fresh(&host("a.test"), now + 2 * limits::EGRESS_ANSWER_TTL), None);
    }

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        for n in 0..=limits::EGRESS_ANSWERS_MAX {
            let later = now + std::time::Duration::from_millis(n as u64);
            answers.give(&host(&format!("n{n}.test")), &[ip("192.0.2.1")], later);
        }
        assert_eq!(answers.names.len(), limits::EGRESS_ANSWERS_MAX);
        assert!(!answers.agree(&host("n0.test"), ip("192.0.2.1"), now));
        for n in 0..100u8 {
            answers.give(&host("many.test"), &[IpAddr::from([192, 0, 2, n])], now);
        }
        assert_eq!(answers.names[&host("many.test")].all.len(), limits::EGRESS_ADDRESSES_MAX);
    }
}
