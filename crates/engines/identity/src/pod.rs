//! The pods of one Kubernetes node: what is asked of the API server, and which pod a container is part of by its answer.
//!
//! A pod counts for a container only where its uid is the one in the cgroup and its status holds that very container, running.

use crate::container::Container;
use crate::limits::{LABEL_BYTES_MAX, POD_LABELS_MAX, POD_LIST_BYTES_MAX, POD_NAME_BYTES_MAX, PODS_MAX};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Why no pod is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PodError {
    /// The node's name cannot be one of Kubernetes.
    #[error("`{0}` is not the name of a Kubernetes node")]
    Node(String),
    /// The API server's answer cannot be read.
    #[error("the API server's answer is no list of pods: {0}")]
    Malformed(String),
    /// It lists a pod of elsewhere, so it is not the answer to what was asked.
    #[error("the API server lists a pod of node `{0}`, which was not asked for")]
    OtherNode(String),
    /// More pods than a node has.
    #[error("the API server lists {0} running pods of this node, more than {PODS_MAX}")]
    TooMany(usize),
}

/// What the API server says of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// The service account that it runs under.
    pub service_account: String,
    /// All its labels.
    pub labels: BTreeMap<String, String>,
}

/// The pods of one node with something running, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    /// By uid: ids of the containers that run, and the pod.
    by_uid: BTreeMap<String, (BTreeSet<String>, Pod)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    kind: String,
    /// `null` is how Go writes an empty list.
    items: Option<Vec<Item>>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    uid: String,
    namespace: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: String,
    /// The API server fills it in; a pod without is none that we understand.
    #[serde(default)]
    service_account_name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    container_statuses: Option<Vec<ContainerStatus>>,
    #[serde(default)]
    init_container_statuses: Option<Vec<ContainerStatus>>,
    #[serde(default)]
    ephemeral_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Deserialize)]
struct ContainerStatus {
    /// `RUNTIME://ID`, once there is one.
    #[serde(default, rename = "containerID")]
    container_id: Option<String>,
    #[serde(default)]
    state: State,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(default)]
    running: Option<serde::de::IgnoredAny>,
}

/// What to GET for the pods of `node` that have not come to their end.
///
/// # Errors
/// [`PodError::Node`] where no node can have that name.
pub fn path(node: &str) -> Result<String, PodError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if node.is_empty() || node.len() > POD_NAME_BYTES_MAX || !node.bytes().all(allowed) {
        return Err(PodError::Node(node.to_owned()));
    }
    // Those that are over stay listed for long, and nothing runs in them.
    let phases = "%2Cstatus.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed";
    Ok(format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}{phases}"))
}

impl Pods {
    /// Reads the API server's answer for `node`.
    ///
    /// # Errors
    /// [`PodError`]; then nothing is known of any pod. A single pod of a size beyond our limits is passed over, so that whoever
    /// may label a pod cannot keep the others from their identities.
    pub fn read(answer: &[u8], node: &str) -> Result<Self, PodError> {
        if answer.len() > POD_LIST_BYTES_MAX {
            return Err(PodError::Malformed(format!("longer than {POD_LIST_BYTES_MAX} bytes")));
        }
        let List { kind, items } =
            serde_json::from_slice(answer).map_err(|error| PodError::Malformed(error.to_string()))?;
        if kind != "PodList" {
            return Err(PodError::Malformed(format!("it is a `{kind:.64}`")));
        }
        let mut by_uid = BTreeMap::new();
        for Item { metadata, spec, status } in items.unwrap_or_default() {
            if spec.node_name != node {
                return Err(PodError::OtherNode(format!("{:.64}", spec.node_name)));
            }
            let running = status.running();
            let labels = metadata.labels.unwrap_or_default();
            let pod = Pod { namespace: metadata.namespace, service_account: spec.service_account_name, labels };
            if running.is_empty() || metadata.uid.is_empty() || !pod.is_within_limits() {
                continue;
            }
            if by_uid.insert(metadata.uid, (running, pod)).is_some() {
                return Err(PodError::Malformed("two pods have the same uid".to_owned()));
            }
        }
        if by_uid.len() > PODS_MAX {
            return Err(PodError::TooMany(by_uid.len()));
        }
        Ok(Self { by_uid })
    }

    /// The pod that `container` is part of: the one of the uid in its cgroup, where that pod says that this container runs in it.
    pub fn of(&self, container: &Container) -> Option<&Pod> {
        let (running, pod) = self.by_uid.get(container.pod_uid.as_ref()?)?;
        running.contains(&container.id).then_some(pod)
    }
}

impl Status {
    /// Ids of the containers that run; of those that ended, and are kept for their logs, none.
    fn running(self) -> BTreeSet<String> {
        let Self { container_statuses, init_container_statuses, ephemeral_container_statuses } = self;
        let all = [container_statuses, init_container_statuses, ephemeral_container_statuses];
        let running = all.into_iter().flatten().flatten().filter(|it| it.state.running.is_some());
        let id = |it: ContainerStatus| it.container_id?.split_once("://").map(|(_, id)| id.to_owned());
        running.filter_map(id).filter(|id| Container::is_id(id)).collect()
    }
}

impl Pod {
    fn is_within_limits(&self) -> bool {
        let name = |text: &str| !text.is_empty() && text.len() <= POD_NAME_BYTES_MAX;
        let label = |(key, value): (&String, &String)| key.len() + value.len() <= LABEL_BYTES_MAX;
        let few = self.labels.len() <= POD_LABELS_MAX;
        name(&self.namespace) && name(&self.service_account) && few && self.labels.iter().all(label)
    }
}

#[cfg(test)]
mod tests;
