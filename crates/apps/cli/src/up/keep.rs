//! Keeps one part alive: starts it, says when it is ready, starts it again when it ends, ends it when asked to.

use super::backoff::Backoff;
use super::board::{Board, Phase};
use super::child::Running;
use super::launcher::Launcher;
use super::part::Part;
use super::porter_note::PorterNote;
use super::record::Recorder;
use super::screen::Screen;
use super::undertaker::Undertaker;
use super::upgrade::Upgrades;
use super::wait::Waiter;
use crate::limits::{GONE_WITHIN, LOG_TAIL_LINES_SHORT, RETIRED_WITHIN, STOP_WITHIN};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What every keeper shares.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    /// Starts parts.
    pub(crate) launcher: Arc<Launcher>,
    /// Knows when they are ready.
    pub(crate) waiter: Waiter,
    /// Where their states stand.
    pub(crate) board: Arc<Board>,
    /// Where people read of them.
    pub(crate) screen: Arc<Screen>,
    /// Where control reads of them.
    pub(crate) recorder: Arc<Recorder>,
    /// Buries them, should we be killed.
    pub(crate) undertaker: Undertaker,
    /// Where proxies are asked to be replaced.
    pub(crate) upgrades: Arc<Upgrades>,
    /// Fires where stopping must not wait any more.
    pub(crate) hurry: CancellationToken,
}

/// How one life of a part went on.
enum End {
    /// It ended by itself, after this long.
    Itself(Duration),
    /// It was asked to.
    Asked,
}

impl Keeper {
    /// Keeps `part` alive until `stop` fires, and returns once it and its group are gone, and those that it replaced.
    ///
    /// Cancel by `stop`, not by dropping the future: the children of a killed program would live on.
    pub(crate) async fn keep(self, part: Part, stop: CancellationToken) {
        let mut retired = JoinSet::new();
        self.keep_on(&part, &stop, &mut retired).await;
        while retired.join_next().await.is_some() {}
    }

    async fn keep_on(&self, part: &Part, stop: &CancellationToken, retired: &mut JoinSet<()>) {
        let mut backoff = Backoff::default();
        loop {
            let Some(started) = stop.run_until_cancelled(self.launcher.start(part)).await else { return };
            let lived = match started {
                Ok(running) => match self.live(part, running, stop, retired).await {
                    End::Asked => return,
                    End::Itself(lived) => lived,
                },
                Err(error) => {
                    self.board.died(part, error, Vec::new());
                    Duration::ZERO
                }
            };
            let pause = backoff.after(lived);
            self.say_died(part, pause);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn live(
        &self,
        part: &Part,
        mut running: Running,
        stop: &CancellationToken,
        retired: &mut JoinSet<()>,
    ) -> End {
        let (mut pid, began, executable) = (running.pid, Instant::now(), self.executable(part));
        let space_gone = running.space_gone.clone().unwrap_or_default();
        let mut upgrades = self.upgrades.hear(part);
        self.undertaker.watch(pid);
        self.board.started(part, pid);
        if !matches!(part, Part::Control | Part::ControlMember(_)) {
            // Control tells of its own start; of its end, where it is killed, only we can.
            self.recorder.process(part, &executable, pid, None);
        }
        let mut is_ready = false;
        let exit = loop {
            tokio::select! {
                // In this order: a process that has ended is not ready, whatever answers at its port.
                biased;
                exit = running.wait() => break Some(exit),
                () = stop.cancelled() => break None,
                () = space_gone.cancelled() => {
                    // It reaches nobody any more, and nobody it: another one, in another namespace.
                    running.stop(self.launcher.patience(part), &self.hurry).await;
                    break Some("its network namespace is gone".to_owned());
                }
                Some(answer) = upgrades.recv() => {
                    let replaced = self.replace(part, &mut running, stop, retired).await;
                    pid = running.pid;
                    // Who asked may have gone; the table and the log tell it too.
                    let _ = answer.send(replaced);
                }
                () = self.waiter.ready(part, pid), if !is_ready => {
                    is_ready = true;
                    self.board.ready(part);
                    self.say_ready_again(part);
                }
            }
        };
        let end = match exit {
            Some(exit) => {
                running.bury().await;
                self.recorder.process(part, &executable, pid, Some(&exit));
                let mut tail = running.tail();
                if is_ready {
                    // It worked, and was killed or gave up: its last words do. One that never worked tells its whole story.
                    tail.drain(..tail.len().saturating_sub(LOG_TAIL_LINES_SHORT));
                }
                self.board.died(part, exit, tail);
                End::Itself(began.elapsed())
            }
            None => {
                let exit = running.stop(self.launcher.patience(part), &self.hurry).await;
                self.recorder.process(part, &executable, pid, Some(&exit));
                self.screen.line(&format!("stopped {part} (pid {pid}, {exit})"));
                self.board.stopped(part, exit);
                End::Asked
            }
        };
        self.undertaker.forget(pid);
        if let Part::Porter(member) = part {
            self.launcher.spaces.remove(member);
            PorterNote::remove(&self.launcher.data, member);
        }
        end
    }

    /// Puts another process in the place of `running`, which goes on until it has finished. Gives the new one's process id.
    async fn replace(
        &self,
        part: &Part,
        running: &mut Running,
        stop: &CancellationToken,
        retired: &mut JoinSet<()>,
    ) -> Result<u32, String> {
        let mut new = self.launcher.spawn_successor(part).await?;
        let executable = self.executable(part);
        self.undertaker.watch(new.pid);
        self.recorder.process(part, &executable, new.pid, None);
        let serves = match self.launcher.introduce(part, &mut new, running) {
            Ok(()) => new.says_it_serves(),
            // Its end, should that be why, says more.
            Err(error) => Box::pin(async move {
                tokio::time::sleep(GONE_WITHIN).await;
                Err(error)
            }),
        };
        let failed = tokio::select! {
            biased;
            exit = new.wait() => Some(format!("it ended before it served: {exit}\n{}", new.tail().join("\n"))),
            serves = serves => serves.err(),
            () = stop.cancelled() => Some("the fleet is stopped".to_owned()),
        };
        if let Some(why) = failed {
            let exit = new.stop(STOP_WITHIN, &self.hurry).await;
            self.recorder.process(part, &executable, new.pid, Some(&exit));
            self.undertaker.forget(new.pid);
            self.screen.line(&format!("{part} was not replaced and goes on: {why}"));
            return Err(why);
        }
        let pid = new.pid;
        let old = std::mem::replace(running, new);
        self.screen
            .line(&format!("{part} was replaced: process {pid} serves, process {} finishes what it has", old.pid));
        self.board.started(part, pid);
        self.board.ready(part);
        retired.spawn(self.clone().retire(part.clone(), old, stop.clone()));
        Ok(pid)
    }

    /// Sees a proxy that was replaced through to its end.
    async fn retire(self, part: Part, mut old: Running, stop: CancellationToken) {
        let patience = self.launcher.patience(&part);
        let exit = tokio::select! {
            exit = old.wait() => exit,
            () = tokio::time::sleep(RETIRED_WITHIN) => old.stop(patience, &self.hurry).await,
            () = stop.cancelled() => old.stop(patience, &self.hurry).await,
        };
        old.bury().await;
        self.recorder.process(&part, &self.executable(&part), old.pid, Some(&exit));
        self.undertaker.forget(old.pid);
    }

    fn executable(&self, part: &Part) -> PathBuf {
        match part {
            Part::Control | Part::ControlMember(_) | Part::Node | Part::Porter(_) => self.launcher.bartizan.clone(),
            Part::Sidecar(_) | Part::Gateway => self.launcher.proxy.clone(),
            Part::Program(service) => {
                self.launcher.programs.get(service).map(|p| p.executable.clone()).unwrap_or_default()
            }
        }
    }

    fn say_died(&self, part: &Part, pause: Duration) {
        let parts = self.board.now();
        let Some(state) = parts.get(part).filter(|state| state.phase == Phase::Down) else { return };
        let why = state.last_exit.as_deref().unwrap_or("ended");
        let mut text = format!("{part} is down ({why}), starting it again in {} ms", pause.as_millis());
        for line in &state.tail {
            text.push_str(&format!("\n    | {line}"));
        }
        self.screen.line(&text);
    }

    fn say_ready_again(&self, part: &Part) {
        let deaths = self.board.now().get(part).map_or(0, |state| state.deaths);
        if deaths > 0 {
            let times = if deaths == 1 { "1 restart".to_owned() } else { format!("{deaths} restarts") };
            self.screen.line(&format!("{part} is ready again ({times})"));
        }
    }
}
