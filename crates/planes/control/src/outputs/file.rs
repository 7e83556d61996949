//! Lines in files: when one is long enough, the next is begun, and the oldest goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The newest file.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    bytes_max: u64,
    files: u32,
    open: Option<(File, u64)>,
}

impl Files {
    pub(super) fn new(path: PathBuf, bytes_max: u64, files: u32) -> Self {
        Self { path, bytes_max, files, open: None }
    }

    /// Adds whole lines and puts them on the disk. Blocks for it.
    ///
    /// # Errors
    /// What the kernel says; a part of the lines may have been written.
    pub(super) fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|(_, bytes)| *bytes + lines.len() as u64 > self.bytes_max && *bytes > 0) {
            self.open = None;
            self.shift()?;
        }
        let (file, bytes) = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(opened(&self.path)?),
        };
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        match written {
            Ok(()) => *bytes += lines.len() as u64,
            // Half a line is nothing that somebody could read: what was there before stays, and the rest comes again.
            Err(_) => {
                let _ = file.set_len(*bytes);
                self.open = None;
            }
        }
        written
    }

    /// `x` becomes `x.1`, `x.1` becomes `x.2`; the last one goes.
    fn shift(&self) -> io::Result<()> {
        let numbered = |number: u32| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        let last = self.files - 1;
        if last == 0 {
            return remove(&self.path);
        }
        remove(&numbered(last))?;
        for number in (1..last).rev() {
            rename(&numbered(number), &numbered(number + 1))?;
        }
        rename(&self.path, &numbered(1))
    }
}

/// The file, and its length. Readable by its owner alone.
fn opened(path: &Path) -> io::Result<(File, u64)> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_follow_each_other_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/events.ndjson");
        let mut files = Files::new(path.clone(), 10, 3);
        for n in 0..8 {
            files.add(format!("line{n}\n").as_bytes()).unwrap();
        }
        // Opened again, it goes on where it was.
        let mut files = Files::new(path.clone(), 10, 3);
        files.add(b"x\n").unwrap();
        let text = |suffix: &str| std::fs::read_to_string(format!("{}{suffix}", path.display())).unwrap();
        assert_eq!((text(""), text(".1"), text(".2")), ("line7\nx\n".into(), "line6\n".into(), "line5\n".into()));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 3);
        files.add(&[b'y'; 40]).unwrap();
        assert_eq!(text("").len(), 40, "what is longer than a file may be has one of its own");
    }

    #[test]
    fn one_file_alone_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.ndjson");
        let mut files = Files::new(path.clone(), 4, 1);
        files.add(b"one\n").unwrap();
        files.add(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
    }
}
