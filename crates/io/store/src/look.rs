//! What a look at a file tells without reading it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// For how long after a change a file may be changed again without looking otherwise: far above the step of a kernel's clock.
pub(crate) const SETTLES: Duration = Duration::from_millis(100);

/// Which file it is, how long, and when it was changed. Where it is equal to an earlier one, the file is as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    bytes: u64,
    seconds: i64,
    nanos: i64,
    inode: u64,
}

impl Look {
    /// `None` for a file that was changed so lately that the next change might look the same.
    pub fn at(about: &Metadata) -> Option<Self> {
        // A time that lies ahead is one of those.
        let age = about.modified().ok()?.elapsed().ok()?;
        let look = Self { bytes: about.len(), seconds: about.mtime(), nanos: about.mtime_nsec(), inode: about.ino() };
        (age > SETTLES).then_some(look)
    }
}
