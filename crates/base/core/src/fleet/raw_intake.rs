//! `intake` of the fleet file as it is written.

use super::node::Node;
use super::reader::{At, Field, Named, Read, Report};
use crate::intake::RECORDS_PER_S_MAX;
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// Where programs, collectors and machines hand in what they have to say. Beyond loopback they speak TLS, and show a certificate of the
/// fleet or a token.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Intake", deny_unknown_fields)]
pub(super) struct RawIntake {
    /// Where OTLP over HTTP is taken, such as `127.0.0.1:4318`; lines of JSON and audit records of Kubernetes are posted there as well.
    #[schemars(default)]
    pub(super) otlp_http: Field<String>,
    /// Where OTLP over gRPC is taken, such as `127.0.0.1:4317`.
    #[schemars(default)]
    pub(super) otlp_grpc: Field<String>,
    /// Where syslog is taken over UDP and TCP: a loopback address, such as `127.0.0.1:5514`.
    #[schemars(default)]
    pub(super) syslog: Field<String>,
    /// Where syslog is taken over TLS, from clients that show a certificate of the fleet, such as `0.0.0.0:6514`.
    #[schemars(default)]
    pub(super) syslog_tls: Field<String>,
    /// Where lines of JSON are taken over TCP, such as `127.0.0.1:5170`.
    #[schemars(default)]
    pub(super) ndjson: Field<String>,
    /// PEM file with the certificate chain that is shown, relative to this file; that of control where left out. With it, clients on
    /// loopback speak TLS too.
    #[schemars(default)]
    pub(super) certificate: Field<String>,
    /// PEM file with the key of `certificate`.
    #[schemars(default)]
    pub(super) key: Field<String>,
    /// Files with tokens that clients may show, by the name that their holders get; over HTTP a client without certificate has to show one.
    #[schemars(default, with = "BTreeMap<String, String>")]
    pub(super) tokens: Field<Named<Read<String>>>,
    /// Records that one client may bring a second; 10,000 where left out. Further ones are refused and counted.
    #[schemars(default, with = "u32", range(min = 1, max = RECORDS_PER_S_MAX))]
    pub(super) records_per_s: Field<String>,
}

impl RawIntake {
    const KEYS: &[&str] =
        &["otlp_http", "otlp_grpc", "syslog", "syslog_tls", "ndjson", "certificate", "key", "tokens", "records_per_s"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            otlp_http: fields.text("otlp_http"),
            otlp_grpc: fields.text("otlp_grpc"),
            syslog: fields.text("syslog"),
            syslog_tls: fields.text("syslog_tls"),
            ndjson: fields.text("ndjson"),
            certificate: fields.text("certificate"),
            key: fields.text("key"),
            tokens: fields.take("tokens", |report, node, key| report.named(node, key, Report::text)),
            records_per_s: fields.take("records_per_s", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}
