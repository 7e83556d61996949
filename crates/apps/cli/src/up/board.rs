//! What is known of every part that `up` keeps alive; written by its keeper, read by whoever waits or draws.

use super::part::Part;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// Where a part is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Started, not ready yet.
    Starting,
    /// Does its work.
    Ready,
    /// Ended by itself; it is started again after a pause.
    Down,
    /// Ended because it was asked to.
    Stopped,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartState {
    /// Where it is in its life.
    pub(crate) phase: Phase,
    /// Its process, while there is one.
    pub(crate) pid: Option<u32>,
    /// How often it ended by itself, a count.
    pub(crate) deaths: u32,
    /// How it ended last.
    pub(crate) last_exit: Option<String>,
    /// The last lines it wrote before it ended.
    pub(crate) tail: Vec<String>,
}

/// All parts, by name.
pub(crate) type Parts = BTreeMap<Part, PartState>;

/// The board. One writer per part; readers never wait.
#[derive(Debug)]
pub(crate) struct Board {
    parts: watch::Sender<Parts>,
}

impl Default for Board {
    fn default() -> Self {
        Self { parts: watch::Sender::new(Parts::new()) }
    }
}

impl Board {
    /// A look at everything, now.
    pub(crate) fn now(&self) -> watch::Ref<'_, Parts> {
        self.parts.borrow()
    }

    /// For those who wait for a change.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Parts> {
        self.parts.subscribe()
    }

    /// A process was started for `part`.
    pub(crate) fn started(&self, part: &Part, pid: u32) {
        self.change(part, |state| {
            state.phase = Phase::Starting;
            state.pid = Some(pid);
        });
    }

    /// `part` does its work.
    pub(crate) fn ready(&self, part: &Part) {
        self.change(part, |state| state.phase = Phase::Ready);
    }

    /// `part` ended by itself, or could not be started.
    pub(crate) fn died(&self, part: &Part, exit: String, tail: Vec<String>) {
        self.change(part, |state| {
            state.phase = Phase::Down;
            state.pid = None;
            state.deaths += 1;
            state.last_exit = Some(exit);
            state.tail = tail;
        });
    }

    /// `part` ended because it was asked to.
    pub(crate) fn stopped(&self, part: &Part, exit: String) {
        self.change(part, |state| {
            state.phase = Phase::Stopped;
            state.pid = None;
            state.last_exit = Some(exit);
        });
    }

    /// `part` is not kept any more.
    pub(crate) fn forget(&self, part: &Part) {
        self.parts.send_modify(|parts| drop(parts.remove(part)));
    }

    fn change(&self, part: &Part, how: impl FnOnce(&mut PartState)) {
        let unborn = || PartState { phase: Phase::Starting, pid: None, deaths: 0, last_exit: None, tail: Vec::new() };
        self.parts.send_modify(|parts| how(parts.entry(part.clone()).or_insert_with(unborn)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tells_a_life_from_start_to_stop() {
        let board = Board::default();
        let mut changes = board.subscribe();
        board.started(&Part::Control, 7);
        changes.changed().await.unwrap();
        board.died(&Part::Control, "signal 9".to_owned(), vec!["boom".to_owned()]);
        {
            let parts = board.now();
            let state = &parts[&Part::Control];
            assert_eq!((state.phase, state.pid, state.deaths), (Phase::Down, None, 1));
            assert_eq!(
                (state.last_exit.as_deref(), state.tail.as_slice()),
                (Some("signal 9"), &["boom".to_owned()][..])
            );
        }
        board.started(&Part::Control, 8);
        board.ready(&Part::Control);
        assert_eq!((board.now()[&Part::Control].phase, board.now()[&Part::Control].pid), (Phase::Ready, Some(8)));
        board.stopped(&Part::Control, "exit 0".to_owned());
        assert_eq!((board.now()[&Part::Control].phase, board.now()[&Part::Control].deaths), (Phase::Stopped, 1));
    }
}
