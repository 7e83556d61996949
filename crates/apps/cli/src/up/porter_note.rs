//! What is written down of a porter, for `bartizan inside`.

use crate::data_dir::{DataDir, folder_of, make_private};
use bartizan_core::Member;
use bartizan_node::netns::Way;
use bartizan_runtime::files;
use serde::{Deserialize, Serialize};

/// Which process it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PorterNote {
    /// Its process id.
    pub(crate) pid: u32,
    /// How its namespace was made.
    pub(crate) way: String,
    /// Whether the program in there finds its callees by name.
    pub(crate) captured: bool,
}

impl PorterNote {
    /// Writes it down. A failure costs `bartizan inside` and nothing else, so it is only logged.
    pub(crate) fn write(data: &DataDir, member: &Member, pid: u32, way: Way, captured: bool) {
        let (path, note) = (data.porter(&member.to_string()), Self { pid, way: way.as_str().to_owned(), captured });
        let written = make_private(&folder_of(&path)).map_err(|failure| failure.to_string()).and_then(|()| {
            let text = serde_json::to_vec(&note).map_err(|error| error.to_string())?;
            files::write_atomic(&path, &text, 0o600).map_err(|error| error.to_string())
        });
        if let Err(error) = written {
            tracing::warn!(error, "`bartizan inside` will not find the porter of {member}");
        }
    }

    /// The porter is gone.
    pub(crate) fn remove(data: &DataDir, member: &Member) {
        // What is left of a killed `up` is told by `is_its_process`.
        let _ = std::fs::remove_file(data.porter(&member.to_string()));
    }

    /// Whether the process of that number is a porter still, as far as its arguments tell.
    pub(crate) fn is_its_process(&self) -> bool {
        let line = std::fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(b"porter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_not_taken_for_a_porter() {
        assert!(!PorterNote { pid: std::process::id(), way: String::new(), captured: false }.is_its_process());
        assert!(!PorterNote { pid: u32::MAX, way: String::new(), captured: false }.is_its_process());
    }
}
