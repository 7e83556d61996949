//! Who may do what to whom, for a look at the whole fleet: what default deny leaves open.

use crate::engine::{Ask, Engine};
use bartizan_core::fleet::Fleet;
use bartizan_core::{Action, ServiceName, SpiffeId};
use serde::Serialize;
use std::collections::BTreeSet;

/// Every allowed triple of caller, callee and action, for a plain request: no named route, path `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The rows: services, the gateway where there is one, and the callers beside them.
    pub callers: Vec<ServiceName>,
    /// The columns: services.
    pub callees: Vec<ServiceName>,
    /// What is allowed; everything else is denied.
    pub allowed: BTreeSet<(ServiceName, ServiceName, Action)>,
}

impl Matrix {
    /// Whether `caller` may do `action` to `callee`.
    pub fn allows(&self, caller: &ServiceName, callee: &ServiceName, action: Action) -> bool {
        self.allowed.contains(&(caller.clone(), callee.clone(), action))
    }
}

/// Asks `engine` about every ordered pair of `fleet`'s services and every action: four decisions for each cell.
pub fn matrix(engine: &Engine, fleet: &Fleet) -> Matrix {
    let callees: Vec<ServiceName> = fleet.services.keys().cloned().collect();
    let mut callers = callees.clone();
    callers.extend(fleet.gateway.is_some().then(ServiceName::gateway));
    callers.extend(fleet.others.iter().filter(|(_, it)| !it.calls.is_empty()).map(|(name, _)| name.clone()));
    let mut allowed = BTreeSet::new();
    for caller in &callers {
        let id = fleet.others.get(caller).map(|it| &it.id);
        for callee in &callees {
            let may =
                Action::ALL.into_iter().filter(|action| engine.decide(&plain(caller, id, callee, *action)).is_allow());
            allowed.extend(may.map(|action| (caller.clone(), callee.clone(), action)));
        }
    }
    Matrix { callers, callees, allowed }
}

fn plain<'a>(
    principal: &'a ServiceName,
    id: Option<&'a SpiffeId>,
    resource: &'a ServiceName,
    action: Action,
) -> Ask<'a> {
    let (method, path) = match action {
        Action::Read => ("GET", "/"),
        Action::Write => ("POST", "/"),
        Action::Other => ("PROPFIND", "/"), // any method that is in neither class (RFC 4918)
        Action::Connect => ("", ""),
    };
    Ask { principal, id, action, resource, route: None, method, path, user: None }
}
