//! Which node is there, and what it says that it holds.

use crate::registry::StreamId;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::status::NodeStatus;
use bartizan_core::{ServiceName, Timestamp};
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
}

impl NodeRegistry {
    /// A stream was let in.
    pub(crate) fn attach(&self, name: &ServiceName, introduction: NodeIntroduction, now: Timestamp) -> StreamId {
        let mut inner = self.lock();
        inner.last_stream += 1;
        let stream = StreamId::of(inner.last_stream);
        let refused = BTreeMap::new();
        let node = Node { stream, attached: true, introduction, refused, last_heard: now, entries: 0 };
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

    /// The attached nodes that have not acknowledged `kind` at `epoch` or a later one.
    #[cfg_attr(not(test), allow(dead_code, reason = "for whoever waits until everybody has taken a root up"))]
    pub(crate) fn without(&self, kind: Kind, epoch: Epoch) -> Vec<ServiceName> {
        let inner = self.lock();
        let lacks = |node: &Node| node.attached && node.introduction.held.get(&kind).is_none_or(|held| *held < epoch);
        inner.nodes.iter().filter(|(_, node)| lacks(node)).map(|(name, _)| name.clone()).collect()
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

    #[test]
    fn tells_which_attached_nodes_lag_behind() {
        let registry = NodeRegistry::default();
        let now = Timestamp::from_secs(1);
        let (a, b) = (ServiceName::parse("a").unwrap(), ServiceName::parse("b").unwrap());
        let (first, second) = (registry.attach(&a, introduction(1), now), registry.attach(&b, introduction(2), now));
        assert_eq!(registry.without(Kind::Bundles, Epoch(2)), [a.clone(), b.clone()]);
        registry.took_up(&a, first, Kind::Bundles, Epoch(2));
        registry.took_up(&b, second, Kind::Bundles, Epoch(1));
        assert_eq!(registry.without(Kind::Bundles, Epoch(2)), std::slice::from_ref(&b));
        assert_eq!(registry.without(Kind::Bundles, Epoch(1)), []);
        registry.detach(&b, second);
        assert_eq!(registry.without(Kind::Bundles, Epoch(2)), [], "who is away is not waited for");
    }

    #[test]
    fn the_newer_stream_of_a_node_counts() {
        let registry = NodeRegistry::default();
        let (name, now) = (ServiceName::parse("a").unwrap(), Timestamp::from_secs(1));
        let first = registry.attach(&name, introduction(1), now);
        let second = registry.attach(&name, introduction(2), now);
        registry.took_up(&name, first, Kind::Bundles, Epoch(9));
        registry.detach(&name, first);
        let status = registry.status().remove(0);
        assert!(status.attached && status.held.is_empty() && status.instance.ends_with('2'));
        registry.refused(&name, second, Kind::Bundles, "bad".to_owned());
        assert_eq!(registry.status()[0].refused[&Kind::Bundles], "bad");
    }
}
