//! Where an output was, on disk: a file of its own in `outputs/`.

use bartizan_core::ServiceName;
use bartizan_events::Place;
use bartizan_runtime::files;
use std::io;
use std::path::{Path, PathBuf};

const BYTES_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    written: Option<Place>,
}

impl Cursor {
    pub(super) fn new(data: &Path, name: &ServiceName) -> Self {
        Self { path: data.join("outputs").join(format!("{name}.json")), written: None }
    }

    /// Where it was; `None` for one that is new.
    pub(super) fn read(&mut self) -> Option<Place> {
        let bytes = match files::read_bounded(&self.path, BYTES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::error!(%error, file = %self.path.display(), "where an output was cannot be read: it goes on with what happens now");
                return None;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(place) => {
                self.written = Some(place);
                Some(place)
            }
            Err(error) => {
                tracing::error!(%error, file = %self.path.display(), "where an output was cannot be read: it goes on with what happens now");
                None
            }
        }
    }

    /// Writes it down. Where that fails, a start sends again what was sent since the last time that it did not.
    pub(super) async fn write(&mut self, place: Option<Place>) {
        let Some(place) = place.filter(|place| self.written != Some(*place)) else { return };
        let path = self.path.clone();
        let text = match serde_json::to_vec(&place) {
            Ok(text) => text,
            Err(_) => return,
        };
        let writing = tokio::task::spawn_blocking(move || {
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir)?;
            }
            files::write_atomic(&path, &text, 0o600)
        });
        match writing.await {
            Ok(Ok(())) => self.written = Some(place),
            Ok(Err(error)) => {
                tracing::warn!(%error, file = %self.path.display(), "where an output is cannot be written down")
            }
            Err(_) => {} // the runtime ends
        }
    }
}
