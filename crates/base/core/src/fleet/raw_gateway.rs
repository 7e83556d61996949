//! What a fleet file says of a gateway beyond who goes where, before anything is checked. Part of [`super::raw`].

use super::node::{Node, Value};
use super::raw::Scalar;
use super::raw_edge::{RawBreaker, RawOutlier, RawRetry};
use super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use crate::gateway::{CORS_NAMES_MAX, HEADER_RULES_MAX, ORIGINS_MAX, RANGES_MAX};
use schemars::JsonSchema;
use std::collections::BTreeMap;

/// How the gateway calls a service that routes lead to.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "GatewayCall", deny_unknown_fields)]
pub(super) struct RawGatewayCall {
    /// Name of the service.
    pub(super) to: Field<String>,
    /// From a request's head to the head of its answer, all tries together, such as `2s`.
    #[schemars(default)]
    pub(super) timeout: Field<String>,
    /// The same for one try, such as `500ms`.
    #[schemars(default)]
    pub(super) try_timeout: Field<String>,
    /// What is tried again.
    #[schemars(default)]
    pub(super) retry: Field<RawRetry>,
    /// When nothing is sent for a while.
    #[schemars(default)]
    pub(super) breaker: Field<RawBreaker>,
    /// When an instance gets nothing for a while.
    #[schemars(default)]
    pub(super) outlier: Field<RawOutlier>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// A word, or a map with more.
#[derive(Debug)]
pub(super) enum WordOr<T> {
    /// Such as `off`.
    Word(At<String>),
    /// The map.
    Map(T),
}

/// `off` for none although the gateway says so for all routes; or which scripts of other sites may read answers.
#[derive(JsonSchema)]
#[schemars(rename = "Cors", untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum CorsSchema {
    Word(Off),
    Map(Box<RawCors>),
}

/// Not here, although the gateway says so for all routes.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum Off {
    Off,
}

/// `secure` for the set of the manual, `off` for none although the gateway says so for all routes, or what is changed.
#[derive(JsonSchema)]
#[schemars(rename = "Headers", untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum HeadersSchema {
    Word(HeadersWord),
    Map(Box<RawHeaders>),
}

/// The words.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum HeadersWord {
    Secure,
    Off,
}

/// Which scripts of other sites may read answers (CORS). The gateway answers browsers itself when they ask beforehand.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "CorsFull", deny_unknown_fields)]
pub(super) struct RawCors {
    /// Where such scripts come from, to the letter: `https://app.bank.example`; `["*"]` for everywhere.
    #[schemars(with = "Vec<String>", length(min = 1, max = ORIGINS_MAX))]
    pub(super) origins: Field<Vec<Read<String>>>,
    /// Methods that they may use beside GET, HEAD and POST.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = CORS_NAMES_MAX))]
    pub(super) methods: Field<Vec<Read<String>>>,
    /// Headers that they may send, such as `authorization` or `content-type`.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = CORS_NAMES_MAX))]
    pub(super) headers: Field<Vec<Read<String>>>,
    /// Headers of answers that they may read.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = CORS_NAMES_MAX))]
    pub(super) expose: Field<Vec<Read<String>>>,
    /// Whether their requests come with cookies and the like; false where left out.
    #[schemars(default, with = "bool")]
    pub(super) credentials: Field<String>,
    /// For how long a browser may go by what it was told, such as `10min`, which holds where left out; a day at most.
    #[schemars(default)]
    pub(super) max_age: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// What is changed about headers.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "HeadersFull", deny_unknown_fields)]
pub(super) struct RawHeaders {
    /// Whether answers get the set of the manual; false where left out.
    #[schemars(default, with = "bool")]
    pub(super) secure: Field<String>,
    /// For requests, before the service gets them.
    #[schemars(default)]
    pub(super) request: Field<RawEdits>,
    /// For answers, before the client gets them.
    #[schemars(default)]
    pub(super) response: Field<RawEdits>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// What is taken out and what is put in, in this order.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "HeaderEdits", deny_unknown_fields)]
pub(super) struct RawEdits {
    /// Names of headers.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = HEADER_RULES_MAX))]
    pub(super) remove: Field<Vec<Read<String>>>,
    /// Headers with their values, in place of whatever is there of that name.
    #[schemars(default, with = "BTreeMap<String, Scalar>", length(min = 1, max = HEADER_RULES_MAX))]
    pub(super) set: Field<Named<Read<String>>>,
}

/// From where clients may come. Of ranges in each other the narrowest decides.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Addresses", deny_unknown_fields)]
pub(super) struct RawAddresses {
    /// Addresses and ranges, such as `10.0.0.0/8`; where there are some, nobody else is let in.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = RANGES_MAX))]
    pub(super) allow: Field<Vec<Read<String>>>,
    /// Addresses and ranges that are kept out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = RANGES_MAX))]
    pub(super) deny: Field<Vec<Read<String>>>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// Who is let in.
#[derive(JsonSchema)]
#[schemars(rename = "Auth", untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum AuthSchema {
    One(AuthWord),
    Several(#[schemars(length(min = 1))] Vec<AuthWord>),
}

/// The words.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum AuthWord {
    /// Everybody.
    None,
    /// Those who show the token of a user.
    User,
    /// Programs that show their key.
    Key,
}

/// A text, or a list of texts.
pub(super) fn text_or_texts(report: &mut Report<'_>, node: Node, key: String) -> Read<Vec<Read<String>>> {
    if matches!(node.value, Value::List(_)) {
        return texts(report, node, key);
    }
    let at = report.text(node, key)?;
    let spot = at.spot.clone();
    Ok(At { value: vec![Ok(at)], spot })
}

/// A list of texts.
pub(super) fn texts(report: &mut Report<'_>, node: Node, key: String) -> Read<Vec<Read<String>>> {
    report.list(node, key, Report::text)
}

impl<T> WordOr<T> {
    pub(super) fn read(
        report: &mut Report<'_>,
        node: Node,
        key: String,
        map: impl FnOnce(&mut Report<'_>, Node, String) -> Read<T>,
    ) -> Read<Self> {
        if matches!(node.value, Value::Map(_)) {
            let At { value, spot } = map(report, node, key)?;
            return Ok(At { value: Self::Map(value), spot });
        }
        let at = report.scalar(node, key)?;
        let spot = at.spot.clone();
        Ok(At { value: Self::Word(at), spot })
    }
}

impl RawGatewayCall {
    pub(super) const KEYS: &[&str] = &["to", "timeout", "try_timeout", "retry", "breaker", "outlier"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            to: fields.text("to"),
            timeout: fields.text("timeout"),
            try_timeout: fields.text("try_timeout"),
            retry: fields.take("retry", RawRetry::read),
            breaker: fields.take("breaker", RawBreaker::read),
            outlier: fields.take("outlier", RawOutlier::read),
            spot: fields.spot,
        })
    }
}

impl RawCors {
    pub(super) const KEYS: &[&str] = &["origins", "methods", "headers", "expose", "credentials", "max_age"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<WordOr<Self>> {
        WordOr::read(report, node, key, Self::read_map)
    }

    fn read_map(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            origins: fields.take("origins", texts),
            methods: fields.take("methods", texts),
            headers: fields.take("headers", texts),
            expose: fields.take("expose", texts),
            credentials: fields.take("credentials", Report::scalar),
            max_age: fields.text("max_age"),
            spot: fields.spot.clone(),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawHeaders {
    pub(super) const KEYS: &[&str] = &["secure", "request", "response"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<WordOr<Self>> {
        WordOr::read(report, node, key, Self::read_map)
    }

    fn read_map(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            secure: fields.take("secure", Report::scalar),
            request: fields.take("request", RawEdits::read),
            response: fields.take("response", RawEdits::read),
            spot: fields.spot.clone(),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawEdits {
    pub(super) const KEYS: &[&str] = &["remove", "set"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            remove: fields.take("remove", texts),
            set: fields.take("set", |report, node, key| report.named(node, key, Report::scalar)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawAddresses {
    pub(super) const KEYS: &[&str] = &["allow", "deny"];

    pub(super) fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value =
            Self { allow: fields.take("allow", texts), deny: fields.take("deny", texts), spot: fields.spot.clone() };
        Ok(At { value, spot: fields.spot })
    }
}
