//! Which calls a fleet file declares.

use bartizan_core::fleet::Fleet;
use std::collections::BTreeSet;

/// Services, and who may call whom.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    services: BTreeSet<Box<str>>,
    edges: BTreeSet<(Box<str>, Box<str>)>,
}

impl Declared {
    /// Those of a fleet.
    pub fn of(fleet: &Fleet) -> Self {
        let name = |it: &bartizan_core::ServiceName| Box::from(it.as_str());
        Self {
            services: fleet.services.keys().map(name).collect(),
            edges: fleet.edges().map(|(from, to)| (name(&from), name(&to))).collect(),
        }
    }

    /// Whether both are services of the fleet, and a call from one to the other is not declared. Of whom nobody knows, nothing is said.
    pub(crate) fn lacks(&self, from: &str, to: &str) -> bool {
        let is_known = |name: &str| self.services.contains(name);
        from != to && is_known(from) && is_known(to) && !self.edges.contains(&(from.into(), to.into()))
    }
}
