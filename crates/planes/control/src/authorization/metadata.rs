//! What anybody may know: where everything is (RFC 8414, OpenID Connect Discovery), and by which keys tokens are checked (RFC 7517).

use super::answer::{Refusal, unstored};
use super::ask::{Connection, take};
use super::paths;
use crate::app::App;
use crate::people::{ACR_ONE_FACTOR, ACR_TWO_FACTORS};
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bartizan_core::authorization::{Authorization, Grant};
use bartizan_runtime::clock;
use bartizan_tokens::dpop::ALGS;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) async fn metadata(State(app): State<Arc<App>>, Extension(from): Extension<Connection>) -> Response {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref().ok_or_else(|| Refusal::unable("there is none any more"));
    let document = take(&app, &from).and_then(|()| said.map(document));
    document.map_or_else(|refusal| refusal.answer(&app, &from), unstored)
}

/// The same under another name, where people sign in.
pub(super) async fn openid(state: State<Arc<App>>, from: Extension<Connection>) -> Response {
    let in_force = state.0.in_force();
    match in_force.desired.fleet.authorization.as_ref().is_some_and(Authorization::has_apps) {
        true => metadata(state, from).await,
        false => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn jwks(State(app): State<Arc<App>>, Extension(from): Extension<Connection>) -> Response {
    if let Err(refusal) = take(&app, &from) {
        return refusal.answer(&app, &from);
    }
    let now = clock::now();
    let (keys, ids) = (app.authorization.keys.jwks(now).keys, app.authorization.id_keys.jwks(now).keys);
    let keys: Vec<Value> = keys.iter().chain(&ids).map(|key| Value::Object(key.to_json())).collect();
    unstored(json!({ "keys": keys }))
}

fn document(said: &Authorization) -> Value {
    let issuer = &said.issuer;
    let apps = said.apps.values().map(|app| &app.scopes).chain(said.registration.iter().map(|it| &it.scopes));
    let scopes: BTreeSet<&String> = said.clients.values().map(|client| &client.scopes).chain(apps).flatten().collect();
    let by_certificate = ["tls_client_auth"];
    let mut document = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{}", paths::TOKEN),
        "jwks_uri": format!("{issuer}{}", paths::JWKS),
        "introspection_endpoint": format!("{issuer}{}", paths::INTROSPECT),
        "revocation_endpoint": format!("{issuer}{}", paths::REVOKE),
        // RFC 8414 wants the list where there is no authorization endpoint too.
        "response_types_supported": [],
        "grant_types_supported": Grant::OF_CLIENTS.map(Grant::grant_type),
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": by_certificate,
        "introspection_endpoint_auth_methods_supported": by_certificate,
        "revocation_endpoint_auth_methods_supported": by_certificate,
        "tls_client_certificate_bound_access_tokens": true,
        "dpop_signing_alg_values_supported": ALGS.iter().map(|alg| alg.as_str()).collect::<Vec<_>>(),
    });
    if said.has_apps() {
        add_apps(&mut document, said);
    }
    document
}

fn add_apps(document: &mut Value, said: &Authorization) {
    let issuer = &said.issuer;
    let or_nothing = ["none", "tls_client_auth"];
    let grants = Grant::OF_CLIENTS.into_iter().chain(Grant::OF_APPS);
    for (name, value) in [
        ("authorization_endpoint", json!(format!("{issuer}{}", paths::AUTHORIZE))),
        ("pushed_authorization_request_endpoint", json!(format!("{issuer}{}", paths::PAR))),
        ("device_authorization_endpoint", json!(format!("{issuer}{}", paths::DEVICE_AUTHORIZATION))),
        ("userinfo_endpoint", json!(format!("{issuer}{}", paths::USERINFO))),
        ("end_session_endpoint", json!(format!("{issuer}{}", paths::LOGOUT))),
        ("response_types_supported", json!(["code"])),
        ("response_modes_supported", json!(["query"])),
        ("grant_types_supported", json!(grants.map(Grant::grant_type).collect::<Vec<_>>())),
        ("token_endpoint_auth_methods_supported", json!(or_nothing)),
        ("revocation_endpoint_auth_methods_supported", json!(or_nothing)),
        ("code_challenge_methods_supported", json!(["S256"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["ES256"])),
        ("prompt_values_supported", json!(["none", "login", "consent"])),
        ("acr_values_supported", json!([ACR_ONE_FACTOR, ACR_TWO_FACTORS])),
        ("require_pushed_authorization_requests", json!(said.pushed)),
        ("backchannel_logout_supported", json!(true)),
        ("backchannel_logout_session_supported", json!(true)),
        ("request_parameter_supported", json!(false)),
        ("request_uri_parameter_supported", json!(false)),
        ("claims_parameter_supported", json!(false)),
        (
            "claims_supported",
            json!([
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "nonce",
                "at_hash",
                "auth_time",
                "acr",
                "amr",
                "sid",
                "name",
                "preferred_username",
                "email",
                "email_verified"
            ]),
        ),
    ] {
        document[name] = value;
    }
    if said.registration.is_some() {
        document["registration_endpoint"] = json!(format!("{issuer}{}", paths::REGISTER));
    }
}
