//! The deny list: in a file of the data folder, so that it outlives the database, and in force through its snapshot. The
//! file is what counts: every change begins with what it says, and whatever is published takes it along.

use crate::app::App;
use crate::error::ControlError;
use crate::limits::DENY_LIST_BYTES_MAX;
use crate::publish::republish;
use bartizan_core::deny::{Denied, DenyError, DenyList, Subject};
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::{ServiceName, Timestamp};
use bartizan_crypto::crl::RevokedCert;
use bartizan_crypto::{cert, hash};
use bartizan_runtime::files;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// The list in the data folder.
pub const DENY_LIST: &str = "denylist.json";

/// Why the deny list did not change, or not everywhere.
#[derive(Debug, thiserror::Error)]
pub enum DenyListError {
    /// The file cannot be read or written.
    #[error("cannot use `{path}`: {source}")]
    File {
        /// Its name.
        path: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The file, or the list as it would be, breaks a rule.
    #[error(transparent)]
    Rule(#[from] DenyError),
    /// The file is no list.
    #[error("`{path}` is not a deny list: {why}; nothing is let in on a guess, so mend it or take it away")]
    Malformed {
        /// Its name.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// It would cut control off from everybody.
    #[error("`{0}` is what control itself relies on; {1}")]
    Needed(Subject, &'static str),
    /// It is not on the list.
    #[error("`{0}` is not on the deny list; `bartizan revoked` shows it")]
    NotThere(Subject),
}

/// What a change of the list came to.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) epoch: Epoch,
    /// Services whose present certificate is denied now.
    pub(crate) services: Vec<ServiceName>,
    /// Attached proxies of which it is not known who vouched for them; only where a node was denied.
    pub(crate) unplaced: Vec<ServiceName>,
}

/// Reads the list; an empty one where there is no file. One that cannot be read is an error: to deny nobody is no default.
pub(crate) fn read(data: &Path) -> Result<DenyList, DenyListError> {
    let path = data.join(DENY_LIST);
    let name = path.display().to_string();
    let bytes = match files::read_bounded(&path, DENY_LIST_BYTES_MAX) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(DenyList::default()),
        read => read.map_err(|source| DenyListError::File { path: name.clone(), source })?,
    };
    let malformed = |why: String| DenyListError::Malformed { path: name.clone(), why };
    let list: DenyList = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    list.check().map_err(|error| malformed(error.to_string()))?;
    Ok(list)
}

fn write(data: &Path, list: &DenyList) -> Result<(), DenyListError> {
    let path = data.join(DENY_LIST);
    let text = serde_json::to_vec_pretty(list).expect("a list of plain texts becomes JSON");
    files::write_atomic(&path, &text, 0o600)
        .map_err(|source| DenyListError::File { path: path.display().to_string(), source })
}

/// Puts `subject` on the list, and tells everybody. On disk before anybody hears of it.
pub(crate) async fn revoke(
    app: &App,
    subject: Subject,
    reason: &str,
    by: &str,
    now: Timestamp,
) -> Result<Changed, ControlError> {
    refuse_what_is_needed(app, &subject)?;
    let _one_at_a_time = app.reloading.lock().await;
    let mut list = read(&app.options.data)?;
    let mut put = |subject: Subject, with: Option<Subject>| {
        list.entries.retain(|held| held.subject != subject);
        list.entries.push(Denied { subject, reason: reason.to_owned(), since: now, by: by.to_owned(), with });
    };
    let mut unplaced = Vec::new();
    if let Subject::Node(node) = &subject {
        let placed = app.registry.vouched_by(node);
        placed.keys.into_iter().for_each(|key| put(Subject::Key(key), Some(subject.clone())));
        unplaced = placed.unplaced;
    }
    put(subject.clone(), None);
    let epoch = change(app, list, &format!("revoked {subject} by {by}: {reason}")).await?;
    Ok(Changed { epoch, services: denied_now(app), unplaced })
}

/// Takes `subject` off the list, and what it brought onto it.
pub(crate) async fn restore(app: &App, subject: &Subject, by: &str) -> Result<Changed, ControlError> {
    let _one_at_a_time = app.reloading.lock().await;
    let mut list = read(&app.options.data)?;
    if !list.entries.iter().any(|held| held.subject == *subject) {
        return Err(DenyListError::NotThere(subject.clone()).into());
    }
    list.entries.retain(|held| held.subject != *subject && held.with.as_ref() != Some(subject));
    let epoch = change(app, list, &format!("restored {subject} by {by}")).await?;
    Ok(Changed { epoch, services: denied_now(app), unplaced: Vec::new() })
}

/// The certificates that are denied by number, or are those of somebody who is denied, as far as they are known: what a
/// revocation list can say.
pub(crate) fn certificates(app: &App) -> Vec<RevokedCert> {
    let in_force = app.in_force();
    let by_number = in_force.deny_list.entries.iter().filter_map(|entry| match &entry.subject {
        Subject::Serial(serial) => Some((serial.clone(), entry.since)),
        _ => None,
    });
    let known = app.registry.denied_certificates(&in_force.denied, app.authority().domain());
    // One line for each number; the earlier moment counts.
    let mut all = BTreeMap::new();
    for (serial, at) in by_number.chain(known) {
        let held = all.entry(serial).or_insert(at);
        *held = at.min(*held);
    }
    let cert = |(serial, at): (String, Timestamp)| Some(RevokedCert { serial: hash::unhex(&serial)?, at });
    all.into_iter().filter_map(cert).collect()
}

fn denied_now(app: &App) -> Vec<ServiceName> {
    app.registry.denied(&app.in_force().denied, app.authority().domain())
}

async fn change(app: &App, list: DenyList, detail: &str) -> Result<Epoch, ControlError> {
    list.check().map_err(DenyListError::Rule)?;
    write(&app.options.data, &list)?;
    republish(app, app.in_force().desired.clone()).await?;
    let epoch = app.in_force().epoch(Kind::DenyList);
    app.tell(Kind::DenyList, epoch, Some(detail));
    Ok(epoch)
}

/// Control's own identity and the issuing CA in use: without them nobody could be told anything any more.
fn refuse_what_is_needed(app: &App, subject: &Subject) -> Result<(), DenyListError> {
    let needed = |way_out| Err(DenyListError::Needed(subject.clone(), way_out));
    let own = app.own();
    match subject {
        Subject::Id(id) if id.path().starts_with("/bartizan/control") => needed("stop it instead"),
        Subject::Domain(domain) if domain == app.authority().domain() => {
            needed("it is the fleet's own; stop the fleet instead")
        }
        Subject::Serial(serial) if *serial == own.svid.serial => needed("restart control instead"),
        Subject::Key(key) if *key == hash::hex(&hash::sha256(own.key.public_spki())) => {
            needed("restart control instead")
        }
        Subject::Issuer(key) => {
            let issuing = cert::read(app.authority().certificate()).map(|cert| hash::hex(&hash::sha256(cert.spki())));
            let is_it = issuing.is_ok_and(|issuing| issuing == *key) || app.authority().sha256() == *key;
            match is_it {
                true => needed("restart control, which makes another, and deny this one then"),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
