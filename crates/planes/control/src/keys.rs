//! Keys of programs: in a file of the data folder, by their hashes alone.

use crate::app::App;
use crate::error::ControlError;
use crate::limits::KEYS_FILE_BYTES_MAX;
use bartizan_core::api_key::{ApiKey, KEY_SCOPES_MAX, KEY_TENANT_BYTES_MAX, KEYS_MAX, is_scope};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_crypto::{hash, random};
use bartizan_runtime::files;
use bartizan_tokens::api_key;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The list, in the data folder.
const FILE: &str = "keys.json";

/// Why a key is neither made nor revoked. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written. That there are no keys is no default, so mend it or take it away.
    #[error("cannot use `{path}`: {source}")]
    File {
        /// Its name.
        path: String,
        /// What is wrong.
        source: io::Error,
    },
    /// The list is full.
    #[error("there are {KEYS_MAX} keys already; revoke some with `bartizan key revoke`")]
    Full,
    /// The name is taken.
    #[error("there is a key `{0}` already; revoke it first, or choose another name")]
    There(ServiceName),
    /// Nobody has that name.
    #[error("there is no key `{0}`; see `bartizan key list`")]
    NotThere(ServiceName),
    /// What it may do, or whose it is, makes no sense.
    #[error("{0}")]
    Said(String),
}

/// A key that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) name: ServiceName,
    pub(crate) scopes: Vec<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) expires: Option<Timestamp>,
}

/// All keys.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    list: Mutex<Vec<ApiKey>>,
}

impl Book {
    pub(crate) fn open(data: &Path) -> Result<Self, KeysError> {
        let path = data.join(FILE);
        let refuse = |source| KeysError::File { path: path.display().to_string(), source };
        let list: Vec<ApiKey> = match files::read_bounded(&path, KEYS_FILE_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => serde_json::from_slice(&text.map_err(refuse)?).map_err(|error| refuse(error.into()))?,
        };
        Ok(Self { path, list: Mutex::new(list) })
    }

    /// All of them, those that have expired among them.
    pub(crate) fn list(&self) -> Vec<ApiKey> {
        self.lock().clone()
    }

    /// What is to be published: those that count.
    pub(crate) fn in_force(&self, now: Timestamp) -> Vec<ApiKey> {
        self.lock().iter().filter(|key| !key.is_over(now)).cloned().collect()
    }

    /// Makes a key and keeps its hash. The key itself is here and nowhere else.
    fn add(&self, wanted: Wanted, now: Timestamp) -> Result<String, KeysError> {
        check(&wanted, now)?;
        let Wanted { name, scopes, tenant, expires } = wanted;
        let mut list = self.lock();
        if list.iter().any(|key| key.name == name) {
            return Err(KeysError::There(name));
        }
        if list.len() >= KEYS_MAX {
            return Err(KeysError::Full);
        }
        let key = api_key::make(random::bytes());
        let hash = hash::hex(&hash::sha256(key.as_bytes()));
        let mut longer = list.clone();
        longer.push(ApiKey { name, hash, scopes, tenant, created: now, expires });
        self.write(&longer)?;
        *list = longer;
        Ok(key)
    }

    fn revoke(&self, name: &ServiceName) -> Result<(), KeysError> {
        let mut list = self.lock();
        let shorter: Vec<_> = list.iter().filter(|key| key.name != *name).cloned().collect();
        if shorter.len() == list.len() {
            return Err(KeysError::NotThere(name.clone()));
        }
        self.write(&shorter)?;
        *list = shorter;
        Ok(())
    }

    fn write(&self, list: &[ApiKey]) -> Result<(), KeysError> {
        let refuse = |source| KeysError::File { path: self.path.display().to_string(), source };
        let text = serde_json::to_vec(list).map_err(|error| refuse(error.into()))?;
        files::write_atomic(&self.path, &text, 0o600).map_err(refuse)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ApiKey>> {
        // Every change leaves it whole.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(wanted: &Wanted, now: Timestamp) -> Result<(), KeysError> {
    let refuse = |why: String| Err(KeysError::Said(why));
    if wanted.scopes.len() > KEY_SCOPES_MAX {
        return refuse(format!("a key has at most {KEY_SCOPES_MAX} scopes"));
    }
    if let Some(bad) = wanted.scopes.iter().find(|scope| !is_scope(scope)) {
        return refuse(format!("`{bad}` is no scope: it has blanks, quotes or other characters"));
    }
    let is_text = |text: &String| (1..=KEY_TENANT_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if !wanted.tenant.as_ref().is_none_or(is_text) {
        return refuse(format!("a tenant is a text of 1 to {KEY_TENANT_BYTES_MAX} bytes"));
    }
    if wanted.expires.is_some_and(|end| end <= now) {
        return refuse("it would have expired already".to_owned());
    }
    Ok(())
}

/// Makes a key and tells the gateway. The key, and the epoch of the directory that has it.
pub(crate) async fn add(app: &App, wanted: Wanted, by: &str, now: Timestamp) -> Result<(String, Epoch), ControlError> {
    let detail = format!("key `{}` made by {by}", wanted.name);
    let key = app.keys.add(wanted, now)?;
    Ok((key, publish(app, &detail).await?))
}

/// Takes a key back and tells the gateway. The epoch of the directory that does not have it any more.
pub(crate) async fn revoke(app: &App, name: &ServiceName, by: &str) -> Result<Epoch, ControlError> {
    app.keys.revoke(name)?;
    publish(app, &format!("key `{name}` revoked by {by}")).await
}

async fn publish(app: &App, detail: &str) -> Result<Epoch, ControlError> {
    app.publish_again().await?;
    let epoch = app.in_force().epoch(Kind::Directory);
    app.tell(Kind::Directory, epoch, Some(detail));
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str) -> Wanted {
        let name = ServiceName::parse(name).unwrap();
        Wanted { name, scopes: vec!["a:read".to_owned()], tenant: None, expires: None }
    }

    #[test]
    fn refuses_keys_that_make_no_sense_and_a_file_that_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (book, now) = (Book::open(dir.path()).unwrap(), Timestamp::from_secs(1_790_000_000));
        let said = |change: fn(&mut Wanted)| {
            let mut it = wanted("report");
            change(&mut it);
            book.add(it, now).unwrap_err()
        };
        assert!(matches!(said(|it| it.scopes = vec!["a b".to_owned()]), KeysError::Said(_)));
        assert!(matches!(said(|it| it.scopes = vec!["a".to_owned(); KEY_SCOPES_MAX + 1]), KeysError::Said(_)));
        assert!(matches!(said(|it| it.tenant = Some(String::new())), KeysError::Said(_)));
        assert!(matches!(said(|it| it.tenant = Some("a\nb".to_owned())), KeysError::Said(_)));
        assert!(matches!(said(|it| it.expires = Some(Timestamp::from_secs(5))), KeysError::Said(_)));
        assert!(matches!(book.revoke(&wanted("report").name), Err(KeysError::NotThere(_))));
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(matches!(Book::open(dir.path()), Err(KeysError::File { .. })));
    }

    #[test]
    fn only_the_hash_is_on_disk_and_it_stays_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (book, now) = (Book::open(dir.path()).unwrap(), Timestamp::from_secs(1_790_000_000));
        let key = book.add(wanted("report"), now).unwrap();
        assert!(matches!(book.add(wanted("report"), now), Err(KeysError::There(_))), "a name is taken");
        let end = Timestamp::from_secs(1_790_000_100);
        book.add(Wanted { expires: Some(end), ..wanted("short") }, now).unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(!text.contains(&key) && !text.contains(&key[4..40]), "{text}");
        let book = Book::open(dir.path()).unwrap();
        assert_eq!(book.list()[0].hash, hash::hex(&api_key::read(&key).unwrap()));
        assert_eq!((book.in_force(now).len(), book.in_force(end).len()), (2, 1));
        book.revoke(&wanted("report").name).unwrap();
        assert!(Book::open(dir.path()).unwrap().list().iter().all(|key| key.name.as_str() == "short"));
    }
}
