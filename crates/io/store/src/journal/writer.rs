//! The thread that writes: whatever has gathered while the disk was busy shares the next flush.

use super::segments::failed;
use super::{JournalError, Shared};
use crate::limits::{JOURNAL_BYTES_MAX, JOURNAL_GROUP_MAX, SEGMENT_BYTES};
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use tokio::sync::{mpsc, oneshot};

/// A frame to be written; an empty one asks whether that could be done.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) frame: Vec<u8>,
    pub(super) answer: oneshot::Sender<Result<(), JournalError>>,
}

/// Runs until nobody is left who could ask.
pub(super) fn run(shared: &Shared, mut jobs: mpsc::Receiver<Job>) {
    let mut file = None;
    while let Some(first) = jobs.blocking_recv() {
        let mut group = vec![first];
        while group.len() < JOURNAL_GROUP_MAX
            && let Ok(next) = jobs.try_recv()
        {
            group.push(next);
        }
        let written = write(shared, &mut file, &group);
        if written.is_err() {
            // After a failed flush the kernel may call the next one good although this one's bytes are gone. So nothing is
            // added to that file any more.
            file = None;
        }
        settle(shared, &group, written.as_ref().err());
        for job in group {
            let _ = job.answer.send(written.clone()); // whoever asked may have gone
        }
    }
    shared.state().segments.close();
}

fn write(shared: &Shared, file: &mut Option<File>, group: &[Job]) -> Result<(), JournalError> {
    let bytes: Vec<u8> = group.iter().flat_map(|job| &job.frame).copied().collect();
    {
        let mut state = shared.state();
        let held = state.segments.bytes() + bytes.len() as u64;
        if held > JOURNAL_BYTES_MAX {
            return Err(JournalError::Full { path: state.segments.place(), bytes: held });
        }
        let gone = file.as_ref().is_some_and(|open| !is_at(open, &state.segments.place()));
        if file.is_none() || gone || state.segments.end() >= SEGMENT_BYTES {
            *file = None;
            *file = Some(state.segments.begin()?);
        }
    }
    let Some(open) = file else { return Err(JournalError::Closed) };
    let (place, end) = {
        let state = shared.state();
        (state.segments.place(), state.segments.end())
    };
    let written = open.write_all_at(&bytes, end).and_then(|()| open.sync_data());
    if let Err(error) = written {
        let _ = open.set_len(end); // what stays behind it is put aside at the next start
        return Err(failed(&place, &error));
    }
    shared.state().segments.grown(end + bytes.len() as u64);
    Ok(())
}

/// Whether the file still lies where the next start will look for it: what goes into one that was moved away is not kept.
fn is_at(open: &File, path: &Path) -> bool {
    let place = |about: Metadata| (about.dev(), about.ino());
    match (open.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => place(open) == place(there),
        _ => false,
    }
}

fn settle(shared: &Shared, group: &[Job], error: Option<&JournalError>) {
    let records = group.iter().filter(|job| !job.frame.is_empty()).count() as u64;
    let mut state = shared.state();
    let told = match error {
        None => {
            state.status.recorded += records;
            state.status.waiting += records;
            state.status.reason.take().map(|_| None)
        }
        Some(error) => {
            state.segments.close();
            state.status.refused += records;
            let why = error.to_string();
            state.status.reason.replace(why.clone()).is_none().then_some(Some(why))
        }
    };
    drop(state);
    match told {
        Some(Some(why)) => tracing::error!(why, "no certificate is issued until this is mended"),
        Some(None) => tracing::info!("certificates can be recorded again"),
        None => {}
    }
    if error.is_none() {
        shared.more.notify_one();
    }
}
