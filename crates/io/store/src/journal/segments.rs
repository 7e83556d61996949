//! The files of the journal: `00000001.log` and on, each taken in from its beginning and removed when that is done.

use super::JournalError;
use super::frame::{MAGIC, decode};
use crate::limits::JOURNAL_READ_BYTES;
use bartizan_core::issued::Issued;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The segments that are there, oldest first.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    all: VecDeque<Segment>,
    last: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    /// Bytes that are on disk and whole.
    length: u64,
    /// Bytes that were taken in, from the beginning.
    taken: u64,
    /// True while records are added to it.
    open: bool,
}

/// A piece of a segment that can be read without holding anything.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) from: u64,
    end: u64,
}

impl Part {
    /// The next whole records, and how many bytes they take; none where the rest cannot be read, or there is no rest.
    pub(super) fn read(&self) -> Result<(Vec<Issued>, u64), JournalError> {
        let failed = |error: io::Error| failed(&self.path, &error);
        let file = File::open(&self.path).map_err(failed)?;
        let length = usize::try_from(self.end.saturating_sub(self.from)).unwrap_or(usize::MAX).min(JOURNAL_READ_BYTES);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, self.from).map_err(failed)?;
        let (records, taken) = decode(&bytes);
        Ok((records, taken as u64))
    }
}

impl Segments {
    /// What is in the folder, and how many records wait in it. What is no record any more is put aside.
    pub(super) fn open(dir: &Path) -> Result<(Self, u64), JournalError> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| failed(dir, &error))?;
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|error| failed(dir, &error))? {
            let name = entry.map_err(|error| failed(dir, &error))?.file_name();
            numbers
                .extend(name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|n| n.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let mut it = Self { dir: dir.to_owned(), all: VecDeque::new(), last: numbers.last().copied().unwrap_or(0) };
        let mut waiting = 0;
        for number in numbers {
            let (records, length) = it.check(number)?;
            waiting += records;
            if records == 0 {
                it.remove(number);
            } else {
                it.all.push_back(Segment { number, length, taken: MAGIC.len() as u64, open: false });
            }
        }
        Ok((it, waiting))
    }

    /// Counts the whole records of a segment; what follows them goes into a file of its own.
    fn check(&self, number: u64) -> Result<(u64, u64), JournalError> {
        let path = self.path(number);
        let failed = |error: io::Error| failed(&path, &error);
        let end = std::fs::metadata(&path).map_err(failed)?.len();
        let mut magic = [0; MAGIC.len()];
        let good = File::open(&path).and_then(|file| file.read_exact_at(&mut magic, 0)).is_ok() && magic == *MAGIC;
        let mut part = Part { number, path: path.clone(), from: MAGIC.len() as u64, end: if good { end } else { 0 } };
        let mut count = 0;
        // Of a file without the right beginning nothing is read: its part is empty.
        loop {
            let (records, length) = part.read()?;
            if records.is_empty() {
                break;
            }
            count += records.len() as u64;
            part.from += length;
        }
        let whole = if good { part.from } else { 0 };
        if whole < end {
            let aside = path.with_extension("torn");
            std::fs::copy(&path, &aside).map_err(failed)?;
            let file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
            file.set_len(whole).and_then(|()| file.sync_all()).map_err(failed)?;
            tracing::warn!(
                bytes = end - whole, records = count, file = %path.display(), aside = %aside.display(),
                "the end of a segment was torn, so it belongs to certificates that were not handed out; the whole file is kept aside"
            );
        }
        Ok((count, whole))
    }

    /// A new file to add records to, on disk with its folder.
    pub(super) fn begin(&mut self) -> Result<File, JournalError> {
        self.close();
        let number = self.last + 1;
        let path = self.path(number);
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|file| {
            file.write_all_at(MAGIC, 0)?;
            file.sync_all()?;
            File::open(&self.dir)?.sync_all()?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                self.last = number;
                let length = MAGIC.len() as u64;
                self.all.push_back(Segment { number, length, taken: length, open: true });
                Ok(file)
            }
            Err(error) => {
                let _ = std::fs::remove_file(&path); // the first failure is the one to report
                Err(failed(&path, &error))
            }
        }
    }

    /// No record is added to the newest one any more.
    pub(super) fn close(&mut self) {
        if let Some(newest) = self.all.back_mut() {
            newest.open = false;
        }
        self.clear();
    }

    /// The end of the newest one, where it is being written.
    pub(super) fn end(&self) -> u64 {
        self.all.back().filter(|it| it.open).map_or(0, |it| it.length)
    }

    /// The newest one has grown, on disk.
    pub(super) fn grown(&mut self, length: u64) {
        if let Some(newest) = self.all.back_mut() {
            newest.length = length;
        }
    }

    /// Bytes of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.all.iter().map(|it| it.length).sum()
    }

    /// The newest one's file, or the folder.
    pub(super) fn place(&self) -> PathBuf {
        self.all.back().filter(|it| it.open).map_or_else(|| self.dir.clone(), |it| self.path(it.number))
    }

    /// What is to be taken in next.
    pub(super) fn oldest(&self) -> Option<Part> {
        self.all.iter().find(|it| it.taken < it.length).map(|it| self.part(it))
    }

    /// All that is to be taken in.
    pub(super) fn all(&self) -> Vec<Part> {
        self.all.iter().filter(|it| it.taken < it.length).map(|it| self.part(it)).collect()
    }

    /// A segment was taken in up to `end`.
    pub(super) fn advance(&mut self, number: u64, end: u64) {
        if let Some(segment) = self.all.iter_mut().find(|it| it.number == number) {
            segment.taken = segment.taken.max(end);
        }
        self.clear();
    }

    /// The rest of a segment cannot be read. It stays where it is for people to look at; gives its length.
    pub(super) fn skip(&mut self, part: &Part) -> u64 {
        let path = self.path(part.number);
        let Some(segment) = self.all.iter_mut().find(|it| it.number == part.number) else { return 0 };
        segment.taken = segment.length;
        if !segment.open {
            let _ = std::fs::rename(&path, path.with_extension("torn")); // else it is reported again at the next start
        }
        let lost = part.end - part.from;
        self.clear();
        lost
    }

    /// Removes what was taken in whole.
    fn clear(&mut self) {
        let done: Vec<u64> =
            self.all.iter().filter(|it| !it.open && it.taken >= it.length).map(|it| it.number).collect();
        self.all.retain(|it| !done.contains(&it.number));
        done.into_iter().for_each(|number| self.remove(number));
    }

    fn remove(&self, number: u64) {
        // One that stays is taken in again at the next start, which changes nothing.
        if let Err(error) = std::fs::remove_file(self.path(number))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %self.path(number).display(), "a segment that was taken in cannot be removed");
        }
    }

    fn part(&self, segment: &Segment) -> Part {
        let Segment { number, length, taken, .. } = *segment;
        Part { number, path: self.path(number), from: taken, end: length }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.log"))
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> JournalError {
    JournalError::File { path: path.to_owned(), why: error.to_string() }
}
