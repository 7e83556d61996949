//! What a caller runs, and as whom: read from `/proc`, with the caller's pidfd as the proof that it was about the caller.

use super::caller::Caller;
use super::docker::{self, Engine};
use super::kubernetes::{Cluster, Known};
use crate::attest::FileState;
use crate::limits::{HASHES_MAX, WORKLOAD_BINARY_BYTES_MAX};
use bartizan_core::workload::{Entry, Selectors};
use bartizan_crypto::hash;
use bartizan_identity::container::container_of;
use bartizan_identity::entry::{Facts, matches, unit_of};
use bartizan_identity::pod::Pod;
use bartizan_runtime::files;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Why a caller is not believed. It may come again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    /// It has ended, or somebody else has its number.
    #[error("the process has ended")]
    Ended,
    /// It runs another program than before.
    #[error("the process runs another program than before")]
    OtherProgram,
    /// It runs as somebody else than when it connected.
    #[error("the process runs as another user or group than when it connected")]
    OtherUser,
    /// The kernel does not say.
    #[error("the process cannot be looked at: {0}")]
    Unseen(#[from] io::Error),
}

/// What was seen of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    facts: Facts,
    /// Which file it runs; `None` where the kernel does not let us look, as with another user's.
    program: Option<FileState>,
}

/// Looks at processes. Keeps hashes of executables, by their file and its state.
#[derive(Debug, Default)]
pub(crate) struct Eyes {
    hashes: Mutex<HashMap<(u64, u64), (FileState, String)>>,
    /// One hash at a time: it is the only costly thing here.
    hashing: Mutex<()>,
    /// Who knows the images of containers, where somebody does.
    engine: Option<Engine>,
    /// Who knows the pods of this machine, where somebody does.
    cluster: Option<Cluster>,
}

impl Eyes {
    pub(crate) fn with(engine: Option<Engine>, cluster: Option<Cluster>) -> Self {
        Self { engine, cluster, ..Self::default() }
    }

    #[cfg(test)]
    pub(super) fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Looks at `caller` and says which of `entries` speak for it. `before` is what was seen when its stream began: it has
    /// to be the same program still. Blocks for the disk.
    ///
    /// # Errors
    /// [`LookError`].
    pub(crate) fn look(
        &self,
        caller: &Caller,
        entries: &[Entry],
        before: Option<&Seen>,
    ) -> Result<(Seen, Vec<Entry>), LookError> {
        let mut seen = self.read(caller, before)?;
        // Only where everything else fits: nobody makes us read large files, or ask others, for nothing.
        let wants = |it: fn(&Selectors) -> bool, unknown: fn(&mut Selectors), facts: &Facts| {
            entries.iter().map(|entry| &entry.selectors).filter(|selectors| it(selectors)).any(|selectors| {
                let mut others = selectors.clone();
                unknown(&mut others);
                others.is_empty() || matches(&others, facts)
            })
        };
        let wants_hash = wants(
            |it| it.sha256.is_some(),
            |it| (it.sha256, it.image_digest, it.kubernetes) = Default::default(),
            &seen.facts,
        );
        if wants_hash && let Some(state) = seen.program {
            seen.facts.sha256 = self.hash(caller.pid, state)?;
        }
        let wants_image = wants(
            |it| it.image_digest.is_some(),
            |it| (it.image_digest, it.kubernetes) = Default::default(),
            &seen.facts,
        );
        if wants_image {
            seen.facts.image_digests = self.image_digests(caller.pid)?;
        }
        if wants(|it| it.kubernetes.is_some(), |it| it.kubernetes = None, &seen.facts) {
            let was_known = before.is_some_and(|before| before.facts.pod.is_some());
            seen.facts.pod = self.pod(caller.pid, if was_known { Known::Before } else { Known::Not })?;
        }
        // After everything was read by number: had the number changed hands, this would be true.
        if caller.has_ended() {
            return Err(LookError::Ended);
        }
        let mine = entries.iter().filter(|entry| matches(&entry.selectors, &seen.facts)).cloned().collect();
        Ok((seen, mine))
    }

    fn read(&self, caller: &Caller, before: Option<&Seen>) -> Result<Seen, LookError> {
        let proc = format!("/proc/{}", caller.pid);
        if ids(&bounded(&format!("{proc}/status"))?) != Some((caller.uid, caller.gid)) {
            return Err(if caller.has_ended() { LookError::Ended } else { LookError::OtherUser });
        }
        let link = format!("{proc}/exe");
        let program = match fs::metadata(&link) {
            Ok(about) => Some(FileState::of(&about)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Err(_) if caller.has_ended() => return Err(LookError::Ended),
            Err(error) => return Err(error.into()),
        };
        let file = |state: Option<FileState>| state.map(|state| state.file());
        if before.is_some_and(|before| file(before.program) != file(program)) {
            return Err(LookError::OtherProgram);
        }
        let path = match before {
            // Replaced on disk since, as an update does: this process is still the one that it was.
            Some(before) => before.facts.path.clone(),
            None => program.and_then(|program| path_of(&link, program)),
        };
        let unit = unit_of(&bounded(&format!("{proc}/cgroup"))?);
        let (uid, gid) = (caller.uid, caller.gid);
        let facts = Facts { uid, gid, path, unit, ..Facts::default() };
        Ok(Seen { facts, program })
    }

    /// Empty where the process is in no container, or nobody confirms which.
    fn image_digests(&self, pid: i32) -> Result<Vec<String>, LookError> {
        let container = container_of(&bounded(&format!("/proc/{pid}/cgroup"))?);
        let (Some(engine), Some(container)) = (&self.engine, container) else { return Ok(Vec::new()) };
        Ok(engine.digests(&container).unwrap_or_else(|error| {
            tracing::warn!(pid, container = container.id, %error, "the image of a caller's container is not known");
            Vec::new()
        }))
    }

    /// `None` where the process is in no pod, or nobody confirms in which.
    fn pod(&self, pid: i32, known: Known) -> Result<Option<Pod>, LookError> {
        let container = container_of(&bounded(&format!("/proc/{pid}/cgroup"))?);
        let (Some(cluster), Some(container)) = (&self.cluster, container) else { return Ok(None) };
        let pod = cluster.pod_of(&container, known).inspect_err(|error| {
            tracing::warn!(pid, container = container.id, %error, "the pod of a caller is not known");
        });
        Ok(pod.ok())
    }

    /// The hash of what `pid` runs, where that is still the file in `state`; `None` where it is too large or cannot be read.
    fn hash(&self, pid: i32, state: FileState) -> Result<Option<String>, LookError> {
        let _turn = self.hashing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |hashes: &HashMap<_, (FileState, String)>| hashes.get(&state.file()).cloned();
        if let Some((of, hash)) = known(&self.hashes.lock().unwrap_or_else(PoisonError::into_inner))
            && of == state
        {
            return Ok(Some(hash));
        }
        let link = format!("/proc/{pid}/exe");
        let Ok(bytes) = files::read_bounded(Path::new(&link), WORKLOAD_BINARY_BYTES_MAX) else { return Ok(None) };
        // Written to, or replaced by an exec, while it was read: what was read is of neither.
        if FileState::of(&fs::metadata(&link)?) != state {
            return Err(LookError::OtherProgram);
        }
        let hash = hash::hex(&hash::sha256(&bytes));
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.len() >= HASHES_MAX {
            hashes.clear();
        }
        hashes.insert(state.file(), (state, hash.clone()));
        Ok(Some(hash))
    }
}

/// The path of an executable, where the file at that path, as we see it, is the one that runs. In a mount namespace of its
/// own a process can have any file at any path.
fn path_of(link: &str, program: FileState) -> Option<String> {
    let path = fs::read_link(link).ok()?;
    let here = FileState::of(&fs::metadata(&path).ok()?);
    (here.file() == program.file()).then(|| path.into_os_string().into_string().ok()).flatten()
}

/// Effective user and group in the text of `/proc/PID/status`.
fn ids(status: &str) -> Option<(u32, u32)> {
    let second = |prefix: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(prefix))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    Some((second("Uid:")?, second("Gid:")?))
}

fn bounded(path: &str) -> io::Result<String> {
    docker::bounded(Path::new(path))
}
