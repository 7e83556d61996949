//! Scopes, by what they name: the few policies that can be about a call, out of thousands.

use crate::scope::{Call, Scope};
use cedar_policy::EntityUid;
use std::collections::HashMap;

/// Numbers of policies, by the principal and the resource that their scope names.
///
/// Worth its lines: Cedar walks every policy it is given, about a microsecond each (`examples/decide_cost.rs`).
#[derive(Default)]
pub(crate) struct Index {
    by_principal: HashMap<Option<EntityUid>, HashMap<Option<EntityUid>, Vec<u32>>>,
}

impl Index {
    /// `scopes` come in the order of the policies' numbers.
    pub(crate) fn of<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Self {
        let mut index = Self::default();
        for (scope, number) in scopes.zip(0..) {
            let by_resource = index.by_principal.entry(scope.principal.anchor().cloned()).or_default();
            by_resource.entry(scope.resource.anchor().cloned()).or_default().push(number);
        }
        index
    }

    /// Numbers of the policies whose scope may fit `call`; [`Scope::fits`] has the last word.
    pub(crate) fn near(&self, call: &Call<'_>) -> impl Iterator<Item = u32> {
        let principals = [None, Some(call.principal.clone())];
        let mut resources = vec![None, Some(call.resource.clone())];
        resources.extend(call.parent.map(|parent| Some(parent.clone())));
        let mut found = Vec::new();
        for by_resource in principals.iter().filter_map(|principal| self.by_principal.get(principal)) {
            for numbers in resources.iter().filter_map(|resource| by_resource.get(resource)) {
                found.extend_from_slice(numbers);
            }
        }
        found.sort_unstable();
        found.into_iter()
    }
}
