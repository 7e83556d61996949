//! Asked to settle, it reads the folder, and has the group keep what differs.

use super::edit::parts;
use super::image::Folder;
use super::read::{Own, ReadError, Reader};
use crate::group::{AskError, Group, Standing};
use crate::limits::{FOLDER_BYTES_MAX, QUEUE_MAX, SWEEP};
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// Why what was changed is not kept by the group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// This member does not lead any more; whoever does knows whether it counts.
    #[error(
        "this member of the group does not lead any more: {0}; look at the one that does whether the change counts, and ask again there"
    )]
    Lost(AskError),
    /// The folder cannot be read, or is too large for a group.
    #[error("the change is on this member's disk alone: {0}")]
    Folder(String),
    /// Whoever keeps has ended.
    #[error("this member of the group is ending")]
    Ended,
}

type Answer = oneshot::Sender<Result<(), NotKept>>;

/// Has the group keep what changes in the leader's folder. Clones share it.
#[derive(Clone, Debug)]
pub struct Kept {
    asks: mpsc::Sender<Answer>,
}

impl Kept {
    /// Keeps what changes in `dir` from now on, whoever asks; without being asked once a second. The folder was laid out in `term`, and nothing
    /// of it is kept in another one. Fires `lost` where this member does not lead any more, and ends then, or with `stop`. Needs a tokio
    /// runtime.
    pub fn start(
        (group, term): (Group, u64),
        folder: Folder,
        dir: PathBuf,
        own: Own,
        lost: CancellationToken,
        stop: CancellationToken,
    ) -> Self {
        let (asks, queue) = mpsc::channel(QUEUE_MAX);
        let keeper = Keeper { group, term, folder, reader: Reader::new(dir, own) };
        tokio::spawn(keeper.run(queue, lost, stop));
        Self { asks }
    }

    /// Returns well once a majority has on disk what was changed in the folder before this was called.
    ///
    /// # Errors
    /// [`NotKept`]: nobody may be told that the change was made.
    pub async fn settle(&self) -> Result<(), NotKept> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(answer).await.map_err(|_| NotKept::Ended)?;
        answered.await.map_err(|_| NotKept::Ended)?
    }
}

struct Keeper {
    group: Group,
    /// In which the folder was laid out: it knows nothing of changes in a later one.
    term: u64,
    folder: Folder,
    reader: Reader,
}

impl Keeper {
    async fn run(mut self, mut queue: mpsc::Receiver<Answer>, lost: CancellationToken, stop: CancellationToken) {
        let mut sweeps = interval_at(Instant::now() + SWEEP, SWEEP);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = sweeps.tick() => {}
                // All that wait share one reading, which begins after each of them asked.
                count = queue.recv_many(&mut batch, QUEUE_MAX) => {
                    if count == 0 {
                        return;
                    }
                }
            }
            let outcome = self.keep().await;
            for answer in batch.drain(..) {
                let _ = answer.send(outcome.clone());
            }
            match outcome {
                Err(NotKept::Lost(_)) => return lost.cancel(),
                Err(error) => tracing::error!(%error, "the group does not keep what control changes"),
                Ok(()) => {}
            }
        }
    }

    async fn keep(&mut self) -> Result<(), NotKept> {
        let edits = match self.reader.edits(&self.folder).await {
            Ok(edits) => edits,
            Err(error) => {
                self.reader.forget();
                return Err(NotKept::Folder(said(&error)));
            }
        };
        let outcome = self.change(edits).await;
        if outcome.is_err() {
            // What was read and not kept has to be read again.
            self.reader.forget();
        }
        outcome
    }

    async fn change(&self, edits: Vec<super::Edit>) -> Result<(), NotKept> {
        if edits.is_empty() {
            // Who answers as a leader has to be one.
            return self.group.look_in(self.term, Vec::new()).await.map(drop).map_err(|error| self.failed(error));
        }
        let (before, after) = {
            let image = self.folder.image();
            (image.bytes(), image.bytes_with(&edits))
        };
        if after > FOLDER_BYTES_MAX && after > before {
            let why = format!("the folder would have {after} bytes, a group keeps {FOLDER_BYTES_MAX} at most");
            return Err(NotKept::Folder(why));
        }
        for part in parts(edits) {
            let bytes = postcard::to_stdvec(&part).map_err(|error| NotKept::Folder(error.to_string()))?;
            self.group.change_in(self.term, bytes).await.map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    /// A leader whose lease ran out for a moment may have it again: until somebody else leads, only the answer is lost.
    fn failed(&self, error: AskError) -> NotKept {
        let status = self.group.status();
        let leads = status.standing == Standing::Leads && status.term == self.term;
        match error {
            AskError::Busy | AskError::TooLong | AskError::Empty => NotKept::Folder(error.to_string()),
            AskError::NotLeading { .. } if leads => NotKept::Folder("no majority answers at the moment".to_owned()),
            error => NotKept::Lost(error),
        }
    }
}

fn said(error: &ReadError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
