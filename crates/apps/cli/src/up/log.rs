//! Log files of the parts: opened for appending, read back at the end, kept from growing without bound.

use crate::limits::{LOG_BYTES_MAX, LOG_TAIL_BYTES, LOG_TAIL_LINES};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a log file for appending, for this user alone. Answers with its length so far.
pub(crate) fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

/// The last lines written after the first `from` bytes: at most [`LOG_TAIL_LINES`] of at most [`LOG_TAIL_BYTES`].
///
/// A log that cannot be read has no last lines: this only adorns a message about something else.
pub(crate) fn tail(path: &Path, from: u64) -> Vec<String> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.min(len).max(len.saturating_sub(LOG_TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].iter().map(|line| printable(line)).collect()
}

/// What a program wrote must not steer the terminal of whoever reads it.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Moves what a too long log holds to `<name>.old`. Writers append, so they go on at the new beginning.
pub(crate) fn shorten(path: &Path) -> io::Result<bool> {
    if fs::metadata(path)?.len() < LOG_BYTES_MAX {
        return Ok(false);
    }
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    // Lines written between copying and cutting are lost; a log is no ledger.
    fs::copy(path, old)?;
    OpenOptions::new().write(true).open(path)?.set_len(0)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_tail_is_of_this_life_only_and_cannot_steer_a_terminal() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x.log");
        let (mut file, len) = open(&path).unwrap();
        assert_eq!(len, 0);
        file.write_all(b"earlier life\n").unwrap();
        let (_, from) = open(&path).unwrap();
        file.write_all(b"one\n\n\x1b[2Jtwo\n").unwrap();
        assert_eq!(tail(&path, from), ["one", "\u{fffd}[2Jtwo"]);
        for i in 0..40 {
            writeln!(file, "line {i}").unwrap();
        }
        let lines = tail(&path, from);
        assert_eq!((lines.len(), lines.last().unwrap().as_str()), (LOG_TAIL_LINES, "line 39"));
        assert!(tail(&temp.path().join("absent"), 0).is_empty());
    }

    #[test]
    fn a_log_that_is_too_long_is_moved_and_its_writer_goes_on() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("x.log");
        let (mut file, _) = open(&path).unwrap();
        file.write_all(b"short\n").unwrap();
        assert!(!shorten(&path).unwrap());
        file.set_len(LOG_BYTES_MAX).unwrap();
        assert!(shorten(&path).unwrap());
        file.write_all(b"after\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after\n");
        assert_eq!(fs::metadata(temp.path().join("x.log.old")).unwrap().len(), LOG_BYTES_MAX);
    }
}
