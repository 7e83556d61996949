//! Why events were not stored or not read.

use std::path::PathBuf;

/// Why nothing was stored or read. What was stored before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The disk is full, or events have taken the room that they may. The same call succeeds once there is space.
    #[error(
        "`{path}` has no space left: free some on its disk, raise `events.bytes`, or say `events: {{ when_full: drop }}` in the fleet file; where that stands there, all that is left is held: `bartizan events holds`"
    )]
    Full {
        /// The folder of events.
        path: PathBuf,
    },
    /// A file of events cannot be read or written. May be tried again.
    #[error("cannot read or write the events in `{path}`")]
    File {
        /// The folder of events.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A batch longer than any that is read back.
    #[error("a batch of events is too long for `{path}`; none of it was stored")]
    TooLong {
        /// The folder of events.
        path: PathBuf,
    },
    /// Another process has the folder open, or a store of this one that was not closed. The same call succeeds once that has ended.
    #[error("`{path}` is open already: end the process that has it, or name another data folder")]
    InUse {
        /// The folder of events.
        path: PathBuf,
    },
    /// The store was closed.
    #[error("the store of events is closed")]
    Closed,
}
