//! What a fleet file says of other trust domains, before anything is checked. Part of [`super::raw`].

use super::Protocol;
use super::node::Node;
use super::reader::{At, Field, Named, Read, Report, Reported};
use crate::federation::{PATHS_MAX, REFRESH_S_MAX, REFRESH_S_MIN};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// Other trust domains whose identities count here, and where they find the roots of this one.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Federation", deny_unknown_fields)]
pub(super) struct RawFederation {
    /// Where this fleet's own roots are published for others.
    #[schemars(default)]
    pub(super) endpoint: Field<RawEndpoint>,
    /// The other trust domains, by name.
    #[schemars(default, with = "BTreeMap<String, RawDomain>")]
    pub(super) domains: Field<Named<Read<RawDomain>>>,
}

/// A SPIFFE bundle endpoint.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "BundleEndpoint", deny_unknown_fields)]
pub(super) struct RawEndpoint {
    /// Where it listens, such as `0.0.0.0:8444`.
    pub(super) listen: Field<String>,
    /// How it proves who it is: `https_spiffe` (where left out) by the SVID of control, `https_web` by `certificate` and `key`.
    #[schemars(default, with = "Profile")]
    pub(super) profile: Field<String>,
    /// PEM file with the certificate chain for `https_web`, relative to this file.
    #[schemars(default)]
    pub(super) certificate: Field<String>,
    /// PEM file with the key of `certificate`.
    #[schemars(default)]
    pub(super) key: Field<String>,
    /// How often others are asked to look; 60 seconds where left out.
    #[schemars(default, with = "u32", range(min = REFRESH_S_MIN, max = REFRESH_S_MAX))]
    pub(super) refresh_seconds: Field<String>,
}

/// Another trust domain.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ForeignDomain", deny_unknown_fields)]
pub(super) struct RawDomain {
    /// Its bundle endpoint, such as `https://bundles.partner.example/`.
    #[schemars(regex(pattern = "^https://"))]
    pub(super) url: Field<String>,
    /// How the endpoint proves who it is: `https_web` by a web certificate, `https_spiffe` by an SVID.
    #[schemars(with = "Profile")]
    pub(super) profile: Field<String>,
    /// SPIFFE ID of the endpoint, for `https_spiffe`.
    #[schemars(default)]
    pub(super) endpoint_id: Field<String>,
    /// File with the domain's bundle of today (JSON, as its endpoint gives it), relative to this file: by it the endpoint is
    /// recognised the first time. For `https_spiffe`.
    #[schemars(default)]
    pub(super) bundle: Field<String>,
    /// PEM file with the roots of the endpoint's web certificate; those of the system where left out. For `https_web`.
    #[schemars(default)]
    pub(super) roots: Field<String>,
    /// The paths that its identities may have, such as `/svc/**`; any where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = PATHS_MAX))]
    pub(super) paths: Field<Vec<Read<String>>>,
    /// Those of its workloads that call this fleet or are called from it, by a name of your choice.
    #[schemars(default, with = "BTreeMap<String, RawForeign>")]
    pub(super) workloads: Field<Named<Read<RawForeign>>>,
}

/// A workload of another trust domain.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "ForeignWorkload", deny_unknown_fields)]
pub(super) struct RawForeign {
    /// Path of its SPIFFE ID, such as `/svc/billing`.
    #[schemars(regex(pattern = "^/"))]
    pub(super) id: Field<String>,
    /// The services of this fleet that it may call.
    #[schemars(default, with = "Vec<String>")]
    pub(super) calls: Field<Vec<Read<String>>>,
    /// Where it accepts mutual TLS, where services of this fleet call it.
    #[schemars(default)]
    pub(super) mesh: Field<String>,
    /// What it speaks there.
    #[schemars(default, with = "Protocol")]
    pub(super) protocol: Field<String>,
}

/// How a bundle endpoint proves who it is (SPIFFE Federation, section 5.2).
#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum Profile {
    /// By a certificate of the web.
    HttpsWeb,
    /// By an X.509-SVID.
    HttpsSpiffe,
}

impl RawFederation {
    pub(super) const KEYS: &[&str] = &["endpoint", "domains"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            endpoint: fields.take("endpoint", RawEndpoint::read),
            domains: fields.take("domains", |report, node, key| report.named(node, key, RawDomain::read)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawEndpoint {
    pub(super) const KEYS: &[&str] = &["listen", "profile", "certificate", "key", "refresh_seconds"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            listen: fields.text("listen"),
            profile: fields.text("profile"),
            certificate: fields.text("certificate"),
            key: fields.text("key"),
            refresh_seconds: fields.take("refresh_seconds", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawDomain {
    pub(super) const KEYS: &[&str] = &["url", "profile", "endpoint_id", "bundle", "roots", "paths", "workloads"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            url: fields.text("url"),
            profile: fields.text("profile"),
            endpoint_id: fields.text("endpoint_id"),
            bundle: fields.text("bundle"),
            roots: fields.text("roots"),
            paths: fields.take("paths", |report, node, key| report.list(node, key, Report::text)),
            workloads: fields.take("workloads", |report, node, key| report.named(node, key, RawForeign::read)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawForeign {
    pub(super) const KEYS: &[&str] = &["id", "calls", "mesh", "protocol"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<At<Self>, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            id: fields.text("id"),
            calls: fields.take("calls", |report, node, key| report.list(node, key, Report::text)),
            mesh: fields.text("mesh"),
            protocol: fields.text("protocol"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
