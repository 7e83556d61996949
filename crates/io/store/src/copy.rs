//! A database as it lies on disk, read while it is in use: for somebody else to have the same.
//!
//! What is read is the file and its write-ahead log, which together are one state: the newest one that was committed before, and maybe
//! more. Whoever puts both in a folder of his own and opens them has that state (<https://www.sqlite.org/walformat.html>).
//!
//! While it reads, a transaction of its own is open: nothing of the log that is needed beside the file is overwritten, and nothing that
//! is newer than the log comes into the file. Only where the whole log was in the file already may another one begin meanwhile; the
//! log's head tells, and all is read again.

use crate::connection;
use crate::error::StoreError;
use crate::look::Look;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of the log's head, in which a new one differs from the one before.
const HEAD_BYTES: usize = 32;
/// By how much a file is read at a time beyond what it was measured to be.
const READ_BYTES: usize = 64 << 10;
/// How often a log may begin anew under our eyes before that is an error; once is rare.
const ATTEMPTS_MAX: usize = 8;

/// Reads a database again and again.
#[derive(Debug)]
pub struct Copier {
    path: PathBuf,
    connection: Option<SqliteConnection>,
    /// Opened once and never closed: with any descriptor of the file that a process closes, it loses all its locks on it (fcntl(2)), also
    /// those by which SQLite knows that somebody uses the database.
    file: Option<Arc<File>>,
    /// What file and log looked like when they were read last.
    seen: [Option<Look>; 2],
}

/// What was read; `None` for what is as it was when it was read last.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied {
    /// The file.
    pub file: Option<Vec<u8>>,
    /// Its write-ahead log; empty where there is none.
    pub log: Option<Vec<u8>>,
}

impl Copier {
    /// For the database at `path`, which may not be there yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), connection: None, file: None, seen: [None; 2] }
    }

    /// Reads all of it at the next call.
    pub fn forget(&mut self) {
        self.seen = [None; 2];
    }

    /// The database with everything that was committed before this was called; `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read; the next call opens it anew.
    pub async fn copy(&mut self) -> Result<Option<Copied>, StoreError> {
        if !self.path.exists() {
            return Ok(None);
        }
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let options = connection::options(&self.path).pragma("query_only", "1");
                SqliteConnection::connect_with(&options).await.map_err(|error| StoreError::of(&self.path, error))?
            }
        };
        for _ in 0..ATTEMPTS_MAX {
            if let Some(copied) = self.attempt(&mut connection).await? {
                self.connection = Some(connection);
                return Ok(Some(copied));
            }
        }
        let why = std::io::Error::other("its log begins anew all the time");
        Err(StoreError::Open { path: self.path.clone(), source: why })
    }

    async fn attempt(&mut self, connection: &mut SqliteConnection) -> Result<Option<Copied>, StoreError> {
        let failed = |error| StoreError::of(&self.path, error);
        connection.execute("BEGIN").await.map_err(failed)?;
        // Only a statement that reads takes the place in the log.
        connection.execute("SELECT count(*) FROM sqlite_schema").await.map_err(failed)?;
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let opened = File::open(&self.path);
                let opened = opened.map_err(|source| StoreError::Open { path: self.path.clone(), source })?;
                Arc::clone(self.file.insert(Arc::new(opened)))
            }
        };
        let (path, seen) = (self.path.clone(), self.seen);
        let read = tokio::task::spawn_blocking(move || read(&path, &file, seen)).await;
        let read = read.expect("reading does not panic, and nothing aborts the task");
        connection.execute("COMMIT").await.map_err(failed)?;
        let read = read.map_err(|source| StoreError::Open { path: self.path.clone(), source })?;
        Ok(read.map(|(copied, look)| {
            self.seen = look;
            copied
        }))
    }
}

/// `None` where another log began meanwhile.
fn read(path: &Path, file: &File, seen: [Option<Look>; 2]) -> std::io::Result<Option<(Copied, [Option<Look>; 2])>> {
    let mut log_path = path.as_os_str().to_owned();
    log_path.push("-wal");
    let log_path = PathBuf::from(log_path);
    let head = head(&log_path)?;
    let (file, file_look) = read_changed(file, seen[0])?;
    let (log, log_look) = match File::open(&log_path) {
        Err(error) if error.kind() == ErrorKind::NotFound => (Some(Vec::new()), None),
        opened => read_changed(&opened?, seen[1])?,
    };
    let is_same = head == self::head(&log_path)?;
    Ok(is_same.then_some((Copied { file, log }, [file_look, log_look])))
}

fn read_changed(file: &File, seen: Option<Look>) -> std::io::Result<(Option<Vec<u8>>, Option<Look>)> {
    let about = file.metadata()?;
    let look = Look::at(&about);
    let is_new = look.is_none() || look != seen;
    Ok((is_new.then(|| whole(file, about.len())).transpose()?, look))
}

/// What is in it from its beginning; it may have grown since it was measured.
fn whole(file: &File, about: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(about).unwrap_or(usize::MAX)];
    let mut end = 0;
    loop {
        if end == bytes.len() {
            bytes.resize(end + READ_BYTES, 0);
        }
        match file.read_at(&mut bytes[end..], end as u64)? {
            0 => break,
            read => end += read,
        }
    }
    bytes.truncate(end);
    Ok(bytes)
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(HEAD_BYTES as u64).read_to_end(&mut head).map(drop)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    async fn open(path: &Path) -> SqliteConnection {
        connection::open_with(path, 100_000).await.unwrap()
    }

    async fn put(connection: &mut SqliteConnection, number: u64) {
        // Some pages each, in places all over the file.
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        let text = format!("{number:0>9000}");
        let statements = [
            format!("REPLACE INTO t VALUES ({}, '{text}')", number * 7919 % 50),
            format!("REPLACE INTO last VALUES (1, {number})"),
        ];
        for statement in statements {
            connection.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
        }
        connection.execute("COMMIT").await.unwrap();
    }

    /// The number that was put last, in a whole database.
    async fn last_in(dir: &Path, file: &[u8], log: &[u8]) -> u64 {
        let path = dir.join("copy.db");
        for (end, bytes) in [("", file), ("-wal", log)] {
            std::fs::write(format!("{}{end}", path.display()), bytes).unwrap();
        }
        let _ = std::fs::remove_file(format!("{}-shm", path.display()));
        let mut copy = open(&path).await;
        let whole: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut copy).await.unwrap();
        assert_eq!(whole, "ok");
        let (last, newest): (i64, String) =
            sqlx::query_as("SELECT number, (SELECT text FROM t WHERE id = number * 7919 % 50) FROM last")
                .fetch_one(&mut copy)
                .await
                .unwrap();
        assert_eq!(newest, format!("{last:0>9000}"), "both were changed together");
        copy.close().await.unwrap();
        u64::try_from(last).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn copies_are_whole_and_have_what_was_committed_while_others_write_and_the_log_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        assert_eq!(Copier::new(&path).copy().await.unwrap(), None, "there is none");
        connection::make_file(&path).unwrap();
        let mut writer = open(&path).await;
        // Much oftener than usual, so that files change and logs begin anew under the reader's eyes.
        writer.execute("PRAGMA wal_autocheckpoint = 3").await.unwrap();
        writer.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)").await.unwrap();
        writer.execute("CREATE TABLE last (one INTEGER PRIMARY KEY, number INTEGER)").await.unwrap();
        put(&mut writer, 0).await;
        let committed = Arc::new(AtomicU64::new(0));
        let writing = {
            let committed = Arc::clone(&committed);
            tokio::spawn(async move {
                for number in 1..=400 {
                    put(&mut writer, number).await;
                    committed.store(number, SeqCst);
                }
                writer.close().await.unwrap();
            })
        };
        let (mut copier, mut rounds, mut files) = (Copier::new(&path), 0, 0);
        let (mut file, mut log) = (Vec::new(), Vec::new());
        loop {
            let (before, is_over) = (committed.load(SeqCst), writing.is_finished());
            let copied = copier.copy().await.unwrap().unwrap();
            if let Some(newer) = copied.file {
                (file, files) = (newer, files + 1);
            }
            log = copied.log.unwrap_or(log);
            let last = last_in(dir.path(), &file, &log).await;
            assert!(last >= before, "{last} is there, {before} was committed");
            rounds += 1;
            if is_over {
                assert_eq!(last, 400);
                break;
            }
        }
        assert!(rounds > 3 && files > 1, "{rounds} copies, {files} times with the file");
        // What was changed a moment ago may be changed again without looking different.
        tokio::time::sleep(crate::look::SETTLES * 2).await;
        copier.copy().await.unwrap();
        assert_eq!(copier.copy().await.unwrap(), Some(Copied { file: None, log: None }), "all is as it was");
    }
}
