//! What all parts share: the database, the keys, the threads that hash passwords.

use super::hasher::Hasher;
use super::keys::{self, Keys};
use super::passkeys::Answered;
use super::person::{Person, Record};
use super::tries::Tries;
use super::upstream::{Book, Spikes};
use crate::app::App;
use crate::limits::{PERSON_TRIES, UPSTREAM_ASKED_MAX};
use bartizan_core::ServiceName;
use bartizan_core::people::Rules;
use bartizan_core::status::IssuerStatus;
use bartizan_store::{People as Database, StoreError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{OnceCell, Semaphore};

/// The database, in the data folder.
const DATABASE: &str = "people.db";

/// Why nothing can be said or done about people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeopleError {
    /// The key of the server's own cannot be used.
    #[error("cannot use `{}`", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What stands in the database about somebody was written by a later program, or by nobody of ours.
    #[error("what is stored of `{0}` cannot be read")]
    Record(String),
    /// Others changed the same person again and again. May be tried again.
    #[error("`{0}` is changed by others all the time")]
    Busy(String),
}

/// People, opened when the fleet file first wants them.
#[derive(Debug, Default)]
pub(crate) struct People(OnceCell<Arc<Desk>>);

impl People {
    /// `None` where the fleet file has no `people`.
    pub(crate) async fn desk(&self, app: &App) -> Result<Option<Arc<Desk>>, PeopleError> {
        if rules(app).is_none() {
            return Ok(None);
        }
        let desk = self.0.get_or_try_init(async || Desk::open(&app.options.data).await.map(Arc::new)).await?;
        Ok(Some(Arc::clone(desk)))
    }

    /// How it stands with other identity providers, by the names that the fleet file has for them.
    pub(crate) fn providers(&self, app: &App) -> BTreeMap<ServiceName, IssuerStatus> {
        let (Some(desk), Some(rules)) = (self.0.get(), rules(app)) else { return BTreeMap::new() };
        rules.providers.iter().map(|(name, said)| (name.clone(), desk.upstreams.status(said))).collect()
    }

    /// Closes the database.
    pub(crate) async fn close(&self) {
        if let Some(desk) = self.0.get() {
            desk.store.close().await;
        }
    }
}

/// What the fleet file says of people.
pub(super) fn rules(app: &App) -> Option<Rules> {
    app.in_force().desired.fleet.authorization.as_ref()?.people.clone()
}

/// See [`People`].
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) store: Database,
    pub(super) keys: Keys,
    pub(super) hasher: Hasher,
    pub(super) tries: Tries,
    pub(super) answered: Answered,
    pub(super) upstreams: Book,
    pub(super) spikes: Spikes,
    /// Places for questions to other providers.
    pub(super) asking: Semaphore,
}

impl Desk {
    pub(super) async fn open(data: &Path) -> Result<Self, PeopleError> {
        let keys = Keys::open(data).map_err(|source| PeopleError::Key { path: data.join(keys::FILE), source })?;
        Ok(Self {
            store: Database::open(&data.join(DATABASE)).await?,
            keys,
            hasher: Hasher::default(),
            tries: Tries::default(),
            answered: Answered::default(),
            upstreams: Book::new(data),
            spikes: Spikes::default(),
            asking: Semaphore::new(UPSTREAM_ASKED_MAX),
        })
    }

    /// The person of that id.
    pub(super) async fn person(&self, id: &str) -> Result<Option<Person>, PeopleError> {
        self.store.person(id).await?.map(Person::read).transpose()
    }

    /// The person of that name, in the form of [`bartizan_core::people::name`].
    pub(super) async fn person_named(&self, name: &str) -> Result<Option<Person>, PeopleError> {
        self.store.person_named(name).await?.map(Person::read).transpose()
    }

    /// Changes what is known of somebody, whoever else does at the same time: `change` may be asked several times, and where
    /// it says `None`, nothing is written. `None` also where there is nobody of that id.
    pub(super) async fn change<T>(
        &self,
        id: &str,
        mut change: impl FnMut(&mut Record) -> Option<T>,
    ) -> Result<Option<T>, PeopleError> {
        for _ in 0..PERSON_TRIES {
            let Some(mut person) = self.person(id).await? else { return Ok(None) };
            let Some(outcome) = change(&mut person.record) else { return Ok(None) };
            if self.store.change(&person.row()).await? {
                return Ok(Some(outcome));
            }
        }
        Err(PeopleError::Busy(id.to_owned()))
    }
}
