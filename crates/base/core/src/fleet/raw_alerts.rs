//! `alerts` of the fleet file as it is written.

use super::node::{Node, Value};
use super::raw_on_call::{RawEscalation, RawRotation};
use super::reader::{At, Field, Named, Read, Report, Reported};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// What makes alerts and where they go; a text is the folder of rules.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename = "Alerts", deny_unknown_fields)]
pub(super) struct RawAlerts {
    /// Folder of rules (`*.yaml`), relative to this file; the rules that come with the product alone where left out.
    #[schemars(default)]
    pub(super) rules: Field<String>,
    /// Folder of recording and alerting rules in the form of Prometheus (`*.yml`), or one such file, relative to this file.
    #[schemars(default)]
    pub(super) prometheus_rules: Field<String>,
    /// Where alerts go, by name.
    #[schemars(default, with = "BTreeMap<String, RawRoute>")]
    pub(super) routes: Field<Named<Read<RawRoute>>>,
    /// Who takes turns at being on call, by name.
    #[schemars(default, with = "BTreeMap<String, RawRotation>")]
    pub(super) rotations: Field<Named<Read<RawRotation>>>,
    /// Who is told of which alerts, and who then; the first that takes an alert has it.
    #[schemars(default, with = "BTreeMap<String, RawEscalation>")]
    pub(super) escalations: Field<Named<Read<RawEscalation>>>,
    /// When nobody is paged.
    #[schemars(default, with = "Vec<RawMaintenance>")]
    pub(super) maintenance: Field<Vec<Read<RawMaintenance>>>,
    /// Where an API like Alertmanager's (version 2) is served, such as `127.0.0.1:9093`; outside loopback only with a `token`.
    #[schemars(default)]
    pub(super) listen: Field<String>,
    /// File with the bearer token of that API, of at least 32 characters.
    #[schemars(default)]
    pub(super) token: Field<String>,
    /// For how long a page waits for somebody to take notice before level 2 is told, such as `10m`; `5m` where left out.
    #[schemars(default, regex(pattern = "^[0-9]+[smh]$"))]
    pub(super) escalate_after: Field<String>,
}

/// A place where alerts go: an `alertmanager`, a `webhook`, or an `email`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "AlertRoute", deny_unknown_fields)]
pub(super) struct RawRoute {
    /// Address of an Alertmanager, such as `http://127.0.0.1:9093`.
    #[schemars(default)]
    pub(super) alertmanager: Field<String>,
    /// Address of a webhook, which gets each alert as JSON, signed as standardwebhooks.com says.
    #[schemars(default)]
    pub(super) webhook: Field<String>,
    /// File with the secret of the webhook, `whsec_BASE64`.
    #[schemars(default)]
    pub(super) secret: Field<String>,
    /// To whom an e-mail goes.
    #[schemars(default, with = "Vec<String>")]
    pub(super) email: Field<Vec<Read<String>>>,
    /// From whom it comes.
    #[schemars(default)]
    pub(super) from: Field<String>,
    /// The relay that takes it, such as `smtp.bank.example:587`; without `tls` on loopback alone.
    #[schemars(default)]
    pub(super) relay: Field<String>,
    /// How the relay is spoken to: `starttls` (mostly port 587) or `implicit` (mostly port 465).
    #[schemars(default, regex(pattern = "^(starttls|implicit)$"))]
    pub(super) tls: Field<String>,
    /// File with the roots by which the relay is recognised; those of the machine where left out.
    #[schemars(default)]
    pub(super) roots: Field<String>,
    /// As whom the relay is logged in to; only with `tls`.
    #[schemars(default)]
    pub(super) user: Field<String>,
    /// File with the password.
    #[schemars(default)]
    pub(super) password: Field<String>,
    /// Only `page` or `ticket`; both where left out.
    #[schemars(default)]
    pub(super) takes: Field<String>,
    /// 2 for those who are told once nobody of level 1 has taken notice of a page; 1 where left out.
    #[schemars(default, with = "u8", range(min = 1, max = 2))]
    pub(super) level: Field<String>,
}

/// A time in which nobody is paged.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Maintenance", deny_unknown_fields)]
pub(super) struct RawMaintenance {
    /// Whose alerts; those of all services where left out.
    #[schemars(default, with = "Vec<String>")]
    pub(super) services: Field<Vec<Read<String>>>,
    /// Its beginning, such as `2026-12-01T22:00:00Z`.
    pub(super) from: Field<String>,
    /// Its end.
    pub(super) until: Field<String>,
    /// Why.
    #[schemars(length(min = 1))]
    pub(super) why: Field<String>,
}

/// The folder of rules, or more.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum AlertsSchema {
    Folder(String),
    Map(Box<RawAlerts>),
}

impl RawAlerts {
    pub(super) const KEYS: &[&str] = &[
        "rules",
        "prometheus_rules",
        "routes",
        "rotations",
        "escalations",
        "maintenance",
        "listen",
        "token",
        "escalate_after",
    ];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        if matches!(node.value, Value::Text(_)) {
            let at = report.text(node, key)?;
            let spot = at.spot.clone();
            return Ok(At { value: Self { rules: Field::Is(at), ..Self::default() }, spot });
        }
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            rules: fields.text("rules"),
            prometheus_rules: fields.text("prometheus_rules"),
            routes: fields.take("routes", |report, node, key| report.named(node, key, RawRoute::read)),
            rotations: fields.take("rotations", |report, node, key| report.named(node, key, RawRotation::read)),
            escalations: fields.take("escalations", |report, node, key| report.named(node, key, RawEscalation::read)),
            maintenance: fields.take("maintenance", |report, node, key| report.list(node, key, RawMaintenance::read)),
            listen: fields.text("listen"),
            token: fields.text("token"),
            escalate_after: fields.take("escalate_after", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawRoute {
    pub(super) const KEYS: &[&str] = &[
        "alertmanager",
        "webhook",
        "secret",
        "email",
        "from",
        "relay",
        "tls",
        "roots",
        "user",
        "password",
        "takes",
        "level",
    ];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            alertmanager: fields.text("alertmanager"),
            webhook: fields.text("webhook"),
            secret: fields.text("secret"),
            email: fields.take("email", super::raw_gateway::text_or_texts),
            from: fields.text("from"),
            relay: fields.text("relay"),
            tls: fields.text("tls"),
            roots: fields.text("roots"),
            user: fields.text("user"),
            password: fields.text("password"),
            takes: fields.text("takes"),
            level: fields.take("level", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawMaintenance {
    pub(super) const KEYS: &[&str] = &["services", "from", "until", "why"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<At<Self>, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            services: fields.take("services", |report, node, key| report.list(node, key, Report::text)),
            from: fields.take("from", Report::scalar),
            until: fields.take("until", Report::scalar),
            why: fields.text("why"),
        };
        Ok(At { value, spot: fields.spot })
    }
}
