//! One file of the log: blocks one behind the other, and beside a finished one an index of them.

use super::block::{self, HEADER_BYTES, Header};
use super::known::Known;
use super::summary::Summary;
use crate::limits::SUMMARIES_BYTES_MAX;
use bartizan_core::Timestamp;
use bartizan_crypto::hash;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// First bytes of every file.
const MAGIC: &[u8; 8] = b"BZEVENT1";
/// First bytes of every index.
const INDEX_MAGIC: &[u8; 8] = b"BZINDEX1";
const CHECKSUM: usize = 32;
const SUFFIX: &str = "events";
const INDEX_SUFFIX: &str = "index";

/// A file, and what lies in it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// Its length, in bytes.
    pub(crate) bytes: u64,
    /// In the order in which they were written.
    pub(crate) blocks: Vec<Summary>,
    /// Bytes that hold no whole block: torn by a power cut, or altered.
    pub(crate) damaged: u64,
}

impl Segment {
    /// Makes a new file, readable by its owner alone.
    pub(crate) fn begin(dir: &Path, number: u64) -> io::Result<(Self, File)> {
        let path = dir.join(format!("{number:012}.{SUFFIX}"));
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        file.write_all_at(MAGIC, 0)?;
        let it = Self { number, path, bytes: MAGIC.len() as u64, blocks: Vec::new(), damaged: 0 };
        Ok((it, file))
    }

    /// The files of a folder by their numbers, the oldest first.
    pub(crate) fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            if let Some(number) = number.filter(|_| path.extension().is_some_and(|it| it == SUFFIX)) {
                found.push((number, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// What the index beside a finished file says, where it is of this very file.
    pub(crate) fn indexed(number: u64, path: &Path) -> Option<Self> {
        let index = path.with_extension(INDEX_SUFFIX);
        if std::fs::metadata(&index).ok()?.len() > SUMMARIES_BYTES_MAX {
            return None;
        }
        let bytes = std::fs::read(index).ok()?;
        let (sum, rest) = bytes.strip_prefix(INDEX_MAGIC)?.split_first_chunk::<CHECKSUM>()?;
        if hash::sha256(rest) != *sum {
            return None;
        }
        let (of, length, damaged, blocks): (u64, _, _, _) = postcard::from_bytes(rest).ok()?;
        let is_of_it = of == number && std::fs::metadata(path).is_ok_and(|about| about.len() == length);
        is_of_it.then(|| Self { number, path: path.to_owned(), bytes: length, blocks, damaged })
    }

    /// Writes the index of a finished file. Without it, the next start reads the file itself.
    pub(crate) fn write_index(&self) -> io::Result<()> {
        let body =
            postcard::to_stdvec(&(self.number, self.bytes, self.damaged, &self.blocks)).map_err(io::Error::other)?;
        let bytes = [INDEX_MAGIC.as_slice(), &hash::sha256(&body), &body].concat();
        let path = self.path.with_extension(INDEX_SUFFIX);
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        file.write_all_at(&bytes, 0)
    }

    /// Reads what lies in a file, and notes its events. What is damaged is stepped over.
    pub(crate) fn scan(number: u64, path: &Path, known: &mut Known) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut it = Self { number, path: path.to_owned(), bytes, blocks: Vec::new(), damaged: 0 };
        let mut magic = [0; MAGIC.len()];
        if bytes < MAGIC.len() as u64 || file.read_exact_at(&mut magic, 0).is_err() || magic != *MAGIC {
            it.damaged = bytes;
            return Ok(it);
        }
        let mut at = MAGIC.len() as u64;
        while at < bytes {
            match summary(&file, at, bytes, known)? {
                Some(summary) => {
                    at += summary.header.bytes();
                    it.blocks.push(summary);
                }
                None => {
                    let next = next_header(&file, at, bytes)?;
                    it.damaged += next - at;
                    at = next;
                }
            }
        }
        Ok(it)
    }

    /// Opens it to be written on, where it is whole and still what it was.
    pub(crate) fn go_on(&self) -> Option<File> {
        let file = OpenOptions::new().write(true).open(&self.path).ok()?;
        let whole = self.damaged == 0 && file.metadata().is_ok_and(|about| about.len() == self.bytes);
        (whole && self.bytes >= MAGIC.len() as u64).then_some(file)
    }

    /// Whether `open` still lies where the next start will look for it.
    pub(crate) fn is(&self, open: &File) -> bool {
        let place = |about: Metadata| (about.dev(), about.ino());
        match (open.metadata(), std::fs::metadata(&self.path)) {
            (Ok(open), Ok(there)) => place(open) == place(there),
            _ => false,
        }
    }

    /// When the first event in it happened; `None` where there is none.
    pub(crate) fn first_at(&self) -> Option<Timestamp> {
        self.blocks.first().map(|block| block.first_at)
    }
}

/// The block at byte `at` of a file of `end` bytes; `None` where there is none, or not all of it.
fn summary(file: &File, at: u64, end: u64, known: &mut Known) -> io::Result<Option<Summary>> {
    let mut head = [0; HEADER_BYTES];
    if end - at < HEADER_BYTES as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let Some(header) = Header::read(&head).filter(|header| header.bytes() <= end - at) else { return Ok(None) };
    let mut keys = vec![0; header.keys as usize];
    file.read_exact_at(&mut keys, at + HEADER_BYTES as u64)?;
    let Some(keys) = block::keys(&header, &keys) else { return Ok(None) };
    keys.iter().for_each(|key| known.note(key.id));
    Ok(Some(Summary::of(at, header, &keys)))
}

fn next_header(file: &File, at: u64, end: u64) -> io::Result<u64> {
    // Only a damaged file is read like this, and none is much longer than what a segment may have.
    let mut rest = vec![0; usize::try_from(end - at).map_err(io::Error::other)?];
    file.read_exact_at(&mut rest, at)?;
    Ok(block::next_header(&rest).map_or(end, |found| at + found as u64))
}
