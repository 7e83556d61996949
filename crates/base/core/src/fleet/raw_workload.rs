//! What a fleet file says of workloads, before anything is checked. Part of [`super::raw`].

use super::Protocol;
use super::node::Node;
use super::reader::{At, Field, Named, Read, Report};
use crate::workload::{DNS_NAMES_MAX, POD_LABELS_MAX, TTL_S_MAX, TTL_S_MIN};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// A program that gets an identity from the node on its host, where all of its selectors fit.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Workload", deny_unknown_fields)]
pub(super) struct RawWorkload {
    /// Path of its SPIFFE ID under the trust domain, such as `/batch/report`; `/workload/NAME` where left out.
    #[schemars(default, regex(pattern = "^/"))]
    pub(super) id: Field<String>,
    /// The only node that serves it; every node where left out.
    #[schemars(default)]
    pub(super) node: Field<String>,
    /// What a program has to be. All that are given have to fit.
    pub(super) selectors: Field<RawSelectors>,
    /// Life of its certificates in seconds.
    #[schemars(default, with = "u32", range(min = TTL_S_MIN, max = TTL_S_MAX))]
    pub(super) ttl_s: Field<String>,
    /// Whether it may have JWT-SVIDs too.
    #[schemars(default, with = "bool")]
    pub(super) jwt: Field<String>,
    /// The services that it may call with its identity, over mutual TLS.
    #[schemars(default, with = "Vec<String>")]
    pub(super) calls: Field<Vec<Read<String>>>,
    /// Where it accepts mutual TLS itself, where services call it.
    #[schemars(default)]
    pub(super) mesh: Field<String>,
    /// What it speaks there.
    #[schemars(default, with = "Protocol")]
    pub(super) protocol: Field<String>,
    /// DNS names in its certificates.
    #[schemars(default, with = "Vec<String>", length(max = DNS_NAMES_MAX))]
    pub(super) dns: Field<Vec<Read<String>>>,
    /// Whether a program that fits another workload as well is refused rather than given both identities.
    #[schemars(default, with = "bool")]
    pub(super) sole: Field<String>,
}

/// What a program has to be, by the word of the kernel. At least one is given.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Selectors", deny_unknown_fields)]
pub(super) struct RawSelectors {
    /// Number of its user.
    #[schemars(default, with = "u32")]
    pub(super) uid: Field<String>,
    /// Number of its group.
    #[schemars(default, with = "u32")]
    pub(super) gid: Field<String>,
    /// Absolute path of its executable.
    #[schemars(default, regex(pattern = "^/"))]
    pub(super) path: Field<String>,
    /// SHA-256 of its executable: 64 lower-case hex digits.
    #[schemars(default, regex(pattern = "^[0-9a-f]{64}$"))]
    pub(super) sha256: Field<String>,
    /// The systemd unit that it runs in, such as `ledger.service`.
    #[schemars(default)]
    pub(super) unit: Field<String>,
    /// What the container has to be that it runs in.
    #[schemars(default)]
    pub(super) container: Field<RawContainer>,
    /// What the Kubernetes pod has to be that it runs in.
    #[schemars(default)]
    pub(super) kubernetes: Field<RawPod>,
}

/// A container, as its runtime knows it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Container", deny_unknown_fields)]
pub(super) struct RawContainer {
    /// Digest of its image, such as `sha256:` with 64 lower-case hex digits; that of the image itself or of its manifest.
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub(super) image_digest: Field<String>,
}

/// A pod, as the Kubernetes API server knows it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Pod", deny_unknown_fields)]
pub(super) struct RawPod {
    /// Its namespace.
    pub(super) namespace: Field<String>,
    /// Its service account in that namespace.
    pub(super) service_account: Field<String>,
    /// Labels that it has to have, among any others.
    #[schemars(default, with = "BTreeMap<String, String>", extend("maxProperties" = POD_LABELS_MAX))]
    pub(super) labels: Field<Named<Read<String>>>,
}

impl RawWorkload {
    pub(super) const KEYS: &[&str] =
        &["id", "node", "selectors", "ttl_s", "jwt", "calls", "mesh", "protocol", "dns", "sole"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            id: fields.text("id"),
            node: fields.text("node"),
            selectors: fields.take("selectors", RawSelectors::read),
            ttl_s: fields.take("ttl_s", Report::scalar),
            jwt: fields.take("jwt", Report::scalar),
            calls: fields.take("calls", |report, node, key| report.list(node, key, Report::text)),
            mesh: fields.text("mesh"),
            protocol: fields.text("protocol"),
            dns: fields.take("dns", |report, node, key| report.list(node, key, Report::text)),
            sole: fields.take("sole", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawSelectors {
    pub(super) const KEYS: &[&str] = &["uid", "gid", "path", "sha256", "unit", "container", "kubernetes"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            uid: fields.take("uid", Report::scalar),
            gid: fields.take("gid", Report::scalar),
            path: fields.text("path"),
            sha256: fields.text("sha256"),
            unit: fields.text("unit"),
            container: fields.take("container", RawContainer::read),
            kubernetes: fields.take("kubernetes", RawPod::read),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawContainer {
    pub(super) const KEYS: &[&str] = &["image_digest"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self { image_digest: fields.text("image_digest") };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawPod {
    pub(super) const KEYS: &[&str] = &["namespace", "service_account", "labels"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            namespace: fields.text("namespace"),
            service_account: fields.text("service_account"),
            labels: fields.take("labels", |report, node, key| report.named(node, key, Report::text)),
        };
        Ok(At { value, spot: fields.spot })
    }
}
