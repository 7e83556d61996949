//! What a fleet file says of slowing callers down, before anything is checked. Part of [`super::raw`].

use super::node::Node;
use super::reader::{At, Field, Read, Report};
use crate::slow_down::{TIMES_MAX, WAITING_MAX};
use schemars::JsonSchema;

/// Who comes much more often than usual waits before it is refused. Every key has a default: `{}` is enough.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "SlowDown", deny_unknown_fields)]
pub(super) struct RawSlowDown {
    /// What has a usual rate of its own: `client`, `caller`, `user`, `tenant`, `key`, `route`, `address`, or several together;
    /// `caller` at a service and `client` at the gateway where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) per: Field<Vec<Read<String>>>,
    /// Requests are counted in windows of this length; `10s` where left out.
    #[schemars(default)]
    pub(super) window: Field<String>,
    /// Over how long what lasts becomes usual; `3600s` where left out.
    #[schemars(default)]
    pub(super) over: Field<String>,
    /// How many times its usual count a caller may have in a window; 2 where left out.
    #[schemars(default, with = "u32", range(min = 1, max = TIMES_MAX))]
    pub(super) times: Field<String>,
    /// Requests in a second that nobody is slowed down for; 10 where left out.
    #[schemars(default, with = "u32", range(min = 1))]
    pub(super) least: Field<String>,
    /// How long a request waits at most; `2s` where left out. What would have to wait longer is answered 429.
    #[schemars(default)]
    pub(super) delay: Field<String>,
    /// How many requests of one caller wait at once; 32 where left out. Further ones are answered 429.
    #[schemars(default, with = "u32", range(min = 1, max = WAITING_MAX))]
    pub(super) waiting: Field<String>,
}

impl RawSlowDown {
    pub(super) const KEYS: &[&str] = &["per", "window", "over", "times", "least", "delay", "waiting"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            per: fields.take("per", |report, node, key| report.list(node, key, Report::text)),
            window: fields.text("window"),
            over: fields.text("over"),
            times: fields.take("times", Report::scalar),
            least: fields.take("least", Report::scalar),
            delay: fields.text("delay"),
            waiting: fields.take("waiting", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}
