//! Every endpoint with who may call it.

use crate::api::{
    authorize, ca, clients, crl, deny, egress, events, expiry, explain, federation, indicators, inspect_token,
    inventory, issued, keys, metrics, node_tokens, objectives, policies, record, reload, revoke_tokens, status, trace,
    users,
};
use crate::app::App;
use axum::Router;
use axum::routing::MethodRouter;
use std::sync::Arc;

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The user that control runs as, and root: whoever could read its data folder anyway.
    Operator,
}

/// How an endpoint is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Changes nothing.
    Get,
    /// Changes something.
    Post,
}

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// How it is called.
    pub method: Method,
    /// Its path; `{request}` stands for a request id.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// What it is for.
    pub about: &'static str,
    pub(crate) route: fn() -> MethodRouter<Arc<App>>,
}

/// All endpoints, in the order of the manual.
pub const ENDPOINTS: &[Endpoint] = &[
    status::IT,
    policies::IT,
    events::IT,
    record::IT,
    explain::IT,
    trace::IT,
    metrics::IT,
    node_tokens::IT,
    reload::IT,
    crl::IT,
    deny::LIST,
    deny::REVOKE,
    deny::RESTORE,
    revoke_tokens::IT,
    inspect_token::IT,
    users::LIST,
    users::SHOW,
    users::ADD,
    users::DISABLE,
    users::ENABLE,
    users::RESET,
    users::REMOVE,
    users::SIGN_OUT,
    users::ROLES,
    clients::LIST,
    clients::SHOW,
    clients::ADD,
    clients::REMOVE,
    clients::ROTATE,
    keys::LIST,
    keys::ADD,
    keys::REVOKE,
    ca::STATUS,
    ca::ROTATE,
    ca::REVERT,
    ca::CONTINUE,
    ca::FORCE,
    ca::DISTRUST,
    issued::IT,
    expiry::IT,
    egress::IT,
    inventory::IT,
    indicators::IT,
    objectives::LIST,
    objectives::ADVICE,
    federation::STATUS,
    federation::REFRESH,
    federation::BUNDLE,
];

/// The router of the whole table. Nothing is reachable that is not in it.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(endpoint.path, authorize::guard((endpoint.route)(), endpoint.who, Arc::clone(&app)));
    }
    router.with_state(app)
}
