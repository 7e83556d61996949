//! What is kept alive, how each part of it is stopped, and with what it was started.

use super::environment::Ready;
use super::keep::Keeper;
use super::launcher::Launcher;
use super::part::Part;
use bartizan_core::Member;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Shared by those who start and stop parts and those who show them.
#[derive(Debug)]
pub(crate) struct Kept(Mutex<Now>);

#[derive(Debug)]
struct Now {
    /// What stops each part alone.
    parts: BTreeMap<Part, CancellationToken>,
    /// With what each program was started.
    programs: BTreeMap<Member, Ready>,
    /// How parts are started now.
    launcher: Arc<Launcher>,
}

impl Kept {
    pub(crate) fn new(launcher: Arc<Launcher>) -> Self {
        Self(Mutex::new(Now { parts: BTreeMap::new(), programs: BTreeMap::new(), launcher }))
    }

    /// How parts are started now.
    pub(crate) fn launcher(&self) -> Arc<Launcher> {
        Arc::clone(&self.now().launcher)
    }

    /// Parts are started in another way from now on.
    pub(crate) fn set_launcher(&self, launcher: Arc<Launcher>) {
        self.now().launcher = launcher;
    }

    /// Notes that `part` is kept from now on, at the longest until `stage` fires. Gives what stops it alone.
    fn begin(&self, part: &Part, stage: &CancellationToken, launcher: &Launcher) -> CancellationToken {
        let (stop, mut now) = (stage.child_token(), self.now());
        if let Part::Program(member) = part
            && let Some(ready) = launcher.programs.get(member)
        {
            now.programs.insert(member.clone(), ready.clone());
        }
        now.parts.insert(part.clone(), stop.clone());
        stop
    }

    /// Has a part stopped, which takes a while.
    pub(crate) fn end(&self, part: &Part) {
        if let Some(stop) = self.now().parts.remove(part) {
            stop.cancel();
        }
    }

    /// Those whose guards are kept.
    pub(crate) fn members(&self) -> BTreeSet<Member> {
        let member = |part: &Part| if let Part::Sidecar(member) = part { Some(member.clone()) } else { None };
        self.now().parts.keys().filter_map(member).collect()
    }

    /// Those whose programs run with something else than `launcher` would start them with now.
    pub(crate) fn outdated(&self, launcher: &Launcher) -> BTreeSet<Member> {
        let by_name = |member: &Member| launcher.plan.as_ref().is_some_and(|plan| plan.captured.contains_key(member));
        let now = self.now();
        let runs = now.parts.keys().filter_map(|part| if let Part::Program(it) = part { Some(it) } else { None });
        let both = runs.filter_map(|member| Some((member, now.programs.get(member)?, launcher.programs.get(member)?)));
        let differs = both.filter(|(member, then, wanted)| then.lacks(wanted, by_name(member)));
        differs.map(|(member, ..)| member.clone()).collect()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parts that are stopped together.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Its place in the order of starting; those are stopped in the opposite one.
    pub(crate) rank: u8,
    /// Stops them.
    pub(crate) stop: CancellationToken,
    /// They have ended when these have.
    pub(crate) keepers: JoinSet<()>,
}

impl Stage {
    pub(crate) fn new(rank: u8) -> Self {
        Self { rank, stop: CancellationToken::new(), keepers: JoinSet::new() }
    }

    /// Starts a part and keeps it alive.
    pub(crate) fn keep(&mut self, keeper: &Keeper, kept: &Kept, part: Part) {
        let stop = kept.begin(&part, &self.stop, &keeper.launcher);
        self.keepers.spawn(keeper.clone().keep(part, stop));
    }

    /// Stops all of it, and returns once that has happened.
    pub(crate) async fn end(mut self) {
        self.stop.cancel();
        while self.keepers.join_next().await.is_some() {}
    }
}
