//! The files of a rotation: its state, and the roots as its state wants them.

use crate::ca::{
    CaError, ISSUING_NEXT_CSR, ISSUING_NEXT_PEM, ROOT_NEXT_SEALED, ROOT_OLD_SEALED, ROOT_SEALED, ROOTS_PEM, write,
};
use crate::limits::ROTATION_FILE_BYTES_MAX;
use crate::rotation::book::Kept;
use bartizan_core::rotation::{Phase, Rotated};
use bartizan_identity::rotation::{Roots, Rotation};
use bartizan_runtime::files;
use std::io::ErrorKind;
use std::path::Path;

/// The state, in the data folder.
pub(super) const ROTATION_JSON: &str = "rotation.json";

/// Reads the state; an empty one where there never was a rotation.
pub(super) fn read(dir: &Path) -> Result<Kept, CaError> {
    let path = dir.join(ROTATION_JSON);
    let failed = |source| CaError::File { what: "read", path: path.clone(), source };
    match files::read_bounded(&path, ROTATION_FILE_BYTES_MAX) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => Err(failed(error)),
    }
}

/// Writes the state: whole, or as it was.
pub(super) fn keep(dir: &Path, kept: &Kept) -> Result<(), CaError> {
    let text = serde_json::to_vec_pretty(kept).expect("maps with text keys become JSON");
    write(&dir.join(ROTATION_JSON), &text, 0o600)
}

/// The roots that `rotation` wants everybody to trust, PEM; `None` where it does not touch them.
pub(super) fn roots(rotation: &Rotation) -> Option<String> {
    let new = rotation.new.as_ref().filter(|_| rotation.what == Rotated::Root)?;
    Some(match rotation.desired().roots {
        Roots::Old => rotation.old.pem.clone(),
        Roots::Both => format!("{}\n{}", rotation.old.pem.trim_end(), new.pem),
        Roots::New => new.pem.clone(),
    })
}

/// Brings the files into the order that the state asks for. What is so already is left alone, so that this may be done at
/// any time, also after a stop in the middle of it.
pub(super) fn settle(dir: &Path, rotation: &Rotation) -> Result<(), CaError> {
    if let Some(wanted) = roots(rotation) {
        let path = dir.join(ROOTS_PEM);
        if std::fs::read_to_string(&path).ok().as_deref() != Some(wanted.as_str()) {
            write(&path, wanted.as_bytes(), 0o644)?;
        }
    }
    let at = |name: &str| dir.join(name);
    if rotation.what == Rotated::Root && rotation.desired().control_is_new && at(ROOT_NEXT_SEALED).exists() {
        if at(ROOT_SEALED).exists() {
            rename(&at(ROOT_SEALED), &at(ROOT_OLD_SEALED))?;
        }
        rename(&at(ROOT_NEXT_SEALED), &at(ROOT_SEALED))?;
    }
    if rotation.phase.is_over() {
        let key = (rotation.phase == Phase::Reverted).then_some(ROOT_NEXT_SEALED);
        for name in [ISSUING_NEXT_CSR, ISSUING_NEXT_PEM].into_iter().chain(key) {
            remove(&at(name))?;
        }
    }
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), CaError> {
    std::fs::rename(from, to).map_err(|source| CaError::File { what: "rename", path: from.to_owned(), source })
}

fn remove(path: &Path) -> Result<(), CaError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(CaError::File { what: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_identity::rotation::{Anchor, Pace};

    /// Stopped after each single file operation of the change-over, the files end up in order.
    #[test]
    fn a_stop_between_two_files_is_made_good() {
        let anchor = |name: &str| Anchor { sha256: name.to_owned(), pem: format!("{name}\n") };
        let now = Timestamp::from_secs(9);
        let mut rotation = Rotation::begin(1, Rotated::Root, anchor("old"), None, Pace::DEFAULT, false, now);
        rotation.made(anchor("new"), now);
        rotation.phase = Phase::Retiring;
        for stopped_after in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let at = |name: &str| dir.path().join(name);
            for (name, text) in [(ROOTS_PEM, "old\n"), (ROOT_SEALED, "old key"), (ROOT_NEXT_SEALED, "new key")] {
                std::fs::write(at(name), text).unwrap();
            }
            if stopped_after > 0 {
                rename(&at(ROOT_SEALED), &at(ROOT_OLD_SEALED)).unwrap();
            }
            if stopped_after > 1 {
                rename(&at(ROOT_NEXT_SEALED), &at(ROOT_SEALED)).unwrap();
            }
            for _ in 0..2 {
                settle(dir.path(), &rotation).unwrap();
                let text = |name: &str| std::fs::read_to_string(at(name)).unwrap();
                assert_eq!((text(ROOT_SEALED), text(ROOT_OLD_SEALED)), ("new key".to_owned(), "old key".to_owned()));
                assert_eq!(text(ROOTS_PEM), "old\nnew\n");
                assert!(!at(ROOT_NEXT_SEALED).exists());
            }
        }
    }

    #[test]
    fn a_state_that_cannot_be_read_is_no_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read(dir.path()).unwrap().rotation.is_none());
        std::fs::write(dir.path().join(ROTATION_JSON), "{\"rotation\"").unwrap();
        assert!(read(dir.path()).is_err());
    }
}
