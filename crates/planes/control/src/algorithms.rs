//! Which key exchange and cipher suite each edge really uses, from the handshakes that guards report.

use crate::limits::TLS_EDGES_MAX;
use bartizan_core::event::{Event, SeenBy, What};
use bartizan_core::status::EdgeTls;
use bartizan_core::{Role, ServiceName, Timestamp, TrustDomain};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Caller, callee, key exchange, suite.
type Key = (Option<String>, ServiceName, Arc<str>, Arc<str>);

/// Counted since control started. Events that were lost are not in it.
#[derive(Debug, Default)]
pub(crate) struct Algorithms {
    edges: Mutex<BTreeMap<Key, (u64, Timestamp)>>,
}

impl Algorithms {
    /// Takes a handshake in, as the side that was called saw it: the other side reports the same one.
    pub(crate) fn note(&self, event: &Event, domain: &TrustDomain) {
        let (What::Handshake(it), Some(to)) = (&event.what, &event.service) else { return };
        let (Some(group), Some(suite)) = (&it.group, &it.suite) else { return };
        if !matches!(event.seen_by, SeenBy::Inbound | SeenBy::Gateway)
            || (event.seen_by == SeenBy::Gateway && it.peer.is_some())
        {
            return;
        }
        let from = it.peer.as_ref().map(|id| match id.role_in(domain) {
            Some(Role::Service(name)) => name.to_string(),
            _ => id.to_string(),
        });
        let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (from, to.clone(), Arc::clone(group), Arc::clone(suite));
        // One beyond that is not listed: whoever makes up names cannot fill memory.
        if edges.len() >= TLS_EDGES_MAX && !edges.contains_key(&key) {
            return;
        }
        let (count, last) = edges.entry(key).or_default();
        *count += 1;
        *last = event.at.max(*last);
    }

    /// What each edge uses, by caller and callee.
    pub(crate) fn status(&self) -> Vec<EdgeTls> {
        let edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let edge = |((from, to, group, suite), (handshakes, last)): (&Key, &(u64, Timestamp))| EdgeTls {
            from: from.clone(),
            to: to.clone(),
            group: group.to_string(),
            suite: suite.to_string(),
            handshakes: *handshakes,
            last: *last,
        };
        edges.iter().map(edge).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::SpiffeId;
    use bartizan_core::event::{EventId, Handshake};

    #[test]
    fn each_edge_is_listed_with_what_it_uses_and_seen_from_one_side() {
        let (algorithms, domain) = (Algorithms::default(), TrustDomain::parse("bank.test").unwrap());
        let note = |seen_by, peer: Option<&str>, group: Option<&str>, at| {
            let peer = peer.map(|id| SpiffeId::parse(id).unwrap());
            let what = What::Handshake(Handshake {
                peer,
                remote: None,
                failure: None,
                detail: None,
                group: group.map(Into::into),
                suite: Some("TLS13_AES_128_GCM_SHA256".into()),
                took_us: 1,
            });
            let service = Some(ServiceName::parse("accounts").unwrap());
            let (id, at) = (EventId(1, 1), Timestamp::from_secs(at));
            algorithms.note(&Event { id, at, service, seen_by, request: None, what }, &domain);
        };
        let payment = Some("spiffe://bank.test/svc/payment");
        note(SeenBy::Inbound, payment, Some("X25519MLKEM768"), 5);
        note(SeenBy::Inbound, payment, Some("X25519MLKEM768"), 3);
        note(SeenBy::Outbound, payment, Some("X25519MLKEM768"), 9); // the other side tells of it too
        note(SeenBy::Inbound, payment, None, 9); // it failed
        note(SeenBy::Inbound, Some("spiffe://bank.test/workload/x"), Some("X25519"), 4);
        note(SeenBy::Gateway, None, Some("X25519"), 4);
        let found: Vec<_> =
            algorithms.status().into_iter().map(|it| (it.from, it.group, it.handshakes, it.last.as_secs())).collect();
        let text = |text: &str| Some(text.to_owned());
        let expected = [
            (None, "X25519".to_owned(), 1, 4),
            (text("payment"), "X25519MLKEM768".to_owned(), 2, 5),
            (text("spiffe://bank.test/workload/x"), "X25519".to_owned(), 1, 4),
        ];
        assert_eq!(found, expected);
    }
}
