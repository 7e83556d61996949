//! What goes into endpoints and what comes out, for [`super::openapi`]. An endpoint that is not here is described by its name, role and
//! purpose alone.

use crate::api::table::{Endpoint, Method};
use bartizan_core::console as door;
use bartizan_core::overview;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// See above.
pub(super) struct Shape {
    method: Method,
    path: &'static str,
    pub(super) query: &'static [Query],
    pub(super) body: Option<Maker>,
    pub(super) answer: Answer,
}

type Maker = fn(&mut SchemaGenerator) -> Schema;

/// One parameter of a query.
pub(super) struct Query {
    pub(super) name: &'static str,
    /// `string`, `integer` or `boolean`.
    pub(super) kind: &'static str,
    pub(super) is_needed: bool,
    pub(super) about: &'static str,
}

/// What comes out.
pub(super) enum Answer {
    /// Of this type.
    Json(Maker),
    /// What that command prints.
    Printed(&'static str),
    /// Text of that kind.
    Text(&'static str),
}

/// The shape of an endpoint, where it is known.
pub(super) fn shape_of(endpoint: &Endpoint) -> Option<&'static Shape> {
    ALL.iter().find(|shape| shape.method == endpoint.method && shape.path == endpoint.path)
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

const fn text(name: &'static str, about: &'static str) -> Query {
    Query { name, kind: "string", is_needed: false, about }
}

const fn number(name: &'static str, about: &'static str) -> Query {
    Query { name, kind: "integer", is_needed: false, about }
}

const fn truth(name: &'static str, about: &'static str) -> Query {
    Query { name, kind: "boolean", is_needed: false, about }
}

const fn needed(query: Query) -> Query {
    Query { is_needed: true, ..query }
}

const fn get(path: &'static str, query: &'static [Query], answer: Answer) -> Shape {
    Shape { method: Method::Get, path, query, body: None, answer }
}

const fn post(path: &'static str, body: Option<Maker>, answer: Answer) -> Shape {
    Shape { method: Method::Post, path, query: &[], body, answer }
}

const EVENTS: &[Query] = &[
    text("service", "Only of this service."),
    text("identity", "Only about this service, SPIFFE ID or user."),
    truth("deny", "Only what was denied."),
    text("outcome", "Only with these outcomes: `ok`, `denied`, `failed`, with commas between them."),
    text("class", "Only of these classes, with commas between them."),
    text("text", "Only where this stands in a name, path, reason or the like."),
    number("since_ms", "Only at this moment or later, milliseconds since 1970."),
    number("until_ms", "Only before this moment."),
    text("request", "Only of this request."),
    number("limit", "At most so many."),
    truth("oldest", "The oldest first."),
    text("cursor", "What the header `bartizan-next` of the page before said."),
    truth("follow", "Go on with what happens."),
];

const CHANGES: &[Query] = &[
    number("since_ms", "Only at this moment or later, milliseconds since 1970."),
    number("until_ms", "Only before this moment."),
    number("limit", "At most so many."),
];

const SERIES: &[Query] = &[
    needed(text("indicator", "`M1` to `M10`.")),
    text("place", "`fleet`, a service, or `CALLER -> CALLEE`; the fleet where left out."),
    number("seconds", "How far back; a day where left out, a month at most."),
];

const ALL: &[Shape] = &[
    get("/v1/map", &[], Answer::Json(of::<overview::FleetMap>)),
    get("/v1/changes", CHANGES, Answer::Json(of::<overview::Changes>)),
    get("/v1/reach", &[needed(text("service", "Whom it is about."))], Answer::Json(of::<overview::ReachStatus>)),
    get("/v1/series", SERIES, Answer::Json(of::<overview::IndicatorSeries>)),
    get("/v1/stream", &[], Answer::Text("text/event-stream")),
    get("/v1/me", &[], Answer::Json(of::<door::Me>)),
    get("/v1/sessions", &[], Answer::Json(of::<door::ConsoleSessions>)),
    post("/v1/links", Some(of::<door::MakeLink>), Answer::Json(of::<door::ConsoleLink>)),
    post("/v1/sessions/end", Some(of::<door::EndSessions>), Answer::Json(of::<door::EndedSessions>)),
    get("/sign-in/state", &[], Answer::Json(of::<door::SignInState>)),
    post("/sign-in/link", Some(of::<door::SignInByLink>), Answer::Json(of::<door::SignedIn>)),
    post("/sign-in/password", Some(of::<door::SignInByPassword>), Answer::Json(of::<door::SignedIn>)),
    get("/v1/events", EVENTS, Answer::Text("application/x-ndjson")),
    get("/v1/metrics", &[], Answer::Text("text/plain")),
    get("/v1/crl", &[], Answer::Text("application/x-pem-file")),
    get("/v1/status", &[], Answer::Printed("bartizan status")),
    get("/v1/policies", &[], Answer::Printed("bartizan policies")),
    get("/v1/explain/{request}", &[], Answer::Printed("bartizan explain")),
    get("/v1/trace/{request}", &[], Answer::Printed("bartizan trace")),
    get("/v1/denied", &[], Answer::Printed("bartizan revoked")),
    get("/v1/ca", &[], Answer::Printed("bartizan ca status")),
    get("/v1/ca/issued", &[], Answer::Printed("bartizan ca issued")),
    get("/v1/expiry", &[], Answer::Printed("bartizan expiry")),
    get("/v1/egress", &[], Answer::Printed("bartizan egress list")),
    get("/v1/inventory", &[], Answer::Printed("bartizan api inventory")),
    get("/v1/indicators", &[], Answer::Printed("bartizan slo")),
    get("/v1/federation", &[], Answer::Printed("bartizan federation status")),
    get("/v1/users", &[text("after", "After which name to begin.")], Answer::Printed("bartizan user list")),
    get("/v1/users/show", &[needed(text("name", "Whom it is about."))], Answer::Printed("bartizan user show")),
    get("/v1/clients", &[], Answer::Printed("bartizan client list")),
    get("/v1/keys", &[], Answer::Printed("bartizan key list")),
    post("/v1/reload", None, Answer::Printed("bartizan reload")),
];
