//! What the group has of the folder, in memory.

use super::edit::{Edit, Part, is_inside};
use super::lay::{self, LayError};
use super::read::Own;
use crate::limits::BLOCK_BYTES;
use crate::machine::Machine;
use bartizan_replica::limits::STATE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// A file as it is to lie in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

/// All files, by their path relative to the folder; and what came of a change that is not finished.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    files: BTreeMap<String, File>,
    staged: Vec<Edit>,
}

impl Image {
    pub(super) fn files(&self) -> &BTreeMap<String, File> {
        &self.files
    }

    /// Whether nothing was ever kept.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Its size in bytes, about.
    pub fn bytes(&self) -> usize {
        self.files.iter().map(|(path, file)| path.len() + file.bytes.len()).sum()
    }

    /// The same, once these changes are made.
    pub(super) fn bytes_with(&self, edits: &[Edit]) -> usize {
        let had = |edit: &&Edit| self.files.get(&edit.path).map_or(0, |file| edit.path.len() + file.bytes.len());
        let has = |edit: &Edit| edit.is.map_or(0, |(length, _)| edit.path.len() as u64 + length);
        let gone: usize = edits.iter().map(|edit| had(&edit)).sum();
        let come: u64 = edits.iter().map(has).sum();
        (self.bytes() - gone).saturating_add(usize::try_from(come).unwrap_or(usize::MAX))
    }

    /// Takes one part of a change. What makes no sense in it is left out, by all members alike.
    pub fn take(&mut self, part: Part) {
        if part.first {
            self.staged.clear();
        }
        self.staged.extend(part.edits);
        if part.last {
            for edit in std::mem::take(&mut self.staged) {
                self.make(edit);
            }
        }
    }

    fn make(&mut self, edit: Edit) {
        let Edit { path, is, blocks } = edit;
        let Some((length, mode)) = is else {
            self.files.remove(&path);
            return;
        };
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= STATE_BYTES_MAX) else { return };
        if !is_inside(&path) {
            return;
        }
        let file = self.files.entry(path).or_default();
        file.mode = mode;
        file.bytes.resize(length, 0);
        for (number, bytes) in blocks {
            let at = (number as usize).saturating_mul(BLOCK_BYTES);
            if let Some(place) = file.bytes.get_mut(at..at.saturating_add(bytes.len())) {
                place.copy_from_slice(&bytes);
            }
        }
    }
}

/// The image, shared between the thread of the group and whoever reads it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Folder(Arc<Mutex<Image>>);

impl Folder {
    /// For reading it; the group waits meanwhile.
    pub fn image(&self) -> MutexGuard<'_, Image> {
        self.0.lock().expect("nothing panics while it holds it")
    }

    /// Makes `dir` what the group has, but for what is a member's own there: files that the group has not are removed. Where the group
    /// has nothing yet, it is left as it is. Blocks for the disk. Nobody else may use the folder.
    ///
    /// # Errors
    /// [`LayError`]; part of it may be there.
    pub fn lay_out(&self, dir: &Path, own: &Own) -> Result<(), LayError> {
        let image = self.image();
        if image.is_empty() { Ok(()) } else { lay::out(image.files(), dir, own) }
    }
}

impl Machine for Folder {
    fn apply(&mut self, _index: u64, change: &[u8]) -> Vec<u8> {
        match postcard::from_bytes(change) {
            Ok(part) => self.image().take(part),
            Err(error) => tracing::error!(%error, "a change of the group is none; nobody makes it"),
        }
        Vec::new()
    }

    fn look(&self, _question: &[u8]) -> Vec<u8> {
        Vec::new()
    }

    fn save(&self) -> Vec<u8> {
        // Serializing what is in memory fails for lack of memory alone.
        postcard::to_stdvec(&*self.image()).expect("an image becomes bytes")
    }

    fn load(&mut self, state: &[u8]) -> Result<(), String> {
        let image: Image = postcard::from_bytes(state).map_err(|error| error.to_string())?;
        if let Some(path) = image.files.keys().find(|path| !is_inside(path)) {
            return Err(format!("`{path}` is no file of the folder"));
        }
        *self.image() = image;
        Ok(())
    }
}
