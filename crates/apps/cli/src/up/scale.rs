//! Services and instances that come, go and change while the fleet runs: control says what there is (after a reload), and programs
//! and guards are started and stopped here. An added one is told to callers once its guard has come; a removed one gets no more
//! calls by the time it stops; of those that change one after the other is away.

use super::board::Phase;
use super::keep::Keeper;
use super::kept::{Kept, Stage};
use super::newer::newer;
use super::part::Part;
use crate::limits::{PROGRAM_READY_WITHIN, SCALE_DOWN_PAUSE, SCALE_EVERY, START_ATTEMPTS_MAX};
use bartizan_core::status::Status;
use bartizan_core::{Member, ServiceName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Follows control until `stop` fires; what runs was started by the fleet file in the state `taken`. Gives what was started here,
/// to be stopped with its like.
pub(crate) async fn follow(keeper: Keeper, kept: Arc<Kept>, taken: String, stop: CancellationToken) -> Vec<Stage> {
    let mut follower = Follower { keeper, kept, stages: BTreeMap::new(), taken, failed: false, said: None };
    stop.run_until_cancelled(follower.follow()).await;
    follower.stages.into_values().collect()
}

struct Follower {
    keeper: Keeper,
    kept: Arc<Kept>,
    stages: BTreeMap<u8, Stage>,
    /// The state of the fleet file that was taken up last.
    taken: String,
    /// Whether a program did not come up with it; no further one is tried then.
    failed: bool,
    /// What is in the way, as it was said last.
    said: Option<String>,
}

impl Follower {
    async fn follow(&mut self) {
        loop {
            sleep(SCALE_EVERY).await;
            let Some(status) = self.keeper.waiter.pulse.now() else { continue };
            if self.take_up(&status) {
                self.come_and_go(&status).await;
                self.change(&status).await;
            }
        }
    }

    /// Reads what control has put in force. False where that cannot be; then all stays as it is.
    fn take_up(&mut self, status: &Status) -> bool {
        if self.taken == status.fleet_file {
            return true;
        }
        match newer(&self.keeper, &status.fleet_file) {
            Ok(keeper) => {
                self.kept.set_launcher(Arc::clone(&keeper.launcher));
                (self.keeper, self.taken) = (keeper, status.fleet_file.clone());
                (self.failed, self.said) = (false, None);
                true
            }
            Err(failure) => {
                let why = format!("warning: nothing is started or stopped for now: {failure}");
                if self.said.as_ref() != Some(&why) {
                    self.keeper.screen.line(&why);
                    self.said = Some(why);
                }
                false
            }
        }
    }

    async fn come_and_go(&mut self, status: &Status) {
        let (wanted, there) = (wanted(status), self.kept.members());
        for member in wanted.difference(&there) {
            self.keeper.screen.line(&format!("starting {member}"));
            self.start(member).await;
        }
        let gone: Vec<_> = there.difference(&wanted).collect();
        if !gone.is_empty() {
            sleep(SCALE_DOWN_PAUSE).await;
        }
        for member in gone {
            // The guard first: it finishes what is under way, for which it needs the program.
            for part in [Part::Sidecar(member.clone()), Part::Program(member.clone()), Part::Porter(member.clone())] {
                self.stop(&part).await;
                self.keeper.board.forget(&part);
            }
        }
    }

    async fn start(&mut self, member: &Member) {
        let (program, sidecar) = (Part::Program(member.clone()), Part::Sidecar(member.clone()));
        if self.keeper.launcher.spaces.has(member) {
            self.keep_until_ready(Part::Porter(member.clone())).await;
        }
        let runs = self.keeper.launcher.programs.contains_key(member);
        let mut order = if runs { vec![program, sidecar] } else { vec![sidecar] };
        // A further one is told of by its guard, which comes once there is something to guard. Nobody else answers for the first one,
        // and it may want its own way to others from the beginning.
        if member.number() == 1 {
            order.reverse();
        }
        for part in order {
            self.keep_until_ready(part).await;
        }
    }

    /// Programs that were started with something else than they would be now, one instance after the other.
    async fn change(&mut self, status: &Status) {
        for member in self.kept.outdated(&self.keeper.launcher) {
            if self.failed {
                return;
            }
            self.keeper.screen.line(&format!("starting {member} anew"));
            let has_others = status.proxies.iter().filter(|it| it.service == *member.service()).count() > 1;
            let (program, sidecar) = (Part::Program(member.clone()), Part::Sidecar(member.clone()));
            // Its guard finishes what is under way, and callers turn to the others; where there are none, it stays.
            if has_others {
                self.stop(&sidecar).await;
            }
            self.stop(&program).await;
            let came = self.keep_until_ready(program).await;
            if has_others {
                self.keep_until_ready(sidecar).await;
                sleep(SCALE_DOWN_PAUSE).await;
            }
            if !came {
                self.failed = true;
                self.keeper.screen.line(&format!(
                    "warning: {member} did not come up as the fleet file has it now; those that run go on as they are until the next reload"
                ));
            }
        }
    }

    /// Starts a part and waits until it does its work, or for as long as one may take. False where it did not.
    async fn keep_until_ready(&mut self, part: Part) -> bool {
        let mut changes = self.keeper.board.subscribe();
        let deaths = changes.borrow().get(&part).map_or(0, |it| it.deaths);
        let stage = self.stages.entry(part.rank()).or_insert_with(|| Stage::new(part.rank()));
        stage.keep(&self.keeper, &self.kept, part.clone());
        let is_ready = |phase| phase == Phase::Ready;
        let settled = changes.wait_for(|parts| {
            parts.get(&part).is_some_and(|it| is_ready(it.phase) || it.deaths - deaths >= START_ATTEMPTS_MAX)
        });
        let came = match timeout(PROGRAM_READY_WITHIN, settled).await {
            Ok(Ok(parts)) => parts.get(&part).is_some_and(|it| is_ready(it.phase)),
            Ok(Err(_)) | Err(_) => false,
        };
        if !came {
            self.keeper.screen.line(&format!("warning: {part} is not ready yet"));
        }
        came
    }

    async fn stop(&self, part: &Part) {
        let mut changes = self.keeper.board.subscribe();
        self.kept.end(part);
        let is_gone = |phase| matches!(phase, Phase::Stopped | Phase::Down);
        // Bounded by itself: what does not stop is killed.
        let _ = changes.wait_for(|parts| parts.get(part).is_none_or(|it| is_gone(it.phase))).await;
    }
}

/// The instances that control publishes.
fn wanted(status: &Status) -> BTreeSet<Member> {
    let members = status.proxies.iter().map(|proxy| Member::new(proxy.service.clone(), proxy.number));
    members.filter(|member| *member.service() != ServiceName::gateway()).collect()
}
