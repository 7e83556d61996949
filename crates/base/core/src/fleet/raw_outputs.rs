//! `outputs` of the fleet file as it is written.

use super::node::Node;
use super::reader::{At, Field, Read, Report};
use crate::outputs::{BROKERS_MAX, FILES_MAX, TOPIC_CHARS_MAX};
use schemars::JsonSchema;

/// Where events go besides the store: exactly one of `ndjson`, `otlp`, `elasticsearch`, `webhook`, `syslog`, `kafka` and `remote_write`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Output", deny_unknown_fields)]
pub(super) struct RawOutput {
    /// File for lines of OCSF, relative to this file, such as `archive/events.ndjson`.
    #[schemars(default)]
    pub(super) ndjson: Field<String>,
    /// Where OTLP logs are posted, such as `https://otel.bank.example:4318/v1/logs`; `http://` to this machine alone.
    #[schemars(default)]
    pub(super) otlp: Field<String>,
    /// Elasticsearch or OpenSearch, such as `https://search.bank.example:9200`.
    #[schemars(default)]
    pub(super) elasticsearch: Field<String>,
    /// Where lists of records are posted, signed (Standard Webhooks).
    #[schemars(default)]
    pub(super) webhook: Field<String>,
    /// A receiver of syslog: `tls://siem.bank.example:6514`, or `tcp://127.0.0.1:601` on this machine.
    #[schemars(default)]
    pub(super) syslog: Field<String>,
    /// Brokers of Kafka, such as `["tls://kafka-1.bank.example:9093"]`, or `tcp://` on this machine; for builds with the feature `kafka`.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = BROKERS_MAX))]
    pub(super) kafka: Field<Vec<Read<String>>>,
    /// Where our own metrics are written, as Prometheus' remote write has it, such as `http://127.0.0.1:9090/api/v1/write`. No events go there.
    #[schemars(default)]
    pub(super) remote_write: Field<String>,
    /// The topic, for `kafka`; `bartizan` where left out.
    #[schemars(default, length(max = TOPIC_CHARS_MAX))]
    pub(super) topic: Field<String>,
    /// Size at which the next file is begun, such as `100M`, for `ndjson`.
    #[schemars(default, regex(pattern = "^[0-9]+[MG]$"))]
    pub(super) bytes: Field<String>,
    /// Files that are kept, for `ndjson`; 10 where left out.
    #[schemars(default, with = "u32", range(min = 1, max = FILES_MAX))]
    pub(super) files: Field<String>,
    /// The index, alias or data stream, for `elasticsearch`; `bartizan` where left out.
    #[schemars(default)]
    pub(super) index: Field<String>,
    /// File with the secret (`whsec_…`), for `webhook`.
    #[schemars(default)]
    pub(super) secret: Field<String>,
    /// File with the value of `Authorization`, such as `ApiKey …`.
    #[schemars(default)]
    pub(super) authorization: Field<String>,
    /// PEM file with the roots of the receiver's certificate; those of the system where left out.
    #[schemars(default)]
    pub(super) roots: Field<String>,
    /// PEM file with the certificate that is shown to a receiver that asks for one.
    #[schemars(default)]
    pub(super) certificate: Field<String>,
    /// PEM file with its key.
    #[schemars(default)]
    pub(super) key: Field<String>,
    /// Only events of these classes, such as `[request, handshake]`; all where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) classes: Field<Vec<Read<String>>>,
    /// Only events that came out so: `ok`, `denied`, `failed`.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) outcomes: Field<Vec<Read<String>>>,
    /// Only events of these services (`gateway` for the edge).
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) services: Field<Vec<Read<String>>>,
}

impl RawOutput {
    const KEYS: &[&str] = &[
        "ndjson",
        "otlp",
        "elasticsearch",
        "webhook",
        "syslog",
        "kafka",
        "remote_write",
        "topic",
        "bytes",
        "files",
        "index",
        "secret",
        "authorization",
        "roots",
        "certificate",
        "key",
        "classes",
        "outcomes",
        "services",
    ];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            ndjson: fields.text("ndjson"),
            otlp: fields.text("otlp"),
            elasticsearch: fields.text("elasticsearch"),
            webhook: fields.text("webhook"),
            syslog: fields.text("syslog"),
            kafka: fields.take("kafka", |report, node, key| report.list(node, key, Report::text)),
            remote_write: fields.text("remote_write"),
            topic: fields.text("topic"),
            bytes: fields.take("bytes", Report::scalar),
            files: fields.take("files", Report::scalar),
            index: fields.text("index"),
            secret: fields.text("secret"),
            authorization: fields.text("authorization"),
            roots: fields.text("roots"),
            certificate: fields.text("certificate"),
            key: fields.text("key"),
            classes: fields.take("classes", |report, node, key| report.list(node, key, Report::text)),
            outcomes: fields.take("outcomes", |report, node, key| report.list(node, key, Report::text)),
            services: fields.take("services", |report, node, key| report.list(node, key, Report::text)),
        };
        Ok(At { value, spot: fields.spot })
    }
}
