//! What lasts of grants: the database, the key that refresh tokens are made with, and apps that registered themselves.

use super::registered::Registered;
use crate::app::App;
use crate::error::chain;
use crate::limits::REFRESH_KEY_BYTES_MAX;
use bartizan_core::Secret;
use bartizan_core::event::{self, Deed, What};
use bartizan_crypto::{base64, hash, random};
use bartizan_runtime::files;
use bartizan_store::{Grants as Database, StoreError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The database, in the data folder.
const DATABASE: &str = "grants.db";
/// The key, beside it.
const KEY: &str = "refresh.key";
/// By which the database says which key its families belong to.
const FINGERPRINT: &str = "refresh_key";

/// Why there are no grants to look at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantsError {
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key's file cannot be used.
    #[error("cannot use `{}`", path.display())]
    Key {
        /// Its name.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// What stands in the database was written by a later program, or by nobody of ours.
    #[error("what is stored of `{0}` cannot be read")]
    Record(String),
}

/// Grants, opened when the fleet file first wants them.
#[derive(Debug, Default)]
pub(crate) struct Granting(OnceCell<Arc<Grants>>);

/// See [`Granting`].
#[derive(Debug)]
pub(crate) struct Grants {
    pub(super) store: Database,
    key: Result<Secret<[u8; 32]>, String>,
    pub(super) registered: Registered,
}

impl Granting {
    /// Opens what is not open yet.
    pub(super) async fn open(&self, app: &App) -> Result<Arc<Grants>, GrantsError> {
        let open = async || {
            let grants = Grants::open(&app.options.data).await?;
            if let Err(why) = grants.key() {
                tell_lost(app, why);
            }
            Ok(Arc::new(grants))
        };
        self.0.get_or_try_init(open).await.map(Arc::clone)
    }

    /// Why apps get no tokens, and what to do about it; `None` where they do, and before anybody asked.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.0.get()?.key().err().map(str::to_owned)
    }

    /// Closes the database.
    pub(crate) async fn close(&self) {
        if let Some(grants) = self.0.get() {
            grants.store.close().await;
        }
    }
}

impl Grants {
    async fn open(data: &Path) -> Result<Self, GrantsError> {
        let store = Database::open(&data.join(DATABASE)).await?;
        let key = key(data, &store).await?;
        let registered = Registered::read(store.apps().await?)?;
        Ok(Self { store, key, registered })
    }

    /// The key that refresh tokens are made with.
    ///
    /// # Errors
    /// What an operator has to know where it was lost. Another one is not made in its place: families of before would go on that
    /// nobody can end, and everybody would be signed out without a word.
    pub(super) fn key(&self) -> Result<&Secret<[u8; 32]>, &str> {
        self.key.as_ref().map_err(String::as_str)
    }
}

/// For whoever reads events; `bartizan status` says it for as long as it is so.
fn tell_lost(app: &App, why: &str) {
    tracing::error!(why, "apps get no tokens");
    let what = event::Person {
        subject: None,
        name: None,
        deed: Deed::KeyLost,
        factors: None,
        reason: Some(why.into()),
        remote: None,
        by: None,
    };
    app.own_events.write(None, What::Person(what));
}

/// The key in its file. The inner error says that it was lost.
async fn key(data: &Path, store: &Database) -> Result<Result<Secret<[u8; 32]>, String>, GrantsError> {
    let path = data.join(KEY);
    let failed = |source| GrantsError::Key { path: path.clone(), source };
    let lost = |what: &str| {
        let (key, database) = (path.display(), data.join(DATABASE));
        let database = database.display();
        format!(
            "{what}: put `{key}` back from where it was kept, or move `{database}` away, with which everybody signs in anew and \
             registered apps are forgotten; then start control again"
        )
    };
    let key = match files::read_bounded(&path, REFRESH_KEY_BYTES_MAX) {
        Ok(text) => read_key(&text)
            .ok_or_else(|| failed(io::Error::new(io::ErrorKind::InvalidData, "it is no key: 32 bytes in base64url")))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if store.claimed(FINGERPRINT).await?.is_some() {
                return Ok(Err(lost("the key of refresh tokens is gone")));
            }
            let key = Secret::new(random::bytes::<32>());
            // On disk before any token was made with it.
            files::write_atomic(&path, base64::encode_url(key.expose()).as_bytes(), 0o600).map_err(failed)?;
            key
        }
        Err(error) => return Err(failed(error)),
    };
    let fingerprint = hash::hex(&hash::sha256(&[b"refresh key|", &key.expose()[..]].concat())[..16]);
    let held = store.claim(FINGERPRINT, &fingerprint).await?;
    Ok(if held == fingerprint { Ok(key) } else { Err(lost("the key of refresh tokens is another one")) })
}

fn read_key(text: &[u8]) -> Option<Secret<[u8; 32]>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    base64::decode_url(text).ok()?.try_into().ok().map(Secret::new)
}

impl GrantsError {
    /// For operators.
    pub(super) fn detail(&self) -> String {
        chain(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_store::{Put, StoredFamily};

    #[tokio::test]
    async fn a_lost_key_is_said_and_no_other_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, now) = (dir.path().join(KEY), Timestamp::from_secs(1_790_000_000));
        let first = Grants::open(dir.path()).await.unwrap();
        let made = *first.key().unwrap().expose();
        let family = StoredFamily {
            id: [1; 16],
            version: 0,
            client: "shop".into(),
            subject: "p".into(),
            session: None,
            ends: now.plus(std::time::Duration::from_secs(60)),
            state: "{}".into(),
        };
        assert_eq!(first.store.put(family, now).await.unwrap(), Put::Done);
        first.store.close().await;
        let kept = std::fs::read(&path).unwrap();

        std::fs::remove_file(&path).unwrap();
        let without = Grants::open(dir.path()).await.unwrap();
        let why = without.key().unwrap_err().to_owned();
        assert!(why.contains("is gone: put") && why.contains("grants.db"), "{why}");
        assert!(!path.exists(), "no other one was made");
        without.store.close().await;

        std::fs::write(&path, base64::encode_url(&[7; 32])).unwrap();
        let other = Grants::open(dir.path()).await.unwrap();
        assert!(other.key().unwrap_err().contains("is another one"));
        other.store.close().await;

        std::fs::write(&path, "rubbish").unwrap();
        assert!(matches!(Grants::open(dir.path()).await, Err(GrantsError::Key { .. })));

        std::fs::write(&path, kept).unwrap();
        let again = Grants::open(dir.path()).await.unwrap();
        assert_eq!(*again.key().unwrap().expose(), made);
        assert_eq!(again.store.count().await.unwrap(), 1);
    }
}
