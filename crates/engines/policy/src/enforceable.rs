//! Controls that a proxy could not keep, refused when they are written.
//!
//! What a proxy can tell apart depends on what the program speaks: of a TCP service it sees connections, of an HTTP
//! service it sees requests. A policy that names more than that would lie to whoever reads it.

use crate::error::PolicyError;
use crate::from_fleet::actions_of;
use crate::known::{Known, Type};
use crate::reach::guards;
use crate::read::Written;
use crate::scope::{Actions, Scope};
use crate::validate::Places;
use bartizan_core::fleet::{Fleet, Protocol, Service};
use bartizan_core::name::UNAUTHENTICATED;
use bartizan_core::{Action, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// One error for each policy that asks for what cannot be seen.
pub(crate) fn enforceable(
    policies: &[Written],
    files: &BTreeMap<String, String>,
    fleet: &Fleet,
    known: &Known,
) -> Vec<PolicyError> {
    let mut places = Places::of(policies, files);
    let mut errors = Vec::new();
    let edges: BTreeSet<(ServiceName, ServiceName)> = fleet.edges().collect();
    for written in policies.iter().filter(|written| !written.is_own()) {
        let objection = nobody_checks(written, files, fleet);
        let objection = objection.or_else(|| self::objection(written, written.names_context(files), fleet));
        let objection = objection.map(|(message, help)| (message, help.to_owned()));
        if let Some((message, help)) =
            objection.or_else(|| inert(written, fleet, &edges).filter(|_| is_known(written, known)))
        {
            errors.push(places.policy(written, message, help));
        }
    }
    errors
}

/// A policy that asks for the user of a call, in a fleet where nobody ever shows a token: it would permit nobody, or forbid
/// everybody, and look as if it looked at users.
fn nobody_checks(written: &Written, files: &BTreeMap<String, String>, fleet: &Fleet) -> Option<(String, &'static str)> {
    let routes = fleet.gateway.iter().flat_map(|gateway| &gateway.routes);
    if routes.into_iter().any(|route| !route.auth.is_none()) || !written.asks_for_user(files) {
        return None;
    }
    let message =
        "the policy asks for the user of a call, and no route of the gateway asks anybody for a token".to_owned();
    Some((message, "write `auth: user` at a route, and under `users` whose tokens are believed"))
}

/// Whether everybody named in its head exists; else that is what is wrong with it, and is said elsewhere.
fn is_known(written: &Written, known: &Known) -> bool {
    let named = [written.scope.principal.anchor(), written.scope.resource.anchor()];
    named.into_iter().flatten().all(|entity| known.check(entity).is_ok())
}

/// What keeps a policy from ever having an effect: nobody would notice that it has none.
fn inert(written: &Written, fleet: &Fleet, edges: &BTreeSet<(ServiceName, ServiceName)>) -> Option<(String, String)> {
    if let Some((caller, callee)) = ends(written, fleet) {
        if caller == callee {
            let message = "the policy can never match: a service does not call itself through its proxy".to_owned();
            return Some((message, "name another caller".to_owned()));
        }
        let declared = edges.iter().any(|(from, to)| *from.as_str() == caller && to.as_str() == callee);
        if written.is_permit() && !declared && !is_taken_unnamed(fleet, &caller, &callee) {
            let message = format!(
                "`{caller}` is permitted to call `{callee}`, but the fleet declares no such call, so no proxy offers the way"
            );
            return Some((message, format!("add `{callee}` to the calls of `{caller}` in the fleet file")));
        }
    }
    let asked = guards(written, fleet);
    if asked.is_empty()
        && let Some(objection) = bare(written, fleet)
    {
        return Some(objection);
    }
    asked.is_empty().then(|| {
        let message = "the policy can never match: no guard of the fleet is asked about such a call".to_owned();
        let help = "HTTP services are asked to `read`, `write` or `other`, TCP services to `connect`, by the callers that the \
                    fleet file names";
        (message, help.to_owned())
    })
}

/// The service without a guard on account of which nobody is asked.
fn bare(written: &Written, fleet: &Fleet) -> Option<(String, String)> {
    if let Some((name, _)) = callee(&written.scope, fleet).filter(|(_, service)| !service.guarded) {
        let message =
            format!("`{name}` has no guard (`guards` in the fleet file), so nobody asks this about calls to it");
        let help = "name it under `guards`; what its gateway route brings is asked as `Workload::\"gateway\"`";
        return Some((message, help.to_owned()));
    }
    let caller = written.scope.principal.anchor().filter(|entity| Type::of(entity) == Some(Type::Workload))?;
    let name = fleet.unguarded().find(|name| name.as_str() == caller.id().unescaped())?;
    let message =
        format!("`{name}` has no guard (`guards` in the fleet file), so nobody knows when it is `{name}` that calls");
    let help = format!("name it under `guards`; at a permissive callee it is `Workload::\"{}\"`", UNAUTHENTICATED);
    Some((message, help))
}

/// Whether the caller is those without mutual TLS, and the callee still takes them.
fn is_taken_unnamed(fleet: &Fleet, caller: &str, callee: &str) -> bool {
    let mut open = fleet.services.iter().filter(|(_, service)| !service.mtls.is_strict());
    caller == UNAUTHENTICATED && open.any(|(name, _)| name.as_str() == callee)
}

/// Caller and callee, where a policy names both.
pub(crate) fn ends(written: &Written, fleet: &Fleet) -> Option<(String, String)> {
    let is_caller = |kind| matches!(kind, Some(Type::Workload | Type::ForeignWorkload));
    let caller = written.scope.principal.anchor().filter(|entity| is_caller(Type::of(entity)))?;
    let (callee, _) = callee(&written.scope, fleet)?;
    Some((caller.id().unescaped().to_owned(), callee.to_owned()))
}

/// The service that a scope is about, where it names one, itself or by a route.
pub(crate) fn callee<'a>(scope: &Scope, fleet: &'a Fleet) -> Option<(&'a str, &'a Service)> {
    let entity = scope.resource.anchor()?;
    let id = entity.id().unescaped();
    let name = match Type::of(entity)? {
        Type::Service => id,
        Type::Route => id.split_once('/')?.0,
        Type::Workload | Type::ForeignWorkload | Type::Action => return None,
    };
    let (name, service) = fleet.services.iter().find(|(service, _)| service.as_str() == name)?;
    Some((name.as_str(), service))
}

/// A service on which a policy about requests could be stepped round: it speaks `auto`, and the policy can concern it.
fn unseen<'a>(written: &Written, context: bool, fleet: &'a Fleet) -> Option<&'a str> {
    let named = written.scope.named;
    let about_requests = context || (!named.is_empty() && !named.has(Action::Connect));
    if !about_requests {
        return None;
    }
    let is_auto = |service: &Service| service.protocol == Protocol::Auto;
    match written.scope.resource.anchor() {
        Some(_) => callee(&written.scope, fleet).filter(|(_, service)| is_auto(service)).map(|(name, _)| name),
        None => fleet.services.iter().find(|(_, service)| is_auto(service)).map(|(name, _)| name.as_str()),
    }
}

fn objection(written: &Written, context: bool, fleet: &Fleet) -> Option<(String, &'static str)> {
    let connect = Actions::of(&[Action::Connect]);
    if context && written.scope.actions == connect {
        let message = "this policy is about `connect` and looks at `context`: a connection has no method and no path";
        return Some((message.to_owned(), "decide by principal and resource alone"));
    }
    if let Some(name) = unseen(written, context, fleet) {
        let message = format!(
            "this policy is about requests and cannot be enforced on `{name}`, whose protocol is `auto`: a caller that is taken \
             for TCP is asked for `connect` alone"
        );
        return Some((message, "say `protocol: http` (or grpc, tcp) for that service in the fleet file"));
    }
    let (name, service) = callee(&written.scope, fleet)?;
    let blind = written.scope.named.without(actions_of(service.protocol)).iter().next();
    match (service.protocol, blind) {
        (Protocol::Tcp, Some(action)) => Some((
            format!(
                "`{}` on `{name}` cannot be enforced: it speaks tcp, so its proxy sees connections, not requests",
                action.as_str()
            ),
            "write `action == Action::\"connect\"`",
        )),
        (Protocol::Tcp, None) if context => Some((
            format!(
                "method and path on `{name}` cannot be enforced: it speaks tcp, so its proxy sees connections, not requests"
            ),
            "decide by principal and resource alone",
        )),
        (_, Some(action)) => Some((
            format!(
                "`{}` on `{name}` cannot be enforced: it speaks HTTP, so its proxy decides on requests, not on connections",
                action.as_str()
            ),
            "write `read`, `write` or `other`, or leave the action open",
        )),
        (_, None) => None,
    }
}
