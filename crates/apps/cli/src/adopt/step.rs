//! Which step of a migration is next, from what the file says and what is seen. Nothing is remembered, so that it can be
//! broken off anywhere and goes on from wherever things stand.

use bartizan_core::ServiceName;
use bartizan_core::edge::Mtls;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the steps go by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// What the fleet file says of each service.
    pub(crate) file: BTreeMap<ServiceName, Mtls>,
    /// What is in force, where the fleet runs.
    pub(crate) in_force: Option<BTreeMap<ServiceName, Mtls>>,
    /// Whether each guard of the fleet enforces the newest of everything.
    pub(crate) settled: bool,
    /// Callers that were seen past the guards, or at them without mutual TLS, a count.
    pub(crate) outside: usize,
    /// Calls without mutual TLS lately, a count of addresses.
    pub(crate) lately: usize,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    /// The file says `mtls: permissive` for every service.
    Permit,
    /// Guards are started in front of the programs.
    Start,
    /// The file is put in force.
    Reload,
    /// Callers are pointed at their own guards.
    Move,
    /// The file says `strict`, and that is put in force.
    Strict,
    /// Nothing.
    Done,
}

impl Step {
    /// The next step.
    pub(crate) fn next(facts: &Facts) -> Self {
        let is_strict = |services: &BTreeMap<ServiceName, Mtls>| services.values().all(Mtls::is_strict);
        match &facts.in_force {
            None if is_strict(&facts.file) => Self::Permit,
            None => Self::Start,
            Some(in_force) if *in_force != facts.file || !facts.settled => Self::Reload,
            Some(in_force) if is_strict(in_force) => Self::Done,
            Some(_) if facts.outside > 0 || facts.lately > 0 => Self::Move,
            Some(_) => Self::Strict,
        }
    }

    /// What it is, for people.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Permit => {
                "write `mtls: permissive` into the fleet file for every service; nothing runs differently by that"
            }
            Self::Start => {
                "start the guards with `bartizan up FLEET`, in a terminal or a service of its own; callers go on as before, the guards stand beside them"
            }
            Self::Reload => "put the fleet file in force with a reload, and wait until every guard enforces it",
            Self::Move => {
                "point each caller that is listed at its own guard and restart it, one after the other; go on once nobody is listed"
            }
            Self::Strict => {
                "write `mtls: strict` and reload: from then on guards take mutual TLS alone, and plaintext connections end after the answer under way"
            }
            Self::Done => "nothing; every guard takes mutual TLS alone",
        }
    }

    /// What takes it back.
    pub(crate) const fn way_back(self) -> &'static str {
        match self {
            Self::Permit => "nothing was changed yet",
            Self::Start => "`bartizan adopt back` takes the lines out of the fleet file again",
            Self::Reload | Self::Move => {
                "stop `bartizan up`: programs go on, and callers that address them directly notice nothing"
            }
            Self::Strict => "point callers at the programs again, then stop `bartizan up`",
            Self::Done => "`bartizan adopt back` makes the guards permissive again, without a restart",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mtls: Mtls) -> BTreeMap<ServiceName, Mtls> {
        ["accounts", "payment"].iter().map(|name| (ServiceName::parse(name).unwrap(), mtls)).collect()
    }

    #[test]
    fn steps_follow_from_what_is_there() {
        use Mtls::{Permissive, Strict};
        let facts = |file, in_force: Option<Mtls>, settled, outside, lately| Facts {
            file: all(file),
            in_force: in_force.map(all),
            settled,
            outside,
            lately,
        };
        for (facts, step) in [
            (facts(Strict, None, false, 3, 0), Step::Permit),
            (facts(Permissive, None, false, 3, 0), Step::Start),
            (facts(Permissive, Some(Strict), true, 0, 0), Step::Reload),
            (facts(Permissive, Some(Permissive), false, 0, 0), Step::Reload),
            (facts(Permissive, Some(Permissive), true, 1, 0), Step::Move),
            (facts(Permissive, Some(Permissive), true, 0, 1), Step::Move),
            (facts(Permissive, Some(Permissive), true, 0, 0), Step::Strict),
            (facts(Strict, Some(Permissive), true, 0, 0), Step::Reload),
            (facts(Strict, Some(Strict), true, 0, 0), Step::Done),
        ] {
            assert_eq!(Step::next(&facts), step, "{facts:?}");
            assert!(!step.about().is_empty() && !step.way_back().is_empty());
        }
    }
}
