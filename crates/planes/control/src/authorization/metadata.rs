//! What anybody may know: where everything is (RFC 8414), and by which keys tokens are checked (RFC 7517).

use super::answer::{Refusal, unstored};
use super::ask::{Connection, take};
use super::paths;
use crate::app::App;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use bartizan_core::authorization::{Authorization, Grant};
use bartizan_runtime::clock;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) async fn metadata(State(app): State<Arc<App>>, Extension(from): Extension<Connection>) -> Response {
    let in_force = app.in_force();
    let said = in_force.desired.fleet.authorization.as_ref().ok_or_else(|| Refusal::unable("there is none any more"));
    let document = take(&app, &from).and_then(|()| said.map(document));
    document.map_or_else(|refusal| refusal.answer(&app, &from), unstored)
}

pub(super) async fn jwks(State(app): State<Arc<App>>, Extension(from): Extension<Connection>) -> Response {
    if let Err(refusal) = take(&app, &from) {
        return refusal.answer(&app, &from);
    }
    let keys = app.authorization.keys.jwks(clock::now()).keys;
    let keys: Vec<Value> = keys.iter().map(|key| Value::Object(key.to_json())).collect();
    unstored(json!({ "keys": keys }))
}

fn document(said: &Authorization) -> Value {
    let issuer = &said.issuer;
    let scopes: BTreeSet<&String> = said.clients.values().flat_map(|client| &client.scopes).collect();
    let by_certificate = ["tls_client_auth"];
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{}", paths::TOKEN),
        "jwks_uri": format!("{issuer}{}", paths::JWKS),
        "introspection_endpoint": format!("{issuer}{}", paths::INTROSPECT),
        "revocation_endpoint": format!("{issuer}{}", paths::REVOKE),
        // There is no authorization endpoint, and RFC 8414 wants the list all the same.
        "response_types_supported": [],
        "grant_types_supported": Grant::ALL.map(Grant::grant_type),
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": by_certificate,
        "introspection_endpoint_auth_methods_supported": by_certificate,
        "revocation_endpoint_auth_methods_supported": by_certificate,
        "tls_client_certificate_bound_access_tokens": true,
    })
}
