//! A clock that a test can set, for real processes: libfaketime between them and the kernel's. Timers go on as they are, as on a
//! machine that slept.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where Debian's `faketime` puts the library, below the folder of the architecture.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clock of every process that was started with it.
#[derive(Clone, Debug)]
pub struct Clock {
    file: PathBuf,
    library: PathBuf,
}

impl Clock {
    /// One that shows the time of day until it is set. Its file is made in `dir`.
    ///
    /// # Panics
    /// Where libfaketime is not installed.
    pub fn new(dir: &Path) -> Self {
        let folders = std::fs::read_dir("/usr/lib").expect("a system has libraries").flatten();
        let library = folders.map(|folder| folder.path().join(LIBRARY)).find(|path| path.exists());
        let it = Self { file: dir.join("clock"), library: library.expect("install `faketime`") };
        it.set_ahead(Duration::ZERO);
        it
    }

    /// From here on it is ahead of the time of day by so much.
    ///
    /// # Panics
    /// Where its file cannot be written.
    pub fn set_ahead(&self, by: Duration) {
        let beside = self.file.with_extension("new");
        let written = std::fs::write(&beside, format!("+{}\n", by.as_secs()));
        written.and_then(|()| std::fs::rename(&beside, &self.file)).expect("the test's own folder is writable");
    }

    /// A program that goes by this clock, with all that it starts.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
        command
    }
}
