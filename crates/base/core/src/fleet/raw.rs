//! What a fleet file says, before anything is checked: one struct per map of the file, and its JSON Schema.
//!
//! The comments here are what an editor shows for each key.

use super::Protocol;
use super::node::{Node, Value};
use super::raw_alerts::{AlertsSchema, RawAlerts};
use super::raw_api::{RawApi, RawGraphql};
use super::raw_authorization::RawAuthorization;
use super::raw_console::{ConsoleSchema, RawConsole};
use super::raw_control::RawControl;
use super::raw_counts::RawCounts;
use super::raw_edge::{RawAt, RawBreaker, RawInstance, RawMirror, RawNarrow, RawOutlier, RawRetry};
use super::raw_egress::RawEgress;
use super::raw_events::RawEvents;
use super::raw_federation::RawFederation;
use super::raw_gateway::{
    AuthSchema, CorsSchema, HeadersSchema, RawAddresses, RawCors, RawGatewayCall, RawHeaders, WordOr, text_or_texts,
    texts,
};
use super::raw_guards::RawGuards;
use super::raw_intake::RawIntake;
use super::raw_ledger::RawLedger;
use super::raw_limit::RawLimit;
use super::raw_login::RawLogin;
use super::raw_outputs::RawOutput;
use super::raw_senders::RawSender;
use super::raw_slow_down::RawSlowDown;
use super::raw_tuning::RawTuning;
use super::raw_users::RawUsers;
use super::raw_workload::RawWorkload;
use super::reader::{At, Field, Named, Read, Report, Reported, Spot};
use crate::edge::Mtls;
use crate::gateway::{HOST_BYTES_MAX, MATCHES_MAX, RANGES_MAX};
use crate::limit::LIMITS_MAX;
use crate::limits::INSTANCES_MAX;
use crate::name::{SERVICE_NAME_BYTES_MAX, TRUST_DOMAIN_BYTES_MAX};
use crate::profile::Profile;
use crate::signed::ROUTE_SENDERS_MAX;
use crate::software::IMAGE_BYTES_MAX;
use crate::synthetic::Synthetic;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;
use std::collections::BTreeMap;

const NAME_PATTERN: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";
const DOMAIN_PATTERN: &str = "^[a-z0-9._-]+$";
const ROUTE_PATTERN: &str = "^((GET|HEAD|OPTIONS|POST|PUT|PATCH|DELETE) )?/";
const DATA_PATTERN: &str = "^[a-z][a-z0-9_-]*$";

/// A fleet: its services, who may call whom, and its edge.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Fleet", deny_unknown_fields, title = "Bartizan fleet file")]
pub(super) struct RawFleet {
    /// Name of the fleet: lower-case letters, digits and `-`.
    #[schemars(regex(pattern = NAME_PATTERN), length(max = SERVICE_NAME_BYTES_MAX))]
    pub(super) fleet: Field<String>,
    /// Trust domain of all identities of the fleet, such as `bank.example`.
    #[schemars(regex(pattern = DOMAIN_PATTERN), length(max = TRUST_DOMAIN_BYTES_MAX))]
    pub(super) trust_domain: Field<String>,
    /// The services, by name. A name is a DNS label; `gateway` is taken.
    #[schemars(with = "BTreeMap<String, RawService>")]
    pub(super) services: Field<Named<Read<RawService>>>,
    /// The edge of the fleet, where clients from outside come in.
    #[schemars(default)]
    pub(super) gateway: Field<RawGateway>,
    /// Whose tokens say who a user is, for routes of the gateway with `auth: user`.
    #[schemars(default)]
    pub(super) users: Field<RawUsers>,
    /// An authorization server for workloads of this fleet.
    #[schemars(default)]
    pub(super) authorization: Field<RawAuthorization>,
    /// Folder of Cedar policy files, relative to this file. Where left out, the declared calls alone count.
    #[schemars(default)]
    pub(super) policies: Field<String>,
    /// For how long trust holds that was given.
    #[schemars(default)]
    pub(super) trust: Field<RawTrust>,
    /// Which key exchanges guards use between each other; all that they know where left out.
    #[schemars(default)]
    pub(super) tls: Field<RawTls>,
    /// What makes guards fast, to be switched off by whoever wants to see what it is worth; all of it on where left out.
    #[schemars(default)]
    pub(super) tuning: Field<RawTuning>,
    /// How long a guard that is stopped goes on with what is under way, such as `30s`; 5 s where left out, 10 min at most.
    #[schemars(default)]
    pub(super) drain: Field<String>,
    /// What guards may cost before there is an alarm.
    #[schemars(default)]
    pub(super) budget: Field<RawBudget>,
    /// How long events are kept, and how many.
    #[schemars(default)]
    pub(super) events: Field<RawEvents>,
    /// How much of the ledger lies in the data folder, and where the rest goes.
    #[schemars(default)]
    pub(super) ledger: Field<RawLedger>,
    /// File of objectives, such as `slo.yaml`, relative to this file: what is asked of indicators where that is not what is asked everywhere.
    #[schemars(default)]
    pub(super) objectives: Field<String>,
    /// Folder of alert rules, such as `alerts/`; or rules, routes, who is on call, and maintenance.
    #[schemars(default, with = "AlertsSchema")]
    pub(super) alerts: Field<RawAlerts>,
    /// Where programs, collectors and machines hand in what they have to say; nowhere where left out.
    #[schemars(default)]
    pub(super) intake: Field<RawIntake>,
    /// Where events go besides the store, by a name of your choice.
    #[schemars(default, with = "BTreeMap<String, RawOutput>")]
    pub(super) outputs: Field<Named<Read<RawOutput>>>,
    /// Where counts of limits with `shared: true` lie.
    #[schemars(default)]
    pub(super) counts: Field<RawCounts>,
    /// The console, pages for whoever watches the fleet; under `bartizan up` at an address of loopback that it chooses where left out.
    #[schemars(default, with = "ConsoleSchema")]
    pub(super) console: Field<WordOr<RawConsole>>,
    /// Several controls that keep one state; one, without a name, where left out.
    #[schemars(default)]
    pub(super) control: Field<RawControl>,
    /// Programs beside the services that get an identity over the SPIFFE Workload API, by name.
    #[schemars(default, with = "BTreeMap<String, RawWorkload>")]
    pub(super) workloads: Field<Named<Read<RawWorkload>>>,
    /// Other trust domains whose identities count here.
    #[schemars(default)]
    pub(super) federation: Field<RawFederation>,
    /// Whether the programs that `bartizan up` starts get a network namespace each, with their guard as the only way in and out.
    /// True: nothing is started where the kernel cannot. Where left out: where the kernel can, and a warning where it cannot.
    #[schemars(default, with = "bool")]
    pub(super) isolate: Field<String>,
    /// Whether those programs find their callees by name (`http://stock/`), with no variable: what they open to a name of the fleet
    /// is redirected to their guard. True: nothing is started where that cannot be had. `redirect` or `tproxy`: nor where the kernel
    /// does not take rules of that kind. Where left out: where `nft` is there.
    #[schemars(default, with = "CaptureSchema")]
    pub(super) capture: Field<String>,
    /// Which services have a guard: `all` where left out, `gateway` for none but the gateway, or a list of services. Whoever has none
    /// is called, and calls, in plain; nobody asks who calls.
    #[schemars(default)]
    pub(super) guards: Field<RawGuards>,
    /// What the fleet has of Bartizan: `guard` where left out; `observe` for no guards and no identities, with alerts from what others log.
    #[schemars(default, with = "Profile")]
    pub(super) profile: Field<String>,
    /// Who calls without needing the answer, by name: `checks` of health, or a `drill` of attacks. Their calls count for indicators
    /// apart from the others.
    #[schemars(default, with = "BTreeMap<String, Synthetic>")]
    pub(super) synthetic: Field<Named<Read<String>>>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// For how long guards rely on what they were told and on what they verified once.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Trust", deny_unknown_fields)]
pub(super) struct RawTrust {
    /// How long an open connection may outlive the certificates that it was opened with; not at all where left out.
    #[schemars(default, with = "u32", range(min = 0, max = 3600))]
    pub(super) grace_seconds: Field<String>,
    /// Silence from control after which guards let nothing in any more and end open connections; a day where left out.
    #[schemars(default, with = "u32", range(min = 30, max = 86400))]
    pub(super) silence_seconds: Field<String>,
}

/// Which key exchanges guards use between each other.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Tls", deny_unknown_fields)]
pub(super) struct RawTls {
    /// Those that may be used: `X25519MLKEM768` (hybrid, post-quantum), `X25519`, `P-256`; all of them where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) groups: Field<Vec<Read<String>>>,
    /// True: only those that a quantum computer cannot open later.
    #[schemars(default, with = "bool")]
    pub(super) require_post_quantum: Field<String>,
}

/// What guards may cost before there is an alarm.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Budget", deny_unknown_fields)]
pub(super) struct RawBudget {
    /// Microseconds that a guard may add to a call, at the 99th percentile over the last seconds; no alarm where left out.
    #[schemars(default, with = "u32", range(min = 50, max = 10000000))]
    pub(super) guard_p99_us: Field<String>,
}

/// Whether, or by what kind of rule.
#[derive(JsonSchema)]
#[schemars(rename = "Capture", untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum CaptureSchema {
    Whether(bool),
    By(MeansSchema),
}

/// By what kind of rule of nftables: `redirect` takes nat, `tproxy` does not.
#[derive(JsonSchema)]
#[schemars(rename = "CaptureMeans", rename_all = "lowercase")]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
enum MeansSchema {
    Redirect,
    Tproxy,
}

/// One service. It has `listen` (and `run`, where Bartizan starts it), or `at`.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Service", deny_unknown_fields)]
pub(super) struct RawService {
    /// Program and arguments, where `bartizan up` starts it. Placeholders: `${callee.url}`, `${callee.addr}`,
    /// `${callee.host}`, `${callee.port}` for the place where a declared callee is to be found, `${listen}` for the
    /// service's own address, `${data}` for a folder of its own; `$${` stands for `${`.
    #[schemars(default, with = "Vec<Scalar>", length(min = 1))]
    pub(super) run: Field<Vec<Read<String>>>,
    /// Environment of the program, with the same placeholders as `run`.
    #[schemars(default, with = "BTreeMap<String, Scalar>")]
    pub(super) env: Field<Named<Read<String>>>,
    /// Working folder of the program, relative to this file.
    #[schemars(default)]
    pub(super) dir: Field<String>,
    /// Where its guard accepts mutual TLS, for callers on other machines and in other trust domains; on loopback and chosen
    /// at start where left out.
    #[schemars(default)]
    pub(super) mesh: Field<String>,
    /// Where the program listens: a loopback address with its port, such as `127.0.0.1:7102`.
    #[schemars(default)]
    pub(super) listen: Field<String>,
    /// Where a program that runs already listens, instead of `run` and `listen`; a list where it runs several times.
    #[schemars(default, with = "RawAt")]
    pub(super) at: Field<Vec<Result<RawInstance, Reported>>>,
    /// How many times the program of `run` is started; once where left out.
    #[schemars(default, with = "u32", range(min = 1, max = INSTANCES_MAX))]
    pub(super) instances: Field<String>,
    /// The zones that the instances of `run` are in, dealt out in turn.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) zones: Field<Vec<Read<String>>>,
    /// Whether its guard still takes callers without mutual TLS (`permissive`); it does not (`strict`) where left out.
    #[schemars(default, with = "Mtls")]
    pub(super) mtls: Field<String>,
    /// How calls to it are shared among it and other services by weight, such as `{ accounts: 90, accounts-v2: 10 }`.
    #[schemars(default, with = "BTreeMap<String, u16>")]
    pub(super) split: Field<Named<Read<String>>>,
    /// The service that gets copies of calls to it, whose answers are thrown away.
    #[schemars(default)]
    pub(super) mirror: Field<RawMirror>,
    /// What the program speaks; looked at per connection where left out.
    #[schemars(default, with = "Protocol")]
    pub(super) protocol: Field<String>,
    /// Who answers for the service.
    #[schemars(default, length(min = 1))]
    pub(super) owner: Field<String>,
    /// Classes of data that it handles, such as `pii`.
    #[schemars(default, inner(regex(pattern = DATA_PATTERN)), with = "Vec<String>")]
    pub(super) data: Field<Vec<Read<String>>>,
    /// The version of its program, such as `1.4.2`; it stands in every event of the service.
    #[schemars(default, with = "Scalar")]
    pub(super) version: Field<String>,
    /// The image that its program comes from, such as `registry.bank.example/accounts:1.4@sha256:…`, or its digest alone; it stands in every
    /// event of the service.
    #[schemars(default, length(min = 1, max = IMAGE_BYTES_MAX))]
    pub(super) image: Field<String>,
    /// The services it may call. Nothing else is reachable from it.
    #[schemars(default, with = "Vec<RawCall>")]
    pub(super) calls: Field<Vec<Result<RawCall, Reported>>>,
    /// Named parts of the service, for policies: `balance: GET /accounts/*/balance`. `*` is one segment, `**` the rest.
    #[schemars(default, with = "BTreeMap<String, RouteText>")]
    pub(super) routes: Field<Named<Read<String>>>,
    /// Whether its program gets a network namespace of its own; what the fleet says where left out.
    #[schemars(default, with = "bool")]
    pub(super) isolate: Field<String>,
    /// Whether its program finds its callees by name; what the fleet says where left out.
    #[schemars(default, with = "CaptureSchema")]
    pub(super) capture: Field<String>,
    /// Where its guard answers an Envoy in front of it that asks by `ext_authz` whether a request may go on: a loopback address.
    #[schemars(default)]
    pub(super) ext_authz: Field<String>,
    /// What it may reach outside the fleet, through its guard. Nothing where left out.
    #[schemars(default)]
    pub(super) egress: Field<RawEgress>,
    /// How often it may be called; a call over one of these is answered 429 by its guard.
    #[schemars(default, with = "Vec<RawLimit>", length(min = 1, max = LIMITS_MAX))]
    pub(super) limits: Field<Vec<Result<RawLimit, Reported>>>,
    /// Callers that come much more often than is usual for them wait before they are refused; nobody does where left out.
    #[schemars(default)]
    pub(super) slow_down: Field<RawSlowDown>,
    /// The OpenAPI document that every call, and its answer, is held against by its guard, such as `openapi.yaml`.
    #[schemars(default)]
    pub(super) api: Field<RawApi>,
}

/// A declared edge: the callee's name, alone or with the address where the program expects it.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Call", untagged)]
pub(super) enum RawCall {
    /// Name of the callee.
    Name(#[schemars(with = "String")] At<String>),
    /// Name of the callee, and where the program expects to find it.
    Via(Box<RawVia>),
}

/// A declared edge with the address where the program expects the callee, and how calls are made.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "CallVia", deny_unknown_fields)]
pub(super) struct RawVia {
    /// Name of the callee.
    pub(super) to: Field<String>,
    /// Loopback address where the program expects the callee, such as `127.0.0.1:15432`; chosen where left out.
    #[schemars(default)]
    pub(super) via: Field<String>,
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
    /// What is left of a user's token in these calls, such as `{ scopes: [accounts:read] }`; all of it where left out.
    #[schemars(default)]
    pub(super) narrow: Field<RawNarrow>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// The edge of the fleet.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "Gateway", deny_unknown_fields)]
pub(super) struct RawGateway {
    /// Where clients connect with TLS, such as `127.0.0.1:8443`. The one address that may be outside loopback.
    pub(super) listen: Field<String>,
    /// Which paths go to which service. The most exact pattern wins.
    #[schemars(with = "Vec<RawGatewayRoute>", length(min = 1))]
    pub(super) routes: Field<Vec<Result<RawGatewayRoute, Reported>>>,
    /// How services behind the routes are called: times, retries, breaker; by the defaults where left out.
    #[schemars(default, with = "Vec<RawGatewayCall>")]
    pub(super) calls: Field<Vec<Result<RawGatewayCall, Reported>>>,
    /// Whether it finds out from the time of answers how many requests each service bears at once, and answers 503 to more; clients
    /// that come as often as usual go first. False where left out.
    #[schemars(default, with = "bool")]
    pub(super) adaptive: Field<String>,
    /// Which scripts of other sites may read answers (CORS), where a route says nothing; none where left out.
    #[schemars(default, with = "CorsSchema")]
    pub(super) cors: Field<WordOr<RawCors>>,
    /// What is changed about headers, where a route says nothing.
    #[schemars(default, with = "HeadersSchema")]
    pub(super) headers: Field<WordOr<RawHeaders>>,
    /// From where clients may come; everywhere where left out. Others are closed before TLS.
    #[schemars(default)]
    pub(super) addresses: Field<RawAddresses>,
    /// Addresses and ranges of proxies in front that are believed about the addresses of clients (`X-Forwarded-For`); nobody is where
    /// left out.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = RANGES_MAX))]
    pub(super) trusted_proxies: Field<Vec<Read<String>>>,
    /// Whether those begin each connection with a header of the PROXY protocol (version 1 or 2); false where left out.
    #[schemars(default, with = "bool")]
    pub(super) proxy_protocol: Field<String>,
    /// How people log in with a browser, for routes with `auth: user`; nobody does where left out.
    #[schemars(default)]
    pub(super) login: Field<RawLogin>,
    /// Who may send signed events, such as webhooks, by name; routes name them under `events`.
    #[schemars(default, with = "BTreeMap<String, RawSender>")]
    pub(super) senders: Field<Named<Read<RawSender>>>,
}

/// One route of the gateway.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "GatewayRoute", deny_unknown_fields)]
pub(super) struct RawGatewayRoute {
    /// The host that clients name, such as `api.bank.example`, or all below one: `*.bank.example`. Any where left out.
    #[schemars(default, length(max = HOST_BYTES_MAX))]
    pub(super) host: Field<String>,
    /// Paths, such as `/api/accounts/**`: `*` is one segment, `**` at the end the rest. The path reaches the service unchanged.
    #[schemars(regex(pattern = "^/"))]
    pub(super) path: Field<String>,
    /// Methods, such as `[GET, POST]`; any where left out. GET is HEAD as well.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) methods: Field<Vec<Read<String>>>,
    /// Headers that a request has to have, all of them, such as `{ x-version: 2, x-beta: "*" }`; `*` is any value.
    #[schemars(default, with = "BTreeMap<String, Scalar>", length(min = 1, max = MATCHES_MAX))]
    pub(super) match_headers: Field<Named<Read<String>>>,
    /// The service they go to.
    pub(super) to: Field<String>,
    /// The only clients that it is for: workloads, of this trust domain or another, that call the service and show their
    /// certificate. Everybody where left out.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) from: Field<Vec<Read<String>>>,
    /// Whom it lets in: `none` (everybody, where left out), `user` for those who show an access token of an issuer under `users`, `key`
    /// for programs that show a key of `bartizan key add`, or `[user, key]`.
    #[schemars(default, with = "AuthSchema")]
    pub(super) auth: Field<Vec<Read<String>>>,
    /// Whether users may come with a browser that is logged in; for `auth: user`, where the gateway has `login`. True where left out.
    #[schemars(default, with = "bool")]
    pub(super) login: Field<String>,
    /// Scopes that the token or key has to have, all of them. For `auth: user` and `key`.
    #[schemars(default, with = "Vec<String>", length(min = 1))]
    pub(super) scopes: Field<Vec<Read<String>>>,
    /// How often it may be used; a request over one of these is answered 429.
    #[schemars(default, with = "Vec<RawLimit>", length(min = 1, max = LIMITS_MAX))]
    pub(super) limits: Field<Vec<Result<RawLimit, Reported>>>,
    /// Clients that come much more often than is usual for them wait before they are refused; nobody does where left out.
    #[schemars(default)]
    pub(super) slow_down: Field<RawSlowDown>,
    /// Which scripts of other sites may read answers (CORS); as the gateway says where left out.
    #[schemars(default, with = "CorsSchema")]
    pub(super) cors: Field<WordOr<RawCors>>,
    /// What is changed about headers; as the gateway says where left out.
    #[schemars(default, with = "HeadersSchema")]
    pub(super) headers: Field<WordOr<RawHeaders>>,
    /// From where clients may come, of those that the gateway lets in.
    #[schemars(default)]
    pub(super) addresses: Field<RawAddresses>,
    /// The OpenAPI document that requests and responses are held against, such as `openapi.yaml`.
    #[schemars(default)]
    pub(super) api: Field<RawApi>,
    /// What queries may be, where the path is one of GraphQL, such as `{ depth: 8, cost: 500 }`.
    #[schemars(default)]
    pub(super) graphql: Field<RawGraphql>,
    /// The senders whose signed events it takes, and nothing else; in place of `auth`.
    #[schemars(default, with = "Vec<String>", length(min = 1, max = ROUTE_SENDERS_MAX))]
    pub(super) events: Field<Vec<Read<String>>>,
    /// Largest event, in bytes; a mebibyte where left out, 8 MiB at most.
    #[schemars(default, with = "u32", range(min = 1, max = 8388608))]
    pub(super) event_bytes_max: Field<String>,
    #[schemars(skip)]
    pub(super) spot: Spot,
}

/// A text; a number or boolean is taken as it is written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
pub(super) enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
}

/// A path pattern, alone or behind an HTTP method.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "stands for its JSON Schema alone")]
struct RouteText(#[schemars(regex(pattern = ROUTE_PATTERN))] String);

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
}

/// The JSON Schema (2020-12) of the fleet file, for editors; ends with a line feed.
///
/// It says what the file may look like; that names exist and ports are used once is checked by [`super::parse`].
pub fn json_schema() -> String {
    sorted_schema(schemars::schema_for!(RawFleet))
}

/// A schema as it is printed.
pub(super) fn sorted_schema(schema: Schema) -> String {
    let mut schema = schema.to_value();
    // Sorted here, since another crate of the build may switch serde_json to the order of insertion.
    schema.sort_all_objects();
    let schema = Schema::try_from(schema).expect("it was a schema a moment ago");
    let text = serde_json::to_string_pretty(&schema).expect("a schema is a JSON value");
    text + "\n"
}

impl RawFleet {
    const KEYS: &[&str] = &[
        "fleet",
        "trust_domain",
        "services",
        "gateway",
        "users",
        "authorization",
        "policies",
        "trust",
        "tls",
        "tuning",
        "drain",
        "budget",
        "events",
        "ledger",
        "objectives",
        "alerts",
        "intake",
        "outputs",
        "counts",
        "console",
        "control",
        "workloads",
        "federation",
        "isolate",
        "capture",
        "guards",
        "profile",
        "synthetic",
    ];

    pub(super) fn read(report: &mut Report<'_>, node: Node) -> Result<Self, Reported> {
        let mut fields = report.fields(node, String::new(), Self::KEYS)?;
        Ok(Self {
            fleet: fields.text("fleet"),
            trust_domain: fields.text("trust_domain"),
            services: fields.take("services", |report, node, key| report.named(node, key, RawService::read)),
            gateway: fields.take("gateway", RawGateway::read),
            users: fields.take("users", RawUsers::read),
            authorization: fields.take("authorization", RawAuthorization::read),
            policies: fields.text("policies"),
            trust: fields.take("trust", RawTrust::read),
            tls: fields.take("tls", RawTls::read),
            tuning: fields.take("tuning", RawTuning::read),
            drain: fields.text("drain"),
            budget: fields.take("budget", RawBudget::read),
            events: fields.take("events", RawEvents::read),
            ledger: fields.take("ledger", RawLedger::read),
            objectives: fields.text("objectives"),
            alerts: fields.take("alerts", RawAlerts::read),
            intake: fields.take("intake", RawIntake::read),
            outputs: fields.take("outputs", |report, node, key| report.named(node, key, RawOutput::read)),
            counts: fields.take("counts", RawCounts::read),
            console: fields.take("console", RawConsole::read),
            control: fields.take("control", RawControl::read),
            workloads: fields.take("workloads", |report, node, key| report.named(node, key, RawWorkload::read)),
            federation: fields.take("federation", RawFederation::read),
            isolate: fields.take("isolate", Report::scalar),
            capture: fields.take("capture", Report::scalar),
            guards: fields.take("guards", RawGuards::read),
            profile: fields.text("profile"),
            synthetic: fields.take("synthetic", |report, node, key| report.named(node, key, Report::text)),
            spot: fields.spot,
        })
    }
}

impl RawTrust {
    const KEYS: &[&str] = &["grace_seconds", "silence_seconds"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            grace_seconds: fields.take("grace_seconds", Report::scalar),
            silence_seconds: fields.take("silence_seconds", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawTls {
    const KEYS: &[&str] = &["groups", "require_post_quantum"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            groups: fields.take("groups", |report, node, key| report.list(node, key, Report::text)),
            require_post_quantum: fields.take("require_post_quantum", Report::scalar),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawBudget {
    const KEYS: &[&str] = &["guard_p99_us"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self { guard_p99_us: fields.take("guard_p99_us", Report::scalar) };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawService {
    const KEYS: &[&str] = &[
        "run",
        "env",
        "dir",
        "mesh",
        "listen",
        "at",
        "instances",
        "zones",
        "protocol",
        "owner",
        "data",
        "version",
        "image",
        "calls",
        "routes",
        "isolate",
        "capture",
        "ext_authz",
        "egress",
        "mtls",
        "split",
        "mirror",
        "limits",
        "slow_down",
        "api",
    ];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            run: fields.take("run", |report, node, key| report.list(node, key, Report::scalar)),
            env: fields.take("env", |report, node, key| report.named(node, key, Report::scalar)),
            dir: fields.text("dir"),
            mesh: fields.text("mesh"),
            listen: fields.text("listen"),
            at: fields.take("at", RawInstance::read_all),
            instances: fields.take("instances", Report::scalar),
            zones: fields.take("zones", |report, node, key| report.list(node, key, Report::text)),
            mtls: fields.text("mtls"),
            split: fields.take("split", |report, node, key| report.named(node, key, Report::scalar)),
            mirror: fields.take("mirror", RawMirror::read),
            protocol: fields.text("protocol"),
            owner: fields.text("owner"),
            data: fields.take("data", |report, node, key| report.list(node, key, Report::text)),
            version: fields.take("version", Report::scalar),
            image: fields.text("image"),
            calls: fields.take("calls", |report, node, key| report.list(node, key, RawCall::read)),
            routes: fields.take("routes", |report, node, key| report.named(node, key, Report::text)),
            isolate: fields.take("isolate", Report::scalar),
            capture: fields.take("capture", Report::scalar),
            ext_authz: fields.text("ext_authz"),
            egress: fields.take("egress", RawEgress::read),
            limits: fields.take("limits", |report, node, key| report.list(node, key, RawLimit::read)),
            slow_down: fields.take("slow_down", RawSlowDown::read),
            api: fields.take("api", RawApi::read),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawCall {
    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        if matches!(node.value, Value::Map(_)) {
            RawVia::read(report, node, key).map(|via| Self::Via(Box::new(via)))
        } else {
            report.text(node, key).map(Self::Name)
        }
    }
}

impl RawVia {
    const KEYS: &[&str] = &["to", "via", "timeout", "try_timeout", "retry", "breaker", "outlier", "narrow"];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            to: fields.text("to"),
            via: fields.text("via"),
            timeout: fields.text("timeout"),
            try_timeout: fields.text("try_timeout"),
            retry: fields.take("retry", RawRetry::read),
            breaker: fields.take("breaker", RawBreaker::read),
            outlier: fields.take("outlier", RawOutlier::read),
            narrow: fields.take("narrow", RawNarrow::read),
            spot: fields.spot,
        })
    }
}

impl RawGateway {
    const KEYS: &[&str] = &[
        "listen",
        "routes",
        "calls",
        "adaptive",
        "cors",
        "headers",
        "addresses",
        "trusted_proxies",
        "proxy_protocol",
        "login",
        "senders",
    ];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Read<Self> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        let value = Self {
            listen: fields.text("listen"),
            routes: fields.take("routes", |report, node, key| report.list(node, key, RawGatewayRoute::read)),
            calls: fields.take("calls", |report, node, key| report.list(node, key, RawGatewayCall::read)),
            adaptive: fields.take("adaptive", Report::scalar),
            cors: fields.take("cors", RawCors::read),
            headers: fields.take("headers", RawHeaders::read),
            addresses: fields.take("addresses", RawAddresses::read),
            trusted_proxies: fields.take("trusted_proxies", texts),
            proxy_protocol: fields.take("proxy_protocol", Report::scalar),
            login: fields.take("login", RawLogin::read),
            senders: fields.take("senders", |report, node, key| report.named(node, key, RawSender::read)),
        };
        Ok(At { value, spot: fields.spot })
    }
}

impl RawGatewayRoute {
    const KEYS: &[&str] = &[
        "host",
        "path",
        "methods",
        "match_headers",
        "to",
        "from",
        "auth",
        "login",
        "scopes",
        "limits",
        "slow_down",
        "cors",
        "headers",
        "addresses",
        "api",
        "graphql",
        "events",
        "event_bytes_max",
    ];

    fn read(report: &mut Report<'_>, node: Node, key: String) -> Result<Self, Reported> {
        let mut fields = report.fields(node, key, Self::KEYS)?;
        Ok(Self {
            host: fields.text("host"),
            path: fields.text("path"),
            methods: fields.take("methods", |report, node, key| report.list(node, key, Report::text)),
            match_headers: fields.take("match_headers", |report, node, key| report.named(node, key, Report::scalar)),
            to: fields.text("to"),
            from: fields.take("from", |report, node, key| report.list(node, key, Report::text)),
            auth: fields.take("auth", text_or_texts),
            login: fields.take("login", Report::scalar),
            scopes: fields.take("scopes", |report, node, key| report.list(node, key, Report::text)),
            limits: fields.take("limits", |report, node, key| report.list(node, key, RawLimit::read)),
            slow_down: fields.take("slow_down", RawSlowDown::read),
            cors: fields.take("cors", RawCors::read),
            headers: fields.take("headers", RawHeaders::read),
            addresses: fields.take("addresses", RawAddresses::read),
            api: fields.take("api", RawApi::read),
            graphql: fields.take("graphql", RawGraphql::read),
            events: fields.take("events", |report, node, key| report.list(node, key, Report::text)),
            event_bytes_max: fields.take("event_bytes_max", Report::scalar),
            spot: fields.spot,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw_alerts::{RawMaintenance, RawRoute};
    use super::super::raw_api::RawApiFull;
    use super::super::raw_egress::{RawDestinationFull, RawEgressFull, RawHeader, RawTokenFull};
    use super::super::raw_federation::{RawDomain, RawEndpoint, RawForeign};
    use super::super::raw_gateway::RawEdits;
    use super::super::raw_on_call::{RawEscalation, RawLevel, RawOverride, RawRotation};
    use super::super::raw_workload::{RawContainer, RawSelectors};
    use super::*;
    use serde_json::Value as Json;

    /// The reader's list of keys and the schema's are written apart; an editor must not offer what the reader refuses.
    #[test]
    fn the_schema_knows_the_keys_that_the_reader_knows() {
        let schema: Json = serde_json::from_str(&json_schema()).unwrap();
        let names = |schema: &Json| {
            assert_eq!(schema["additionalProperties"], Json::Bool(false), "{schema}");
            let mut names: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
            names.sort();
            names
        };
        for (schema, keys) in [
            (&schema, RawFleet::KEYS),
            (&schema["$defs"]["Trust"], RawTrust::KEYS),
            (&schema["$defs"]["Tls"], RawTls::KEYS),
            (&schema["$defs"]["Tuning"], RawTuning::KEYS),
            (&schema["$defs"]["Budget"], RawBudget::KEYS),
            (&schema["$defs"]["Counts"], RawCounts::KEYS),
            (&schema["$defs"]["ConsoleFull"], RawConsole::KEYS),
            (&schema["$defs"]["Service"], RawService::KEYS),
            (&schema["$defs"]["CallVia"], RawVia::KEYS),
            (&schema["$defs"]["Gateway"], RawGateway::KEYS),
            (&schema["$defs"]["GatewayCall"], RawGatewayCall::KEYS),
            (&schema["$defs"]["GatewayRoute"], RawGatewayRoute::KEYS),
            (&schema["$defs"]["Login"], RawLogin::KEYS),
            (&schema["$defs"]["Workload"], RawWorkload::KEYS),
            (&schema["$defs"]["Selectors"], RawSelectors::KEYS),
            (&schema["$defs"]["Federation"], RawFederation::KEYS),
            (&schema["$defs"]["BundleEndpoint"], RawEndpoint::KEYS),
            (&schema["$defs"]["ForeignDomain"], RawDomain::KEYS),
            (&schema["$defs"]["ForeignWorkload"], RawForeign::KEYS),
            (&schema["$defs"]["Container"], RawContainer::KEYS),
            (&schema["$defs"]["EgressFull"], RawEgressFull::KEYS),
            (&schema["$defs"]["DestinationFull"], RawDestinationFull::KEYS),
            (&schema["$defs"]["EgressHeader"], RawHeader::KEYS),
            (&schema["$defs"]["EgressTokenFull"], RawTokenFull::KEYS),
            (&schema["$defs"]["Instance"], RawInstance::KEYS),
            (&schema["$defs"]["Mirror"], RawMirror::KEYS),
            (&schema["$defs"]["Retry"], RawRetry::KEYS),
            (&schema["$defs"]["Breaker"], RawBreaker::KEYS),
            (&schema["$defs"]["Outlier"], RawOutlier::KEYS),
            (&schema["$defs"]["Narrow"], RawNarrow::KEYS),
            (&schema["$defs"]["Limit"], RawLimit::KEYS),
            (&schema["$defs"]["SlowDown"], RawSlowDown::KEYS),
            (&schema["$defs"]["CorsFull"], RawCors::KEYS),
            (&schema["$defs"]["HeadersFull"], RawHeaders::KEYS),
            (&schema["$defs"]["HeaderEdits"], RawEdits::KEYS),
            (&schema["$defs"]["Addresses"], RawAddresses::KEYS),
            (&schema["$defs"]["ApiFull"], RawApiFull::KEYS),
            (&schema["$defs"]["Graphql"], RawGraphql::KEYS),
            (&schema["$defs"]["Sender"], RawSender::KEYS),
            (&schema["$defs"]["Alerts"], RawAlerts::KEYS),
            (&schema["$defs"]["AlertRoute"], RawRoute::KEYS),
            (&schema["$defs"]["Rotation"], RawRotation::KEYS),
            (&schema["$defs"]["RotationOverride"], RawOverride::KEYS),
            (&schema["$defs"]["Escalation"], RawEscalation::KEYS),
            (&schema["$defs"]["EscalationLevel"], RawLevel::KEYS),
            (&schema["$defs"]["Maintenance"], RawMaintenance::KEYS),
        ] {
            let mut keys = keys.to_vec();
            keys.sort_unstable();
            assert_eq!(names(schema), keys);
        }
        assert_eq!(schema["required"], serde_json::json!(["fleet", "trust_domain", "services"]));
    }
}
