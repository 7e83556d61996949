//! Controls that a proxy could not keep, refused when they are written.
//!
//! What a proxy can tell apart depends on what the program speaks: of a TCP service it sees connections, of an HTTP
//! service it sees requests. A policy that names more than that would lie to whoever reads it.

use crate::error::PolicyError;
use crate::from_fleet::actions_of;
use crate::known::Type;
use crate::read::Written;
use crate::scope::{Actions, Scope};
use crate::validate::Places;
use bartizan_core::Action;
use bartizan_core::fleet::{Fleet, Protocol, Service};
use std::collections::BTreeMap;

/// One error for each policy that asks for what cannot be seen.
pub(crate) fn enforceable(policies: &[Written], files: &BTreeMap<String, String>, fleet: &Fleet) -> Vec<PolicyError> {
    let mut places = Places::of(policies, files);
    let mut errors = Vec::new();
    for written in policies.iter().filter(|written| !written.is_own()) {
        if let Some((message, help)) = objection(written, written.names_context(files), fleet) {
            errors.push(places.policy(written, message, help.to_owned()));
        }
    }
    errors
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
