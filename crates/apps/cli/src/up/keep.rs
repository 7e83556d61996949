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
use super::wait::Waiter;
use crate::limits::LOG_TAIL_LINES_SHORT;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
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
    /// Keeps `part` alive until `stop` fires, and returns once it and its group are gone.
    ///
    /// Cancel by `stop`, not by dropping the future: the children of a killed program would live on.
    pub(crate) async fn keep(self, part: Part, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        loop {
            let Some(started) = stop.run_until_cancelled(self.launcher.start(&part)).await else { return };
            let lived = match started {
                Ok(running) => match self.live(&part, running, &stop).await {
                    End::Asked => return,
                    End::Itself(lived) => lived,
                },
                Err(error) => {
                    self.board.died(&part, error, Vec::new());
                    Duration::ZERO
                }
            };
            let pause = backoff.after(lived);
            self.say_died(&part, pause);
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn live(&self, part: &Part, mut running: Running, stop: &CancellationToken) -> End {
        let (pid, began, executable) = (running.pid, Instant::now(), self.executable(part));
        let space_gone = running.space_gone.clone().unwrap_or_default();
        self.undertaker.watch(pid);
        self.board.started(part, pid);
        if *part != Part::Control {
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
                    running.stop(&self.hurry).await;
                    break Some("its network namespace is gone".to_owned());
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
                let exit = running.stop(&self.hurry).await;
                self.recorder.process(part, &executable, pid, Some(&exit));
                self.screen.line(&format!("stopped {part} (pid {pid}, {exit})"));
                self.board.stopped(part, exit);
                End::Asked
            }
        };
        self.undertaker.forget(pid);
        if let Part::Porter(service) = part {
            self.launcher.spaces.remove(service);
            PorterNote::remove(&self.launcher.data, service);
        }
        end
    }

    fn executable(&self, part: &Part) -> PathBuf {
        match part {
            Part::Control | Part::Node | Part::Porter(_) => self.launcher.bartizan.clone(),
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
