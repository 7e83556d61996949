//! Legal holds: in a file of the data folder, which counts, and in force in the store of events. What is held goes neither by age nor to
//! make room; a hold is over when somebody releases it, and never by itself.

use crate::app::App;
use crate::limits::HOLDS_BYTES_MAX;
use bartizan_core::event::{Deed, Person, What};
use bartizan_core::retention::{Hold, HoldError, HoldScope, HoldWanted, Holds, ReleaseWanted, check_reason};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_runtime::files;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The file in the data folder.
const HOLDS: &str = "holds.json";

/// Why nothing is held or released. What was held before still is.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The file cannot be read or written.
    #[error("cannot use `{}`", path.display())]
    File {
        /// Its name.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The file says nothing that could be followed.
    #[error("`{}` does not say what is held: {why}; nothing is let go on a guess, so mend it or take it away", path.display())]
    Malformed {
        /// Its name.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// What is asked for breaks a rule.
    #[error(transparent)]
    Rule(#[from] HoldError),
    /// There is none of that name.
    #[error("there is no hold `{0}`; `bartizan events holds` lists them")]
    NotThere(ServiceName),
}

/// The holds in force.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    held: Mutex<Holds>,
}

impl Book {
    /// What the file says; none where there is no file. One that cannot be read is an error: what it holds might go.
    pub(crate) fn open(data: &Path) -> Result<Self, HoldsError> {
        let path = data.join(HOLDS);
        let held = read(&path)?;
        Ok(Self { path, held: Mutex::new(held) })
    }

    pub(crate) fn list(&self) -> Holds {
        self.lock().clone()
    }

    pub(crate) fn scopes(&self) -> Vec<HoldScope> {
        scopes(&self.lock())
    }

    /// Holds events from now on. On the disk, and in force, before anybody hears of it. Writes a small file, and waits for who tends the
    /// store.
    pub(crate) fn hold(
        &self,
        app: &App,
        wanted: HoldWanted,
        by: &Arc<str>,
        now: Timestamp,
    ) -> Result<Hold, HoldsError> {
        let HoldWanted { name, reason, scope } = wanted;
        let hold = Hold { name, reason, by: by.to_string(), since: now, scope };
        self.change(|holds| {
            holds.push(hold.clone());
            holds.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(())
        })?;
        self.enforce(app);
        tell(app, Deed::EventsHeld, &hold, &hold.reason, by);
        Ok(hold)
    }

    /// Ends a hold: what is under no other one goes as its age and room say, once that is [in force](Self::enforce). Until then the
    /// others of a group may not know of it, and whoever leads next would go on holding what is gone here.
    pub(crate) fn release(&self, app: &App, wanted: &ReleaseWanted, by: &Arc<str>) -> Result<Hold, HoldsError> {
        check_reason(&wanted.reason)?;
        let mut released = None;
        self.change(|holds| {
            let at = holds.iter().position(|it| it.name == wanted.name);
            let at = at.ok_or_else(|| HoldsError::NotThere(wanted.name.clone()))?;
            released = Some(holds.remove(at));
            Ok(())
        })?;
        let hold = released.ok_or_else(|| HoldsError::NotThere(wanted.name.clone()))?;
        tell(app, Deed::EventsReleased, &hold, &wanted.reason, by);
        Ok(hold)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Hold>) -> Result<(), HoldsError>) -> Result<(), HoldsError> {
        let mut held = self.lock();
        let mut wanted = held.clone();
        change(&mut wanted.holds)?;
        wanted.check()?;
        let text = serde_json::to_vec_pretty(&wanted).expect("plain texts become JSON");
        files::write_atomic(&self.path, &text, 0o600)
            .map_err(|source| HoldsError::File { path: self.path.clone(), source })?;
        *held = wanted;
        Ok(())
    }

    /// Puts what the file says in force in the store of events.
    pub(crate) fn enforce(&self, app: &App) {
        let held = self.lock();
        app.events.set_holds(&scopes(&held));
    }

    fn lock(&self) -> MutexGuard<'_, Holds> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner) // every change leaves it whole
    }
}

fn scopes(holds: &Holds) -> Vec<HoldScope> {
    holds.holds.iter().map(|hold| hold.scope.clone()).collect()
}

fn read(path: &Path) -> Result<Holds, HoldsError> {
    let bytes = match files::read_bounded(path, HOLDS_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Holds::default()),
        read => read.map_err(|source| HoldsError::File { path: path.to_owned(), source })?,
    };
    let malformed = |why: String| HoldsError::Malformed { path: path.to_owned(), why };
    let holds: Holds = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    holds.check().map_err(|error| malformed(error.to_string()))?;
    Ok(holds)
}

fn tell(app: &App, deed: Deed, hold: &Hold, reason: &str, by: &Arc<str>) {
    let Hold { name, scope, .. } = hold;
    tracing::info!(hold = %name, %scope, reason, %by, deed = deed.as_str(), "what of the events is held has changed");
    app.own_events.write(
        None,
        What::Person(Person {
            subject: None,
            name: Some(name.as_str().into()),
            deed,
            factors: None,
            reason: Some(format!("{scope}: {reason}").into()),
            remote: None,
            by: Some(Arc::clone(by)),
        }),
    );
}
