//! Every endpoint with who may call it.

use crate::api::actor::Actor;
use crate::api::{
    alerts, authorize, balance, ca, clients, crl, deny, egress, events, expiry, explain, federation, group, holds,
    indicators, inspect_token, inventory, issued, keys, me, metrics, node_tokens, objectives, openapi, overview,
    policies, promql, record, reload, revoke_tokens, sessions, status, stream, trace, users, versions, weekly,
};
use crate::app::App;
use crate::settled::before_answers;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use bartizan_core::console::ConsoleRole;
use std::fmt;
use std::sync::Arc;

/// Who may call an endpoint, at the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody who reaches the console: nobody has signed in yet.
    Nobody,
    /// Whoever may look.
    Viewer,
    /// Whoever may do what can be undone.
    Operator,
    /// Whoever may do everything. So may, at the socket, the user that control runs as and root: they could read its data folder anyway.
    Administrator,
    /// Those two alone: it is for our own processes.
    Local,
}

impl Who {
    /// Whether it may be called by that one.
    pub(crate) fn lets_in(self, actor: &Actor) -> bool {
        match self {
            Self::Nobody => true,
            Self::Viewer => actor.role >= ConsoleRole::Viewer,
            Self::Operator => actor.role >= ConsoleRole::Operator,
            Self::Administrator => actor.role >= ConsoleRole::Administrator,
            Self::Local => actor.is_local,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "everybody",
            Self::Viewer => "a viewer",
            Self::Operator => "an operator",
            Self::Administrator => "an administrator",
            Self::Local => "only whoever is at control's socket",
        })
    }
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
    balance::IT,
    group::IT,
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
    alerts::LIST,
    alerts::ACKNOWLEDGE,
    alerts::SILENCE,
    alerts::END,
    alerts::REHEARSE,
    alerts::ON_CALL,
    versions::IT,
    weekly::IT,
    holds::LIST,
    holds::HOLD,
    holds::RELEASE,
    objectives::ADVICE,
    objectives::OVERRIDE,
    objectives::END_OVERRIDE,
    federation::STATUS,
    federation::REFRESH,
    federation::BUNDLE,
    overview::MAP,
    overview::CHANGES,
    overview::REACH,
    overview::SERIES,
    promql::QUERY,
    promql::RANGE,
    promql::LABELS,
    promql::VALUES,
    promql::SERIES,
    stream::IT,
    openapi::IT,
    me::IT,
    sessions::LINK,
    sessions::LIST,
    sessions::END,
];

/// The router of the whole table. Nothing is reachable that is not in it.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(endpoint.path, authorize::guard((endpoint.route)(), endpoint.who, Arc::clone(&app)));
    }
    router.layer(from_fn_with_state(Arc::clone(&app), before_answers)).with_state(app)
}
