//! Two files in a folder of the member's own: `log`, a beginning and the changes since, and `state`, which stands for all before it.

use crate::ReplicaError;
use crate::change::{Change, Entry, Found, Place, Vote};
use crate::frame::{self, Read};
use crate::limits::{CHANGE_BYTES_MAX, LOCK_WITHIN, LOG_BYTES_MAX, STATE_BYTES_MAX};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// First bytes of the log. Another number means that another version of this program wrote it.
const LOG_MAGIC: &[u8; 8] = b"BZREPLG1";
/// First bytes of the state.
const STATE_MAGIC: &[u8; 8] = b"BZREPST1";
const LOG: &str = "log";
const STATE: &str = "state";
const LOCK: &str = "lock";
/// There while what was in a folder that was lost is not known again.
const LOST: &str = "lost";

/// What a log begins with.
#[derive(Serialize, Deserialize)]
struct Beginning {
    vote: Vote,
    base: Place,
}

/// The open folder of one member. Nobody else can open it meanwhile.
#[derive(Debug)]
pub struct Files {
    dir: PathBuf,
    /// `None` after a failure.
    log: Option<File>,
    bytes: u64,
    _lock: File,
}

impl Files {
    /// Opens the folder, makes it where it is not there, and says what was kept. `founding` says that this may be the first start
    /// of all members: else an empty folder is one that was lost.
    ///
    /// # Errors
    /// [`ReplicaError`]; nothing was changed but for what was torn off the end.
    pub fn open(dir: &Path, founding: bool) -> Result<(Self, Found), ReplicaError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| failed("make", dir, source))?;
        let lock = lock(dir)?;
        let path = dir.join(LOG);
        if !path.exists() {
            if !founding {
                write_whole(&dir.join(LOST), b"", &[])?; // before the log, whose being there says that it was told
            }
            // A state without a log is what a start that was cut short before its first change leaves: nothing was promised.
            write_whole(
                &path,
                LOG_MAGIC,
                &[frame_of(&path, &Beginning { vote: Vote::default(), base: Place::default() })?],
            )?;
        }
        let mut log = open(&path)?;
        let (mut found, end, length) = read_log(&mut log, &path)?;
        if end < length {
            tracing::warn!(path = %path.display(), bytes = length - end, "half a change at the end of the log is cut off; nobody was told that it was kept");
            log.set_len(end).and_then(|()| log.sync_all()).map_err(|source| failed("cut", &path, source))?;
        }
        found.disk_was_lost = dir.join(LOST).exists();
        found.state = read_state(&dir.join(STATE), found.base)?;
        remove_waiting(dir)?;
        log.seek(SeekFrom::Start(end)).map_err(|source| failed("read", &path, source))?;
        Ok((Self { dir: dir.to_owned(), log: Some(log), bytes: end, _lock: lock }, found))
    }

    /// What was lost with a folder is known again.
    ///
    /// # Errors
    /// [`ReplicaError::File`]; it counts as lost at the next start.
    pub fn is_whole(&self) -> Result<(), ReplicaError> {
        let path = self.dir.join(LOST);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path, source)),
            _ => sync_folder(&path).map_err(|source| failed("write", &path, source)),
        }
    }

    /// Bytes of the log, by which a caller knows that it is time to write the state down.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Keeps a change: it is on disk when this returns well.
    ///
    /// # Errors
    /// [`ReplicaError`]; it may be on disk or not, and nothing more is kept.
    pub fn keep(&mut self, change: &Change) -> Result<(), ReplicaError> {
        if change.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(LOG);
        let frame = frame_of(&path, change)?;
        let Some(mut log) = self.log.take() else { return Err(ReplicaError::Broken { path: self.dir.clone() }) };
        log.write_all(&frame).and_then(|()| log.sync_data()).map_err(|source| failed("write", &path, source))?;
        self.bytes += frame.len() as u64;
        self.log = Some(log);
        Ok(())
    }

    /// Puts `state` in the place of everything up to `base`; what is kept from here on is this, `vote`, and `entries` behind it.
    ///
    /// # Errors
    /// [`ReplicaError`]; the old or the new is on disk, whole, and nothing more is kept.
    pub fn put_state(&mut self, vote: Vote, base: Place, state: &[u8], entries: &[Entry]) -> Result<(), ReplicaError> {
        let (log, kept) = (self.dir.join(LOG), self.dir.join(STATE));
        if state.len() > STATE_BYTES_MAX {
            return Err(ReplicaError::TooLong { path: kept, bytes: state.len(), most: STATE_BYTES_MAX });
        }
        if self.log.take().is_none() {
            return Err(ReplicaError::Broken { path: self.dir.clone() });
        }
        let mut frames = vec![frame_of(&log, &Beginning { vote, base })?];
        // One to a frame: all of them may be more than a frame takes.
        for (first, entry) in (base.index + 1..).zip(entries) {
            let change = Change { vote: None, cut: None, first, append: vec![entry.clone()] };
            frames.push(frame_of(&log, &change)?);
        }
        // The state says which place it stands for, so whichever of the two is there after a power cut is known. Its name has the
        // place in it: the one that the old log needs stays until the new log is there.
        write_state(&self.dir, base, state)?;
        let written = write_whole(&log, LOG_MAGIC, &frames)?;
        settle_state(&self.dir, base)?;
        let mut file = open(&log)?;
        file.seek(SeekFrom::End(0)).map_err(|source| failed("read", &log, source))?;
        (self.log, self.bytes) = (Some(file), written);
        Ok(())
    }
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> ReplicaError {
    ReplicaError::File { what, path: path.to_owned(), source }
}

fn lock(dir: &Path) -> Result<File, ReplicaError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(|source| failed("make", &path, source))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WITHIN => std::thread::sleep(LOCK_WITHIN / 100),
            Err(TryLockError::WouldBlock) => return Err(ReplicaError::InUse { path: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path, source)),
        }
    }
}

fn open(path: &Path) -> Result<File, ReplicaError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(|source| failed("open", path, source))
}

fn frame_of(path: &Path, what: &impl Serialize) -> Result<Vec<u8>, ReplicaError> {
    let body = postcard::to_stdvec(what).map_err(|error| failed("encode", path, io::Error::other(error)))?;
    let bytes = body.len();
    let too_long = || ReplicaError::TooLong { path: path.to_owned(), bytes, most: CHANGE_BYTES_MAX };
    frame::encode(&body, CHANGE_BYTES_MAX).ok_or_else(too_long)
}

/// Writes a file beside and puts it into its place. Returns its length.
fn write_whole(path: &Path, magic: &[u8], parts: &[Vec<u8>]) -> Result<u64, ReplicaError> {
    let beside = path.with_extension("new");
    let write = || -> io::Result<u64> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
        file.write_all(magic)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        let length = file.metadata()?.len();
        std::fs::rename(&beside, path)?;
        sync_folder(path)?;
        Ok(length)
    };
    write().map_err(|source| failed("write", path, source))
}

/// A new name is on disk only after this.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn read_log(log: &mut File, path: &Path) -> Result<(Found, u64, u64), ReplicaError> {
    let length = log.metadata().map_err(|source| failed("read", path, source))?.len();
    let damaged = |at: u64, why| ReplicaError::Damaged { path: path.to_owned(), at, why };
    if length > LOG_BYTES_MAX {
        return Err(damaged(LOG_BYTES_MAX, "it is longer than any that was written"));
    }
    let mut bytes = Vec::new();
    log.read_to_end(&mut bytes).map_err(|source| failed("read", path, source))?;
    let Some(rest) = bytes.strip_prefix(LOG_MAGIC) else {
        return Err(damaged(0, "it does not begin as a log of this version"));
    };
    // The beginning was put in its place whole, so nothing of it can be torn.
    let Read::Whole(body, taken) = frame::decode(rest, CHANGE_BYTES_MAX) else {
        return Err(damaged(LOG_MAGIC.len() as u64, "its beginning cannot be read"));
    };
    let Ok(Beginning { vote, base }) = postcard::from_bytes(body) else {
        return Err(damaged(LOG_MAGIC.len() as u64, "its beginning says nothing that we write"));
    };
    let mut found = Found { vote, base, ..Found::default() };
    let mut at = LOG_MAGIC.len() + taken;
    loop {
        match frame::decode(&bytes[at..], CHANGE_BYTES_MAX) {
            Read::Whole(body, taken) => {
                let change: Change = postcard::from_bytes(body)
                    .map_err(|_| damaged(at as u64, "a change says nothing that we write"))?;
                found.take(change).map_err(|why| damaged(at as u64, why))?;
                at += taken;
            }
            Read::Torn | Read::End => return Ok((found, at as u64, length)),
            Read::Damaged => return Err(damaged(at as u64, "a change cannot be read, and others follow it")),
        }
    }
}

/// Where the state that stands for `base` lies before the log that begins with it is there.
fn waiting(dir: &Path, base: Place) -> PathBuf {
    dir.join(format!("{STATE}.{}", base.index))
}

fn write_state(dir: &Path, base: Place, state: &[u8]) -> Result<(), ReplicaError> {
    let path = waiting(dir, base);
    let mut body = base.index.to_le_bytes().to_vec();
    body.extend_from_slice(&base.term.to_le_bytes());
    body.extend_from_slice(state);
    let frame = frame::encode(&body, STATE_BYTES_MAX + 16);
    let too_long = || ReplicaError::TooLong { path: path.clone(), bytes: state.len(), most: STATE_BYTES_MAX };
    write_whole(&path, STATE_MAGIC, &[frame.ok_or_else(too_long)?]).map(drop)
}

/// The log that begins with it is there: the one before goes.
fn settle_state(dir: &Path, base: Place) -> Result<(), ReplicaError> {
    let (from, to) = (waiting(dir, base), dir.join(STATE));
    let moved = std::fs::rename(&from, &to).and_then(|()| sync_folder(&to));
    moved.map_err(|source| failed("move", &from, source))
}

/// What a power cut left of states whose log never came into its place.
fn remove_waiting(dir: &Path) -> Result<(), ReplicaError> {
    let remove = || -> io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_name().to_str().and_then(|name| name.strip_prefix(STATE)).is_some_and(|rest| !rest.is_empty())
            {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(|source| failed("clear", dir, source))
}

/// The state for `base`: where a power cut came between, it waits beside still.
fn read_state(path: &Path, base: Place) -> Result<Vec<u8>, ReplicaError> {
    if base == Place::default() {
        return Ok(Vec::new());
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    if waiting(dir, base).exists() {
        settle_state(dir, base)?;
    }
    let damaged = |why| ReplicaError::Damaged { path: path.to_owned(), at: 0, why };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|source| failed("open", path, source))?;
    let most = STATE_BYTES_MAX as u64 + 64;
    file.take(most).read_to_end(&mut bytes).map_err(|source| failed("read", path, source))?;
    let rest =
        bytes.strip_prefix(STATE_MAGIC).ok_or_else(|| damaged("it does not begin as a state of this version"))?;
    let Read::Whole(body, _) = frame::decode(rest, STATE_BYTES_MAX + 16) else {
        return Err(damaged("it cannot be read"));
    };
    let mut place = base.index.to_le_bytes().to_vec();
    place.extend_from_slice(&base.term.to_le_bytes());
    body.strip_prefix(&place[..])
        .map(<[u8]>::to_vec)
        .ok_or_else(|| damaged("it stands for another place than the log begins at"))
}
