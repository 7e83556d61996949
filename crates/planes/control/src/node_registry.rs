//! Which node is there, and what it says that it holds.

use crate::registry::StreamId;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::NodeStatus;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_identity::VerifiedPeer;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

/// What a node says of itself when it comes.
#[derive(Clone, Debug)]
pub(crate) struct NodeIntroduction {
    pub(crate) instance: u64,
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) workload_socket: Option<String>,
    pub(crate) held: BTreeMap<Kind, Epoch>,
}

/// All nodes that came since control started, those that left among them.
///
/// A node that reconnects may be here twice for a moment: its newer stream is the one that counts.
#[derive(Debug, Default)]
pub(crate) struct NodeRegistry {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    last_stream: u64,
    nodes: BTreeMap<ServiceName, Node>,
}

#[derive(Debug)]
struct Node {
    stream: StreamId,
    attached: bool,
    introduction: NodeIntroduction,
    refused: BTreeMap<Kind, String>,
    last_heard: Timestamp,
    entries: usize,
    /// Who issued the identity of its stream, and until when that counts.
    issuer: Option<String>,
    not_after: Timestamp,
}

/// How a node stands, for a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeStanding {
    pub(crate) name: ServiceName,
    pub(crate) attached: bool,
    /// The bundles that it uses.
    pub(crate) bundles: Option<Epoch>,
    pub(crate) issuer: Option<String>,
    pub(crate) not_after: Timestamp,
}

impl NodeRegistry {
    /// A stream was let in.
    pub(crate) fn attach(
        &self,
        name: &ServiceName,
        introduction: NodeIntroduction,
        peer: &VerifiedPeer,
        now: Timestamp,
    ) -> StreamId {
        let (issuer, not_after) = (peer.issuer_sha256().map(str::to_owned), peer.not_after());
        self.insert(name, introduction, issuer, not_after, now)
    }

    fn insert(
        &self,
        name: &ServiceName,
        introduction: NodeIntroduction,
        issuer: Option<String>,
        not_after: Timestamp,
        now: Timestamp,
    ) -> StreamId {
        let mut inner = self.lock();
        inner.last_stream += 1;
        let stream = StreamId::of(inner.last_stream);
        let refused = BTreeMap::new();
        let (attached, entries) = (true, 0);
        let node = Node { stream, attached, introduction, refused, last_heard: now, entries, issuer, not_after };
        inner.nodes.insert(name.clone(), node);
        stream
    }

    /// A stream has ended.
    pub(crate) fn detach(&self, name: &ServiceName, stream: StreamId) {
        self.with(name, stream, |node| node.attached = false);
    }

    /// The node said something.
    pub(crate) fn heard(&self, name: &ServiceName, stream: StreamId, now: Timestamp) {
        self.with(name, stream, |node| node.last_heard = now);
    }

    /// The node uses `epoch` of `kind` now.
    pub(crate) fn took_up(&self, name: &ServiceName, stream: StreamId, kind: Kind, epoch: Epoch) {
        self.with(name, stream, |node| {
            node.introduction.held.insert(kind, epoch);
            node.refused.remove(&kind);
        });
    }

    /// The node refused what it was sent of `kind`.
    pub(crate) fn refused(&self, name: &ServiceName, stream: StreamId, kind: Kind, why: String) {
        self.with(name, stream, |node| drop(node.refused.insert(kind, why)));
    }

    /// The node was sent so many entries.
    pub(crate) fn sent_entries(&self, name: &ServiceName, stream: StreamId, entries: usize) {
        self.with(name, stream, |node| node.entries = entries);
    }

    /// How every node that came stands.
    pub(crate) fn standings(&self) -> Vec<NodeStanding> {
        let inner = self.lock();
        let standing = |(name, node): (&ServiceName, &Node)| NodeStanding {
            name: name.clone(),
            attached: node.attached,
            bundles: node.introduction.held.get(&Kind::Bundles).copied(),
            issuer: node.issuer.clone(),
            not_after: node.not_after,
        };
        inner.nodes.iter().map(standing).collect()
    }

    /// Every node that came.
    pub(crate) fn status(&self) -> Vec<NodeStatus> {
        self.lock().nodes.iter().map(|(name, node)| status_of(name, node)).collect()
    }

    fn with(&self, name: &ServiceName, stream: StreamId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.lock().nodes.get_mut(name).filter(|node| node.stream == stream) {
            change(node);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the registry")
    }
}

fn status_of(name: &ServiceName, node: &Node) -> NodeStatus {
    let NodeIntroduction { instance, pid, version, workload_socket, held } = node.introduction.clone();
    NodeStatus {
        name: name.clone(),
        attached: node.attached,
        instance: format!("{instance:016x}"),
        pid,
        version,
        workload_socket,
        last_heard: node.last_heard,
        held,
        refused: node.refused.clone(),
        entries: node.entries,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(instance: u64) -> NodeIntroduction {
        let (version, held) = ("0.1.0".to_owned(), BTreeMap::new());
        NodeIntroduction { instance, pid: 1, version, workload_socket: None, held }
    }

    fn come(registry: &NodeRegistry, name: &ServiceName, instance: u64, issuer: &str) -> StreamId {
        let (now, later) = (Timestamp::from_secs(1), Timestamp::from_secs(9));
        registry.insert(name, introduction(instance), Some(issuer.to_owned()), later, now)
    }

    #[test]
    fn tells_what_each_node_uses_and_who_issued_its_identity() {
        let registry = NodeRegistry::default();
        let name = ServiceName::parse("a").unwrap();
        let first = come(&registry, &name, 1, "old");
        registry.took_up(&name, first, Kind::Bundles, Epoch(2));
        let not_after = Timestamp::from_secs(9);
        let standing = |attached, bundles, issuer: &str| NodeStanding {
            name: name.clone(),
            attached,
            bundles,
            issuer: Some(issuer.to_owned()),
            not_after,
        };
        assert_eq!(registry.standings(), [standing(true, Some(Epoch(2)), "old")]);
        registry.detach(&name, first);
        assert_eq!(registry.standings(), [standing(false, Some(Epoch(2)), "old")]);
        come(&registry, &name, 1, "new");
        assert_eq!(registry.standings(), [standing(true, None, "new")]);
    }

    #[test]
    fn the_newer_stream_of_a_node_counts() {
        let registry = NodeRegistry::default();
        let name = ServiceName::parse("a").unwrap();
        let (first, second) = (come(&registry, &name, 1, "x"), come(&registry, &name, 2, "x"));
        registry.took_up(&name, first, Kind::Bundles, Epoch(9));
        registry.detach(&name, first);
        let status = registry.status().remove(0);
        assert!(status.attached && status.held.is_empty() && status.instance.ends_with('2'));
        registry.refused(&name, second, Kind::Bundles, "bad".to_owned());
        assert_eq!(registry.status()[0].refused[&Kind::Bundles], "bad");
    }
}
