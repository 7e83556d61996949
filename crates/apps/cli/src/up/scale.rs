//! Instances that come and go while the fleet runs: control says which there are (after a reload), and they are started and
//! stopped here. An added one is told to callers once its guard has come; a removed one gets no more calls by the time it stops.

use super::board::Phase;
use super::keep::Keeper;
use super::launcher::Launcher;
use super::part::Part;
use super::prepare::programs;
use crate::check::check;
use crate::failure::Failure;
use crate::limits::{PROGRAM_READY_WITHIN, SCALE_DOWN_PAUSE, SCALE_EVERY};
use bartizan_core::plan::Plan;
use bartizan_core::status::Status;
use bartizan_core::{Member, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What is kept alive, and how each is stopped.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<BTreeMap<Part, CancellationToken>>);

impl Kept {
    /// Notes that `part` is kept from now on, at the longest until `stage` fires. Gives what stops it alone.
    pub(crate) fn begin(&self, part: &Part, stage: &CancellationToken) -> CancellationToken {
        let stop = stage.child_token();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(part.clone(), stop.clone());
        stop
    }

    fn end(&self, part: &Part) {
        if let Some(stop) = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(part) {
            stop.cancel();
        }
    }

    /// Those whose guards are kept.
    fn members(&self) -> BTreeSet<Member> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let member = |part: &Part| if let Part::Sidecar(member) = part { Some(member.clone()) } else { None };
        kept.keys().filter_map(member).collect()
    }
}

/// Follows control until `stop` fires; then stops what was started here.
///
/// Cancel by `stop`, not by dropping the future: the children of a killed program would live on.
pub(crate) async fn follow(keeper: Keeper, kept: Arc<Kept>, stop: CancellationToken) {
    let (mut started, over) = (JoinSet::new(), CancellationToken::new());
    while stop.run_until_cancelled(sleep(SCALE_EVERY)).await.is_some() {
        let Some(status) = keeper.waiter.pulse.now() else { continue };
        let (wanted, there) = (wanted(&status), kept.members());
        for member in wanted.difference(&there) {
            if let Err(failure) = start(&keeper, &kept, member, &over, &mut started).await {
                keeper.screen.line(&format!("{member} could not be started: {failure}"));
            }
        }
        // The first instance goes with its service, which follows its supervisor's end as it came with its start.
        let gone: Vec<_> = there.difference(&wanted).filter(|member| member.number() > 1).cloned().collect();
        if !gone.is_empty() && stop.run_until_cancelled(sleep(SCALE_DOWN_PAUSE)).await.is_some() {
            for member in gone {
                stop_one(&keeper, &kept, &member).await;
            }
        }
    }
    over.cancel();
    while started.join_next().await.is_some() {}
}

/// The instances that control publishes.
fn wanted(status: &Status) -> BTreeSet<Member> {
    let members = status.proxies.iter().map(|proxy| Member::new(proxy.service.clone(), proxy.number));
    members.filter(|member| *member.service() != ServiceName::gateway()).collect()
}

async fn start(
    keeper: &Keeper,
    kept: &Kept,
    member: &Member,
    over: &CancellationToken,
    started: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let keeper = anew(keeper, member)?;
    let (program, sidecar) = (Part::Program(member.clone()), Part::Sidecar(member.clone()));
    keeper.screen.line(&format!("starting {member}"));
    if keeper.launcher.spaces.has(member) {
        let porter = Part::Porter(member.clone());
        started.spawn(keeper.clone().keep(porter.clone(), kept.begin(&porter, over)));
        until_ready(&keeper, &porter).await;
    }
    if keeper.launcher.programs.contains_key(member) {
        started.spawn(keeper.clone().keep(program.clone(), kept.begin(&program, over)));
        // Its guard comes once there is something to guard.
        until_ready(&keeper, &program).await;
    }
    started.spawn(keeper.clone().keep(sidecar.clone(), kept.begin(&sidecar, over)));
    Ok(())
}

/// Waits until a part is there, or for as long as one may take; then that is said, and the rest is started all the same.
async fn until_ready(keeper: &Keeper, part: &Part) {
    let mut changes = keeper.board.subscribe();
    let is_ready = changes.wait_for(|parts| parts.get(part).is_some_and(|it| it.phase == Phase::Ready));
    if timeout(PROGRAM_READY_WITHIN, is_ready).await.is_err() {
        keeper.screen.line(&format!("warning: {part} is not ready yet"));
    }
}

/// The guard first: it finishes what is under way, for which it needs the program.
async fn stop_one(keeper: &Keeper, kept: &Kept, member: &Member) {
    for part in [Part::Sidecar(member.clone()), Part::Program(member.clone()), Part::Porter(member.clone())] {
        let mut changes = keeper.board.subscribe();
        kept.end(&part);
        let is_gone = |phase| matches!(phase, Phase::Stopped | Phase::Down);
        let gone = changes.wait_for(|parts| parts.get(&part).is_none_or(|it| is_gone(it.phase)));
        // Bounded by itself: what does not stop is killed.
        let _ = gone.await;
    }
}

/// A keeper that knows of instances that the fleet did not have when it was started.
fn anew(keeper: &Keeper, member: &Member) -> Result<Keeper, Failure> {
    let launcher = &keeper.launcher;
    let checked = check(&launcher.fleet_file).map_err(|findings| {
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        Failure::new(lines.join("\n"))
    })?;
    let path = launcher.data.plan();
    let text = std::fs::read(&path).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
    let plan: Plan =
        serde_json::from_slice(&text).map_err(|error| Failure::new(format!("`{}`: {error}", path.display())))?;
    if !plan.mesh.contains_key(member) {
        return Err(Failure::new("the plan has no place for it yet"));
    }
    let ready = programs(&checked.fleet, Some(&plan), &launcher.fleet_file, &launcher.bartizan, &launcher.data)?;
    let mut known = launcher.programs.clone();
    known.extend(ready.into_iter().filter(|(of, _)| of == member));
    let fleet = Arc::new(checked.fleet);
    let mut waiter = keeper.waiter.clone();
    (waiter.fleet, waiter.plan) = (Arc::clone(&fleet), Some(Arc::new(plan.clone())));
    let launcher = Launcher { fleet, plan: Some(plan), programs: known, ..Launcher::clone(launcher) };
    Ok(Keeper { launcher: Arc::new(launcher), waiter, ..keeper.clone() })
}
