//! The senders of signed events, as the directory says, with their keys.

use super::shown::Shown;
use crate::users::no_claims;
use bartizan_core::signed::{EventSender, SENDER_FILE_BYTES_MAX, SENDER_ISSUER, subject};
use bartizan_core::snapshot::Directory;
use bartizan_core::user::User;
use bartizan_core::{Secret, ServiceName, Timestamp};
use bartizan_runtime::files;
use bartizan_tokens::signed::{Form, Sender};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// All of them, by name.
#[derive(Debug, Default)]
pub struct Senders(BTreeMap<ServiceName, Arc<Held>>);

/// One sender.
#[derive(Debug)]
pub struct Held {
    /// Its name.
    pub name: ServiceName,
    /// What the directory says of it.
    pub said: EventSender,
    /// Itself, as policies know it.
    pub owner: Arc<User>,
    keys: Mutex<Keys>,
    /// What it sent.
    pub(super) shown: Arc<Shown>,
}

/// What was read, and of which state of the file.
#[derive(Debug)]
struct Keys {
    stamp: Option<Stamp>,
    read: Result<Arc<Sender>, String>,
}

/// Changes whenever a file is written or another one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp([i64; 4], u64);

impl Senders {
    /// Those that the directory names. Whoever `before` knew in the same way keeps what it sent.
    pub fn of(directory: &Directory, before: &Self, now: Timestamp) -> Self {
        let said = directory.own.gateway.iter().flat_map(|gateway| &gateway.senders);
        let held = said.map(|(name, said)| {
            let owner = owner(name, directory);
            let known = before.0.get(name);
            let held = match known.filter(|known| known.said == *said && *known.owner == owner) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Held::new(name, said, owner, known.map(|known| &**known), now)),
            };
            (name.clone(), held)
        });
        Self(held.collect())
    }

    /// The one of this name.
    pub fn get(&self, name: &ServiceName) -> Option<&Arc<Held>> {
        self.0.get(name)
    }
}

fn owner(name: &ServiceName, directory: &Directory) -> User {
    User {
        issuer: SENDER_ISSUER.to_owned(),
        subject: subject(name),
        client: subject(name),
        scopes: Vec::new(),
        roles: Vec::new(),
        tenant: None,
        claims: no_claims(directory),
    }
}

impl Held {
    fn new(name: &ServiceName, said: &EventSender, owner: User, before: Option<&Self>, now: Timestamp) -> Self {
        // What was too old a moment ago may count where the tolerance grew, and is not remembered: then it begins anew.
        let same = before.filter(|it| (it.said.scheme, it.said.tolerance_s) == (said.scheme, said.tolerance_s));
        let shown = same.map_or_else(|| Arc::new(Shown::of(said, now)), |it| Arc::clone(&it.shown));
        let keys = Mutex::new(Keys { stamp: None, read: Err(String::new()) });
        let held = Self { name: name.clone(), said: said.clone(), owner: Arc::new(owner), keys, shown };
        if let Err(why) = held.keys() {
            tracing::warn!("the events of sender `{name}` are refused: {why}");
        }
        held
    }

    /// The field without which nothing of it is signed.
    pub fn field(&self) -> &'static str {
        Form::parse(self.said.scheme.as_str()).map_or("signature-input", Form::field)
    }

    /// Its secrets or public keys. The file is read anew where it changed, so that a key that was replaced counts from the next event on.
    ///
    /// # Errors
    /// What is wrong with the file, and nothing of what is in it.
    pub fn keys(&self) -> Result<Arc<Sender>, String> {
        let path = Path::new(&self.said.file);
        let stamp = Stamp::of(path);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if stamp.is_none() || keys.stamp != stamp {
            *keys = Keys { stamp, read: self.read(path).map(Arc::new) };
        }
        keys.read.clone()
    }

    fn read(&self, path: &Path) -> Result<Sender, String> {
        let refuse = |why: String| format!("`{}` cannot be used: {why}", path.display());
        let bytes = files::read_bounded(path, SENDER_FILE_BYTES_MAX).map_err(|error| refuse(error.to_string()))?;
        let text = Secret::new(String::from_utf8(bytes).map_err(|_| refuse("it is no text".to_owned()))?);
        Sender::read(Form::parse(self.said.scheme.as_str()), &text).map_err(|error| refuse(error.to_string()))
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self([about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()], about.ino()))
    }
}
