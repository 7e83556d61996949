//! Where each policy is asked: the guards whose callers, actions and resources it can be about.

use crate::draft::Draft;
use crate::error::{Page, PolicyErrors};
use crate::from_fleet::{actions_of, resources};
use crate::known::{Type, uid};
use crate::read::Written;
use crate::scope::{Actions, Call};
use bartizan_core::fleet::{Fleet, Service};
use bartizan_core::snapshot::Policies;
use bartizan_core::{Action, ServiceName};
use cedar_policy::EntityUid;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One policy and the guards that ask it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Its name.
    pub id: Arc<str>,
    /// Its file.
    pub file: Arc<str>,
    /// The line where it begins, from 1.
    pub line: u32,
    /// Whether it permits.
    pub permit: bool,
    /// Whether it was compiled from the fleet file.
    pub declared: bool,
    /// Whether it is tried out, and decides nothing.
    pub shadow: bool,
    /// The guards: of services, and `gateway`.
    pub guards: BTreeSet<ServiceName>,
}

/// Every policy of the snapshot of `fleet`, by file and place. Takes about 0.1 ms for each.
///
/// # Errors
/// Where the snapshot does not compile.
pub fn reach(fleet: &Fleet, snapshot: &Policies) -> Result<Vec<Reach>, PolicyErrors> {
    let draft = Draft::of(snapshot)?;
    PolicyErrors::none_of(draft.errors)?;
    let told = |written: &Written| {
        let text = snapshot.files.get(&*written.file).map_or("", String::as_str);
        Reach {
            id: Arc::clone(&written.id),
            file: Arc::clone(&written.file),
            line: Page::new(&written.file, text).place(written.span.start).0,
            permit: written.is_permit(),
            declared: written.is_own(),
            shadow: written.shadow,
            guards: guards(written, fleet),
        }
    };
    Ok(draft.policies.iter().map(told).collect())
}

/// The guards that ask a policy: that of a service where somebody may call it, and the gateway's for what it routes.
pub(crate) fn guards(written: &Written, fleet: &Fleet) -> BTreeSet<ServiceName> {
    let asked = |(name, service): &(&ServiceName, &Service)| {
        let callers = callers(written, fleet, name);
        fits(written, name, service, &callers, Actions::ALL)
    };
    let mut guards: BTreeSet<_> =
        fleet.services.iter().filter(|(_, it)| it.guarded).filter(asked).map(|(name, _)| name.clone()).collect();
    if let Some(gateway) = &fleet.gateway {
        let requests = Actions::of(&[Action::Read, Action::Write, Action::Other]);
        let routed = gateway.routes.iter().any(|route| {
            let mut callers = vec![uid(Type::Workload, ServiceName::gateway().as_str())];
            callers.extend(route.from.iter().map(|client| caller(fleet, client)));
            let service = fleet.services.get(&route.to);
            service.is_some_and(|service| fits(written, &route.to, service, &callers, requests))
        });
        if routed {
            guards.insert(ServiceName::gateway());
        }
    }
    guards
}

fn fits(written: &Written, name: &ServiceName, service: &Service, callers: &[EntityUid], actions: Actions) -> bool {
    let whole = uid(Type::Service, name.as_str());
    let mut parts = resources(name, service).map(|route| match route {
        Some(route) => (uid(Type::Route, &route), Some(&whole)),
        None => (whole.clone(), None),
    });
    parts.any(|(resource, parent)| {
        let seen = actions_of(service.protocol).and(actions);
        seen.iter().any(|action| {
            let mut calls = callers.iter().map(|principal| Call { principal, action, resource: &resource, parent });
            calls.any(|call| written.scope.fits(&call))
        })
    })
}

/// Those of whom a policy can be when they call `callee`: the one that it names, or one of each kind.
fn callers(written: &Written, fleet: &Fleet, callee: &ServiceName) -> Vec<EntityUid> {
    if let Some(named) = written.scope.principal.anchor() {
        // A service does not call itself through its guard, and nobody knows one without a guard.
        let id = named.id().unescaped();
        let is_workload = Type::of(named) == Some(Type::Workload);
        let is_bare = fleet.unguarded().any(|name| name.as_str() == id);
        return if is_workload && (id == callee.as_str() || is_bare) { Vec::new() } else { vec![named.clone()] };
    }
    let foreign = fleet.others.iter().find(|(_, it)| fleet.is_foreign(&it.id) && !it.calls.is_empty());
    let somebody = std::iter::once(uid(Type::Workload, ServiceName::gateway().as_str()));
    somebody.chain(foreign.map(|(name, _)| uid(Type::ForeignWorkload, name.as_str()))).collect()
}

fn caller(fleet: &Fleet, name: &ServiceName) -> EntityUid {
    let foreign = fleet.others.get(name).is_some_and(|it| fleet.is_foreign(&it.id));
    uid(if foreign { Type::ForeignWorkload } else { Type::Workload }, name.as_str())
}
