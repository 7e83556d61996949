//! One partition of the store: a file of blocks, one behind the other. While it grows it is `N.events`; closed and packed it is
//! `N.packed`, with an index of its blocks beside it. Written anew without what had to go, it is `N.packed2`, `N.packed3` and so on, its
//! editions: the one before stays until nobody reads in it, and after a kill the last one that is whole counts.

use crate::block::{self, HEADER_BYTES, Header};
use crate::bloom::Bloom;
use crate::event::StoredEvent;
use crate::known::Known;
use crate::limits::{BLOCK_BYTES_MAX, INDEX_BYTES_MAX};
use crate::outline::Outline;
use crate::sorts::Sorts;
use crate::summary::Summary;
use bartizan_core::Timestamp;
use bartizan_crypto::hash;
use std::cmp::Reverse;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// First bytes of every file.
pub(crate) const MAGIC: &[u8; 8] = b"BZEVENT2";
/// First bytes of every index.
const INDEX_MAGIC: &[u8; 8] = b"BZINDEX4";
/// The same before an index said how much of each sort is in its partition.
const INDEX_MAGIC_WITHOUT_SORTS: &[u8; 8] = b"BZINDEX3";
/// The same before an index said which requests are in its partition.
const INDEX_MAGIC_WITHOUT_REQUESTS: &[u8; 8] = b"BZINDEX2";
const CHECKSUM: usize = 32;
const GROWING: &str = "events";
const PACKED: &str = "packed";
/// A packed file that is being written; worth nothing after a kill.
const UNFINISHED: &str = "new";
const INDEX: &str = "index";

/// A file, and what lies in it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// Its length, in bytes.
    pub(crate) bytes: u64,
    /// In the order in which they were written.
    pub(crate) blocks: Vec<Summary>,
    /// What lies in all of them.
    pub(crate) outline: Outline,
    /// Bytes that hold no whole block: torn by a power cut, or altered.
    pub(crate) damaged: u64,
    /// Its file goes with it, once nobody reads in it any more.
    gone: AtomicBool,
}

/// The files of a folder, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Those of this layout.
    pub(crate) files: Vec<(u64, PathBuf)>,
    /// Those of the layout before.
    pub(crate) earlier: Vec<(u64, PathBuf)>,
}

impl Segment {
    /// Makes a new file, readable by its owner alone.
    pub(crate) fn begin(dir: &Path, number: u64) -> io::Result<(Self, File)> {
        Self::make(dir, number, GROWING, OpenOptions::new().create_new(true))
    }

    /// Makes the file of a packed one, which is nothing before [`Segment::finish`].
    pub(crate) fn begin_packed(dir: &Path, number: u64) -> io::Result<(Self, File)> {
        Self::make(dir, number, UNFINISHED, OpenOptions::new().create(true).truncate(true))
    }

    fn make(dir: &Path, number: u64, suffix: &str, options: &mut OpenOptions) -> io::Result<(Self, File)> {
        let path = dir.join(format!("{number:012}.{suffix}"));
        let file = options.read(true).write(true).mode(0o600).open(&path)?;
        if let Err(error) = file.write_all_at(MAGIC, 0) {
            // A full disk still takes a name. Left there, it would be in the way of the next try.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok((Self::empty(number, path, MAGIC.len() as u64), file))
    }

    fn empty(number: u64, path: PathBuf, bytes: u64) -> Self {
        let (blocks, outline) = (Vec::new(), Outline { sorts: Some(Sorts::default()), ..Outline::default() });
        Self { number, path, bytes, blocks, outline, damaged: 0, gone: AtomicBool::new(false) }
    }

    /// Puts a packed file on the disk as a whole, with its index. Up to the moment in which it gets its name, it is nothing.
    pub(crate) fn finish(&mut self, file: &File, edition: u32) -> io::Result<()> {
        file.sync_all()?;
        let path = self.path.with_extension(numbered(PACKED, edition));
        std::fs::rename(&self.path, &path)?;
        self.path = path;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        if let Err(error) = self.write_index() {
            tracing::warn!(%error, file = %self.path.display(), "no index was written; the next start reads the file itself");
        }
        Ok(())
    }

    /// The files of a folder, which whoever calls this has for himself: what somebody else packs meanwhile would be missed, or removed. Where a packed one is there, what it was packed from is not needed any more and is taken away; of several editions the last one counts.
    pub(crate) fn list(dir: &Path) -> io::Result<Listing> {
        let mut growing = Vec::new();
        let mut packed = Vec::new();
        let mut listing = Listing::default();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let Some(number) = number else { continue };
            match path.extension().and_then(|it| it.to_str()) {
                Some(GROWING) => growing.push((number, path)),
                Some(UNFINISHED) => std::fs::remove_file(&path)?,
                _ => packed.extend(edition_of(&path).map(|edition| (number, Reverse(edition), path))),
            }
        }
        packed.sort_unstable();
        for (number, _, path) in packed {
            match listing.files.last() {
                Some((last, _)) if *last == number => take_packed_away(&path)?,
                _ => listing.files.push((number, path)),
            }
        }
        for (number, path) in growing {
            if listing.files.iter().any(|(packed, it)| *packed == number && edition_of(it).is_some()) {
                std::fs::remove_file(&path)?;
            } else if crate::earlier::is_one(&path) {
                listing.earlier.push((number, path));
            } else {
                listing.files.push((number, path));
            }
        }
        listing.files.sort_unstable();
        listing.earlier.sort_unstable();
        Ok(listing)
    }

    /// What the index beside a packed file says, where it is of this very file.
    pub(crate) fn indexed(number: u64, path: &Path) -> Option<Self> {
        let index = index_of(path)?;
        if std::fs::metadata(&index).ok()?.len() > INDEX_BYTES_MAX {
            return None;
        }
        let bytes = std::fs::read(index).ok()?;
        let (magic, rest) = bytes.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
        let known = [INDEX_MAGIC, INDEX_MAGIC_WITHOUT_SORTS, INDEX_MAGIC_WITHOUT_REQUESTS];
        if !known.contains(&magic) || hash::sha256(rest) != *sum {
            return None;
        }
        let (index, rest): ((u64, u64, u64, Vec<Summary>), _) = postcard::take_from_bytes(rest).ok()?;
        let (of, length, damaged, blocks) = index;
        let (requests, sorts): (Option<Bloom>, Option<Sorts>) = match magic {
            INDEX_MAGIC => postcard::from_bytes(rest).ok()?,
            INDEX_MAGIC_WITHOUT_SORTS => (postcard::from_bytes(rest).ok()?, None),
            _ => (None, None),
        };
        let is_of_it = of == number && std::fs::metadata(path).is_ok_and(|about| about.len() == length);
        is_of_it.then(|| {
            let mut it = Self::empty(number, path.to_owned(), length);
            it.outline = Outline::of(&blocks, requests, sorts);
            (it.blocks, it.damaged) = (blocks, damaged);
            it
        })
    }

    /// Writes the index. Without it, the next start reads the file itself.
    fn write_index(&self) -> io::Result<()> {
        let Self { number, bytes, damaged, blocks, outline, .. } = self;
        let body = postcard::to_stdvec(&(number, bytes, damaged, blocks, &outline.requests, &outline.sorts));
        let body = body.map_err(io::Error::other)?;
        let bytes = [INDEX_MAGIC.as_slice(), &hash::sha256(&body), &body].concat();
        let Some(path) = index_of(&self.path) else { return Ok(()) };
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        file.write_all_at(&bytes, 0)
    }

    /// Reads what lies in a file, and notes its events. What is damaged is stepped over.
    pub(crate) fn scan(number: u64, path: &Path, known: &mut Known) -> io::Result<Self> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let mut it = Self::empty(number, path.to_owned(), bytes);
        let mut magic = [0; MAGIC.len()];
        if bytes < MAGIC.len() as u64 || file.read_exact_at(&mut magic, 0).is_err() || magic != *MAGIC {
            it.damaged = bytes;
            return Ok(it);
        }
        let mut at = MAGIC.len() as u64;
        while at < bytes {
            match block_at(&file, at, bytes)? {
                Some((header, events)) => {
                    events.iter().for_each(|event| known.note(event.id));
                    it.push(Summary::of(at, header, &events), &events);
                    at += header.bytes();
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

    /// The events of one of its blocks; `None` where it is not what was written.
    pub(crate) fn read(&self, file: &File, block: &Summary) -> io::Result<Option<Vec<StoredEvent>>> {
        Ok(block_at(file, block.offset, self.bytes)?.map(|(_, events)| events))
    }

    /// The events of the block at byte `offset` of a file that is `end` bytes long.
    pub(crate) fn read_at(file: &File, offset: u64, end: u64) -> io::Result<Option<Vec<StoredEvent>>> {
        Ok(block_at(file, offset, end)?.map(|(_, events)| events))
    }

    /// Adds a block of these events at its end.
    pub(crate) fn add(&mut self, file: &File, events: &[StoredEvent], block: &[u8]) -> io::Result<()> {
        let header = Header::read(block).ok_or_else(|| io::Error::other("a block without header"))?;
        file.write_all_at(block, self.bytes)?;
        self.push(Summary::of(self.bytes, header, events), events);
        self.bytes += block.len() as u64;
        Ok(())
    }

    fn push(&mut self, block: Summary, events: &[StoredEvent]) {
        self.outline.add(&block);
        self.outline.sorts.iter_mut().for_each(|sorts| sorts.add(events));
        self.blocks.push(block);
    }

    /// The same with what of each sort is in it, which its index did not say; from now on it does.
    pub(crate) fn with_sorts(&self, sorts: Sorts) -> Option<Self> {
        let mut it = Self::indexed(self.number, &self.path)?;
        it.outline.sorts = Some(sorts);
        if let Err(error) = it.write_index() {
            tracing::warn!(%error, file = %it.path.display(), "an index cannot be written; the next start looks again what is in its file");
        }
        Some(it)
    }

    /// Opens it to be written on, where it is whole and still what it was.
    pub(crate) fn go_on(&self) -> Option<File> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path).ok()?;
        let whole = self.damaged == 0 && file.metadata().is_ok_and(|about| about.len() == self.bytes);
        (whole && !self.is_packed() && self.bytes >= MAGIC.len() as u64).then_some(file)
    }

    /// Whether `open` still lies where the next start will look for it.
    pub(crate) fn is(&self, open: &File) -> bool {
        let place = |about: Metadata| (about.dev(), about.ino());
        match (open.metadata(), std::fs::metadata(&self.path)) {
            (Ok(open), Ok(there)) => place(open) == place(there),
            _ => false,
        }
    }

    pub(crate) fn is_packed(&self) -> bool {
        self.edition() > 0
    }

    /// How often it was written as a whole; 0 for one that is not packed.
    pub(crate) fn edition(&self) -> u32 {
        edition_of(&self.path).unwrap_or(0)
    }

    /// When the first event in it happened; `None` where there is none.
    pub(crate) fn first_at(&self) -> Option<Timestamp> {
        self.outline.span.map(|(first, _)| first)
    }

    /// When the last one did.
    pub(crate) fn last_at(&self) -> Option<Timestamp> {
        self.outline.span.map(|(_, last)| last)
    }

    /// Events in it, a count.
    pub(crate) fn events(&self) -> u64 {
        self.outline.events
    }

    /// It is not needed any more: its file is taken away once nobody reads in it.
    pub(crate) fn take_away(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !*self.gone.get_mut() {
            return;
        }
        if let Err(error) = take_packed_away(&self.path) {
            tracing::warn!(%error, file = %self.path.display(), "a file of events that is not needed any more cannot be removed");
        }
    }
}

/// A file, with its index where it is packed. One that is not there any more is fine.
fn take_packed_away(path: &Path) -> io::Result<()> {
    for path in [Some(path.to_owned()), index_of(path)].into_iter().flatten() {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Which edition lies in a file of this name; `None` where it is not packed.
fn edition_of(path: &Path) -> Option<u32> {
    match path.extension()?.to_str()?.strip_prefix(PACKED)? {
        "" => Some(1),
        number => number.parse().ok().filter(|edition| *edition > 1),
    }
}

/// Where the index of a packed file lies.
fn index_of(path: &Path) -> Option<PathBuf> {
    Some(path.with_extension(numbered(INDEX, edition_of(path)?)))
}

fn numbered(word: &str, edition: u32) -> String {
    if edition > 1 { format!("{word}{edition}") } else { word.to_owned() }
}

/// The block at byte `at` of a file of `end` bytes; `None` where there is none, or not all of it.
fn block_at(file: &File, at: u64, end: u64) -> io::Result<Option<(Header, Vec<StoredEvent>)>> {
    let mut head = [0; HEADER_BYTES];
    if end.saturating_sub(at) < HEADER_BYTES as u64 || !read_exact(file, &mut head, at)? {
        return Ok(None);
    }
    let Some(header) = Header::read(&head).filter(|header| header.bytes() <= end - at) else { return Ok(None) };
    let mut block = vec![0; usize::try_from(header.bytes()).map_err(io::Error::other)?];
    if !read_exact(file, &mut block, at)? {
        return Ok(None);
    }
    Ok(block::decode(&block).map(|events| (header, events)))
}

/// False where the file ends before.
pub(crate) fn read_exact(file: &File, into: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(into, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where the next whole header behind byte `at` is; `end` where there is none. Reads a window at a time: only damaged files come here.
fn next_header(file: &File, mut at: u64, end: u64) -> io::Result<u64> {
    loop {
        // The keys of a header have to be in the window with it; half of it is left behind when there is none.
        let length = (end - at).min(BLOCK_BYTES_MAX * 2);
        let mut window = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        if !read_exact(file, &mut window, at)? {
            return Ok(end);
        }
        match block::next_header(&window) {
            Some(found) => return Ok(at + found as u64),
            None if at + length >= end => return Ok(end),
            None => at += BLOCK_BYTES_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;
    use crate::tests::event;

    #[test]
    fn an_index_of_a_form_before_is_read_and_does_not_know_what_it_did_not_say() {
        let dir = tempfile::tempdir().unwrap();
        let made = pack::of_events(dir.path(), 3, (0..50).map(event).collect()).unwrap();
        let read = Segment::indexed(3, &made.path).unwrap();
        assert_eq!((read.events(), &read.outline.requests), (50, &made.outline.requests));
        assert!(read.outline.requests.is_some() && read.outline.sorts.is_some_and(|it| it.events() == 50));
        assert_eq!(read.outline.sorts, made.outline.sorts);

        let index = made.path.with_extension(INDEX);
        let put = |magic: &[u8; 8], body: &[u8]| {
            std::fs::write(&index, [magic.as_slice(), &hash::sha256(body), body].concat()).unwrap();
            Segment::indexed(3, &made.path)
        };
        let Segment { number, bytes, damaged, blocks, outline, .. } = &made;
        let oldest = postcard::to_stdvec(&(number, bytes, damaged, blocks)).unwrap();
        let before = put(INDEX_MAGIC_WITHOUT_REQUESTS, &oldest).unwrap();
        assert_eq!((before.events(), before.outline.span), (50, made.outline.span));
        assert_eq!((&before.outline.requests, before.outline.sorts), (&None, None));
        let older = postcard::to_stdvec(&(number, bytes, damaged, blocks, &outline.requests)).unwrap();
        let before = put(INDEX_MAGIC_WITHOUT_SORTS, &older).unwrap();
        assert_eq!((&before.outline.requests, before.outline.sorts), (&made.outline.requests, None));

        // What it did not say is looked up once.
        let told = before.with_sorts(pack::sorts(&before).unwrap()).unwrap();
        assert_eq!(told.outline.sorts, made.outline.sorts);
        assert_eq!(Segment::indexed(3, &made.path).unwrap().outline.sorts, made.outline.sorts);

        // Cut before its requests or its sorts, or of a form that nobody has written yet.
        assert!(put(INDEX_MAGIC, &oldest).is_none() && put(INDEX_MAGIC, &older).is_none());
        assert!(put(b"BZINDEX9", &older).is_none());
    }

    #[test]
    fn of_several_editions_the_last_whole_one_counts() {
        let dir = tempfile::tempdir().unwrap();
        let made = pack::of_events(dir.path(), 3, (0..50).map(event).collect()).unwrap();
        let pack::Thinned::Less(less, _) = pack::thin(dir.path(), &made, |it| it.id.1 < 20).unwrap() else { panic!() };
        let pack::Thinned::Less(least, _) = pack::thin(dir.path(), &less, |it| it.id.1 < 40).unwrap() else { panic!() };
        assert_eq!((made.edition(), less.edition(), least.edition()), (1, 2, 3));
        // As after a kill that came before the ones before were removed, and in the midst of another one.
        std::fs::write(dir.path().join("000000000003.new"), b"BZEVENT2 and half a block").unwrap();
        std::fs::write(dir.path().join("000000000003.packed1"), b"nobody writes that").unwrap();
        assert_eq!(Segment::list(dir.path()).unwrap().files, [(3, least.path.clone())]);
        assert!(!made.path.exists() && !less.path.exists() && !index_of(&less.path).unwrap().exists());
        assert_eq!(Segment::indexed(3, &least.path).unwrap().events(), 10);
    }
}
