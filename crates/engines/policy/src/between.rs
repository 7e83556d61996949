//! Which policies can be about calls from one to another.

use crate::draft::Draft;
use crate::error::{Page, PolicyErrors};
use crate::from_fleet::{actions_of, resources};
use crate::known::{Type, uid};
use crate::read::Written;
use crate::scope::Call;
use bartizan_core::ServiceName;
use bartizan_core::fleet::Fleet;
use bartizan_core::snapshot::Policies;
use cedar_policy::EntityUid;
use std::sync::Arc;

/// A policy that can decide calls of an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    /// Its name.
    pub id: Arc<str>,
    /// Its file.
    pub file: Arc<str>,
    /// The line where it begins, from 1.
    pub line: u32,
    /// Whether it permits.
    pub permit: bool,
    /// Named routes of the callee that it is about; empty where it is about the callee as a whole.
    pub routes: Vec<String>,
}

/// Policies, ready to be asked about many edges.
pub struct Edges<'a> {
    fleet: &'a Fleet,
    snapshot: &'a Policies,
    draft: Draft,
}

impl std::fmt::Debug for Edges<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edges").field("policies", &self.draft.policies.len()).finish_non_exhaustive()
    }
}

impl<'a> Edges<'a> {
    /// Reads the policies. Takes about 0.1 ms for each.
    ///
    /// # Errors
    /// Where the snapshot does not compile.
    pub fn of(fleet: &'a Fleet, snapshot: &'a Policies) -> Result<Self, PolicyErrors> {
        let mut draft = Draft::of(snapshot)?;
        PolicyErrors::none_of(std::mem::take(&mut draft.errors))?;
        Ok(Self { fleet, snapshot, draft })
    }

    /// The policies in force whose scope calls from `from` to `to` can fit, whatever their conditions say then.
    pub fn between(&self, from: &ServiceName, to: &ServiceName) -> Vec<Between> {
        let Some(service) = self.fleet.services.get(to) else { return Vec::new() };
        let is_foreign = self.fleet.others.get(from).is_some_and(|it| self.fleet.is_foreign(&it.id));
        let principal = uid(if is_foreign { Type::ForeignWorkload } else { Type::Workload }, from.as_str());
        let whole = uid(Type::Service, to.as_str());
        let fits = |written: &Written, resource: &EntityUid, parent: Option<&EntityUid>| {
            let seen = actions_of(service.protocol);
            seen.iter().any(|action| written.scope.fits(&Call { principal: &principal, action, resource, parent }))
        };
        let told = |written: &Written| {
            let as_a_whole = fits(written, &whole, None);
            let routes = resources(to, service)
                .flatten()
                .filter(|route| !as_a_whole && fits(written, &uid(Type::Route, route), Some(&whole)));
            let routes: Vec<String> = routes.collect();
            if !as_a_whole && routes.is_empty() {
                return None;
            }
            let text = self.snapshot.files.get(&*written.file).map_or("", String::as_str);
            Some(Between {
                id: Arc::clone(&written.id),
                file: Arc::clone(&written.file),
                line: Page::new(&written.file, text).place(written.span.start).0,
                permit: written.is_permit(),
                routes,
            })
        };
        self.draft.policies.iter().filter(|written| !written.shadow).filter_map(told).collect()
    }
}
