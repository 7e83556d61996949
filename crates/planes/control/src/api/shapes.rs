//! What goes into endpoints and what comes out, for [`super::openapi`]: of each the types that are really read and written.

use super::alerts as paging;
use super::promql::described as prom;
use super::{events, inventory, issued, objectives, overview as glance, users, weekly as week};
use crate::api::table::{Endpoint, Method};
use bartizan_core::{
    alerts, balance, client, console as door, federation, group, issued as certificates, on_call, rotation, status,
    versions,
};
use bartizan_core::{deny, event, indicators, objectives as targets, overview, people, promotion, retention, weekly};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// See above.
pub(super) struct Shape {
    method: Method,
    path: &'static str,
    /// An object, of which each member is a parameter.
    pub(super) query: Option<Maker>,
    pub(super) body: Option<Body>,
    pub(super) answer: Answer,
    /// Statuses with which it can be refused, besides those that every endpoint has.
    pub(super) refusals: &'static [u16],
    /// What such a refusal may look like, where it is not only as everywhere.
    pub(super) refused: Option<Maker>,
}

pub(super) type Maker = fn(&mut SchemaGenerator) -> Schema;

/// What comes in.
#[derive(Clone, Copy)]
pub(super) struct Body {
    pub(super) of: Maker,
    /// JSON.
    pub(super) example: &'static str,
}

/// What comes out.
pub(super) enum Answer {
    /// JSON of this type.
    Json(Maker),
    /// One JSON document a line, each of this type, and a header with more.
    Lines(Maker, (&'static str, &'static str)),
    /// Server-sent events: by their names, the JSON that each holds.
    Frames(&'static [(&'static str, Maker)]),
    /// Text of this media type, and what it is.
    Text(&'static str, &'static str),
}

/// The shape of an endpoint. Each that the console serves has one; a test sees to it.
pub(super) fn shape_of(endpoint: &Endpoint) -> Option<&'static Shape> {
    ALL.iter().flat_map(|some| some.iter()).find(|it| it.method == endpoint.method && it.path == endpoint.path)
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Schema {
    schemas.subschema_for::<T>()
}

const fn get(path: &'static str, answer: Answer, refusals: &'static [u16]) -> Shape {
    Shape { method: Method::Get, path, query: None, body: None, answer, refusals, refused: None }
}

const fn asked(query: Maker, shape: Shape) -> Shape {
    Shape { query: Some(query), ..shape }
}

/// Nothing is read of what is sent along.
const fn post(path: &'static str, answer: Answer, refusals: &'static [u16]) -> Shape {
    Shape { method: Method::Post, path, query: None, body: None, answer, refusals, refused: None }
}

const fn sent(of: Maker, example: &'static str, shape: Shape) -> Shape {
    Shape { body: Some(Body { of, example }), ..shape }
}

const fn json<T: JsonSchema>() -> Answer {
    Answer::Json(of::<T>)
}

/// Asked as a Prometheus is, and answered so.
const fn promql(path: &'static str, query: Maker, answer: Maker) -> Shape {
    let shape = get(path, Answer::Json(answer), &[400, 422]);
    Shape { query: Some(query), refused: Some(prom::refusal), ..shape }
}

/// Both ways of going wrong by what is asked: it makes no sense, or there is nothing of that name.
const ASKED: &[u16] = &[400, 404];

const ALL: &[&[Shape]] = &[LOOKING, TRUST, USERS, CLIENTS, AUTHORITIES, ALERTS, HOLDS, DOOR];

/// What is looked at.
const LOOKING: &[Shape] = &[
    get("/v1/status", json::<status::Status>(), &[]),
    get("/v1/policies", json::<status::PoliciesStatus>(), &[500]),
    asked(of::<events::Raw>, get("/v1/events", EVENTS, &[400])),
    get("/v1/explain/{request}", json::<status::Explanation>(), ASKED),
    get("/v1/trace/{request}", json::<status::Trace>(), ASKED),
    get("/v1/metrics", Answer::Text("text/plain", "What Prometheus scrapes, format 0.0.4."), &[]),
    get("/v1/balance", json::<balance::Balance>(), &[]),
    get("/v1/group", json::<group::GroupStatus>(), &[404]),
    get("/v1/egress", json::<status::EgressStatus>(), &[]),
    asked(of::<inventory::Asked>, get("/v1/inventory", json::<status::ApiInventory>(), &[400])),
    get("/v1/indicators", json::<indicators::Indicators>(), &[]),
    get("/v1/objectives", json::<targets::ObjectivesStatus>(), &[]),
    asked(of::<objectives::Asked>, get("/v1/objectives/advice", json::<targets::Advice>(), ASKED)),
    sent(
        of::<promotion::Override>,
        r#"{ "why": "mends what burns", "for_s": 1800 }"#,
        post("/v1/objectives/override", json::<targets::ObjectivesStatus>(), &[400, 409]),
    ),
    post("/v1/objectives/override/end", json::<targets::ObjectivesStatus>(), &[409]),
    get("/v1/map", json::<overview::FleetMap>(), &[]),
    asked(of::<glance::WhichChanges>, get("/v1/changes", json::<overview::Changes>(), &[400])),
    asked(of::<glance::WhichService>, get("/v1/reach", json::<overview::ReachStatus>(), ASKED)),
    asked(of::<glance::WhichSeries>, get("/v1/series", json::<overview::IndicatorSeries>(), &[400])),
    promql("/v1/promql/query", prom::at_moment, prom::answer),
    promql("/v1/promql/query_range", prom::over_range, prom::answer_over),
    promql("/v1/promql/labels", prom::of_names, prom::words),
    promql("/v1/promql/label/{name}/values", prom::of_names, prom::words),
    promql("/v1/promql/series", prom::of_series, prom::series),
    get("/v1/stream", Answer::Frames(FRAMES), &[]),
    get("/v1/openapi.json", Answer::Json(document), &[]),
];

const EVENTS: Answer = Answer::Lines(line, (events::NEXT, "The `cursor` of the next page, where there may be one."));

const FRAMES: &[(&str, Maker)] = &[
    ("hello", of::<overview::StreamHello>),
    ("events", of::<Vec<event::OcsfRecord>>),
    ("map", of::<overview::FleetMap>),
    ("alerts", of::<alerts::AlertsStatus>),
    ("status", of::<status::Status>),
    ("missed", of::<overview::StreamMissed>),
];

fn line(schemas: &mut SchemaGenerator) -> Schema {
    let (record, missed) = (of::<event::OcsfRecord>(schemas), of::<events::EventsMissed>(schemas));
    json_schema!({ "anyOf": [record, missed] })
}

/// Of itself nothing but the outline: what follows is as OpenAPI has it.
fn document(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["openapi", "info", "paths", "components"],
        "properties": {
            "openapi": { "type": "string", "pattern": "^3[.]1[.]", "description": "The version of OpenAPI." },
            "info": { "type": "object", "description": "What it is about." },
            "servers": { "type": "array", "description": "Where it is served." },
            "paths": { "type": "object", "minProperties": 1, "description": "All endpoints." },
            "components": { "type": "object", "minProperties": 1, "description": "The types that they take and answer." },
        },
        "additionalProperties": false,
    })
}

/// Who is trusted and who is not any more.
const TRUST: &[Shape] = &[
    post("/v1/reload", json::<status::Reloaded>(), &[409, 422]),
    post("/v1/node-tokens", json::<status::NodeToken>(), &[]),
    get("/v1/crl", Answer::Text("application/x-pem-file", "A certificate revocation list (RFC 5280)."), &[]),
    get("/v1/denied", json::<deny::DenyList>(), &[]),
    sent(
        of::<status::Revoke>,
        r#"{ "subject": "id:spiffe://bank.example/svc/web", "reason": "its host was broken into" }"#,
        post("/v1/revoke", json::<status::Revoked>(), &[]),
    ),
    sent(
        of::<status::Restore>,
        r#"{ "subject": "id:spiffe://bank.example/svc/web" }"#,
        post("/v1/restore", json::<status::Revoked>(), &[]),
    ),
    sent(
        of::<status::RevokeTokens>,
        r#"{ "subject": "ana" }"#,
        post("/v1/tokens/revoke", json::<status::RevokedTokens>(), &[]),
    ),
    sent(
        of::<status::InspectToken>,
        r#"{ "token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln" }"#,
        post("/v1/tokens/inspect", json::<status::InspectedToken>(), &[]),
    ),
    get("/v1/keys", json::<status::Keys>(), &[]),
    sent(
        of::<status::AddKey>,
        r#"{ "name": "billing", "scopes": ["read"], "expires_s": 86400 }"#,
        post("/v1/keys/add", json::<status::AddedKey>(), &[]),
    ),
    sent(
        of::<status::RevokeKey>,
        r#"{ "name": "billing" }"#,
        post("/v1/keys/revoke", json::<status::RevokedKey>(), &[]),
    ),
];

const OF_ANA: &str = r#"{ "name": "ana" }"#;

/// People.
const USERS: &[Shape] = &[
    asked(of::<users::After>, get("/v1/users", json::<people::Users>(), &[400, 422])),
    asked(of::<people::OfUser>, get("/v1/users/show", json::<people::UserDetail>(), &[400, 404, 422])),
    sent(
        of::<people::AddUser>,
        r#"{ "name": "ana", "display_name": "Ana", "roles": ["bartizan:viewer"] }"#,
        post("/v1/users/add", json::<people::UserLink>(), &[409]),
    ),
    sent(of::<people::OfUser>, OF_ANA, post("/v1/users/disable", json::<people::User>(), &[404])),
    sent(of::<people::OfUser>, OF_ANA, post("/v1/users/enable", json::<people::User>(), &[404])),
    sent(
        of::<people::ResetUser>,
        r#"{ "name": "ana", "factors": true }"#,
        post("/v1/users/reset", json::<people::UserLink>(), &[404]),
    ),
    sent(of::<people::OfUser>, OF_ANA, post("/v1/users/remove", json::<people::User>(), &[404])),
    sent(of::<people::OfUser>, OF_ANA, post("/v1/users/sign-out", json::<people::User>(), &[404])),
    sent(
        of::<people::ChangeRoles>,
        r#"{ "name": "ana", "add": ["teller"], "remove": ["auditor"] }"#,
        post("/v1/users/roles", json::<people::User>(), &[404]),
    ),
];

const OF_APP: &str = r#"{ "client_id": "shop" }"#;

/// Apps.
const CLIENTS: &[Shape] = &[
    get("/v1/clients", json::<client::OauthClients>(), &[409]),
    asked(of::<client::OfClient>, get("/v1/clients/show", json::<client::OauthClient>(), &[400, 404, 409])),
    sent(
        of::<client::AddClient>,
        r#"{ "title": "Shop", "redirect": ["https://shop.example/back"], "signed_out": [], "scopes": [], "grants": [], "require_pushed": true }"#,
        post("/v1/clients/add", json::<client::ClientWithToken>(), &[409]),
    ),
    sent(of::<client::OfClient>, OF_APP, post("/v1/clients/remove", json::<client::OauthClient>(), &[404, 409])),
    sent(of::<client::OfClient>, OF_APP, post("/v1/clients/rotate", json::<client::ClientWithToken>(), &[404, 409])),
];

/// CAs, certificates, and other trust domains.
const AUTHORITIES: &[Shape] = &[
    get("/v1/ca", json::<rotation::CaStatus>(), &[]),
    sent(
        of::<rotation::Rotate>,
        r#"{ "what": "issuing", "canary": "ledger", "wave_percent": 25 }"#,
        post("/v1/ca/rotate", json::<rotation::CaStatus>(), &[409]),
    ),
    post("/v1/ca/revert", json::<rotation::CaStatus>(), &[409, 422]),
    post("/v1/ca/continue", json::<rotation::CaStatus>(), &[409, 422]),
    post("/v1/ca/force", json::<rotation::CaStatus>(), &[409, 422]),
    post("/v1/ca/distrust", json::<rotation::CaStatus>(), &[409, 422]),
    asked(of::<issued::Raw>, get("/v1/ca/issued", json::<certificates::IssuedList>(), &[400])),
    get("/v1/expiry", json::<rotation::Forecast>(), &[]),
    get("/v1/federation", json::<Vec<federation::Standing>>(), &[]),
    post("/v1/federation/refresh", json::<Vec<federation::Standing>>(), &[]),
    get("/v1/federation/bundle", Answer::Json(bundle), &[]),
];

/// As the SPIFFE Trust Domain and Bundle specification has it, section 4.
fn bundle(_: &mut SchemaGenerator) -> Schema {
    let word = |about: &str| serde_json::json!({ "type": "string", "description": about });
    json_schema!({
        "type": "object",
        "description": "A bundle document of SPIFFE: the keys of a trust domain.",
        "required": ["keys", "spiffe_sequence", "spiffe_refresh_hint"],
        "properties": {
            "keys": {
                "type": "array",
                "description": "Roots, and keys of JWT-SVIDs.",
                "items": {
                    "type": "object",
                    "required": ["kty", "use", "crv", "x", "y"],
                    "properties": {
                        "kty": word("`EC`."),
                        "crv": word("`P-256`."),
                        "use": { "enum": ["x509-svid", "jwt-svid"], "description": "What it is for." },
                        "kid": word("Its name, for a key of JWT-SVIDs."),
                        "x": word("A coordinate, base64url."),
                        "y": word("The other one."),
                        "x5c": { "type": "array", "items": { "type": "string" }, "description": "The root itself, DER in base64." },
                    },
                    "additionalProperties": false,
                },
            },
            "spiffe_sequence": { "type": "integer", "minimum": 0, "description": "Grows with every change." },
            "spiffe_refresh_hint": { "type": "integer", "minimum": 1, "description": "How often to look, in seconds." },
        },
        "additionalProperties": false,
    })
}

/// Alerts.
const ALERTS: &[Shape] = &[
    get("/v1/alerts", json::<alerts::AlertsStatus>(), &[]),
    sent(
        of::<alerts::Acknowledge>,
        r#"{ "id": "i3", "note": "the disk is being replaced" }"#,
        post("/v1/alerts/acknowledge", json::<alerts::Acknowledged>(), &[404]),
    ),
    sent(
        of::<alerts::Silence>,
        r#"{ "services": ["ledger"], "for_s": 7200, "why": "the disk is being replaced" }"#,
        post("/v1/alerts/silence", json::<alerts::Window>(), &[404]),
    ),
    sent(
        of::<alerts::EndSilence>,
        r#"{ "id": "s0000002a" }"#,
        post("/v1/alerts/silence/end", json::<alerts::EndSilence>(), &[404]),
    ),
    post("/v1/alerts/rehearse", json::<Vec<alerts::Rehearsal>>(), &[]),
    asked(of::<paging::AskedOnCall>, get("/v1/alerts/on-call", json::<on_call::OnCallStatus>(), &[400])),
    get("/v1/versions", json::<versions::VersionsStatus>(), &[]),
    asked(of::<week::Asked>, get("/v1/reports/weekly", json::<weekly::WeeklyReport>(), ASKED)),
];

/// What of the events stays.
const HOLDS: &[Shape] = &[
    get("/v1/holds", json::<retention::Holds>(), &[]),
    sent(
        of::<retention::HoldWanted>,
        r#"{ "name": "case-17", "reason": "a court asks for it", "scope": { "from": 1790000000000, "service": "payment" } }"#,
        post("/v1/holds/hold", json::<retention::Hold>(), &[404, 409]),
    ),
    sent(
        of::<retention::ReleaseWanted>,
        r#"{ "name": "case-17", "reason": "the case is closed" }"#,
        post("/v1/holds/release", json::<retention::Hold>(), &[404]),
    ),
];

/// Who comes to the console.
const DOOR: &[Shape] = &[
    get("/v1/me", json::<door::Me>(), &[]),
    sent(
        of::<door::MakeLink>,
        r#"{ "role": "viewer", "name": "wall of the office", "minutes": 60 }"#,
        post("/v1/links", json::<door::ConsoleLink>(), &[409]),
    ),
    get("/v1/sessions", json::<door::ConsoleSessions>(), &[]),
    sent(of::<door::EndSessions>, OF_ANA, post("/v1/sessions/end", json::<door::EndedSessions>(), &[])),
    get("/sign-in/state", json::<door::SignInState>(), &[]),
    sent(
        of::<door::SignInByLink>,
        r#"{ "token": "what stands behind #" }"#,
        post("/sign-in/link", json::<door::SignedIn>(), &[401]),
    ),
    sent(
        of::<door::SignInByPassword>,
        r#"{ "name": "ana", "password": "four words of a horse" }"#,
        post("/sign-in/password", json::<door::SignedIn>(), &[401, 404]),
    ),
    post("/sign-in/out", json::<door::SignedOut>(), &[]),
];
