//! Nothing leaves before it is on record: every certificate goes through the journal, and the database takes it in from there.
//!
//! The journal needs no database. Where the journal itself cannot be written, nothing is issued.

use crate::app::App;
use crate::ca::{Authority, OwnIdentity};
use crate::error::chain;
use crate::limits::{TAKE_IN_AGAIN, TAKE_IN_EVERY};
use crate::settled::settle;
use crate::stream::Refusal;
use bartizan_core::issued::{Issued, IssuedFilter, IssuedKind, IssuedList};
use bartizan_core::limits::LEAF_TTL;
use bartizan_core::{Role, ServiceName, SpiffeId, Timestamp};
use bartizan_crypto::{cert, hash};
use bartizan_identity::Svid;
use bartizan_runtime::clock;
use bartizan_store::{Journal, JournalError, QUERY_ISSUED_MAX, Store};
use std::collections::HashSet;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// The journal, in the data folder.
pub(crate) const JOURNAL: &str = "issued";

/// A certificate whose record is on disk, at all members where there are several. [`record`] is the only constructor, and only this can be sent to anybody.
#[derive(Clone, Debug)]
pub(crate) struct Recorded(Svid);

impl Deref for Recorded {
    type Target = Svid;

    fn deref(&self) -> &Svid {
        &self.0
    }
}

impl Recorded {
    /// What is to travel.
    pub(crate) fn into_svid(self) -> Svid {
        self.0
    }
}

/// Puts the record of `svid`, just issued for the key `spki`, on disk.
pub(crate) async fn record(
    app: &App,
    kind: IssuedKind,
    id: &SpiffeId,
    node: Option<&ServiceName>,
    spki: &[u8],
    svid: Svid,
) -> Result<Recorded, Refusal> {
    let issued = of(kind, id, node, spki, &svid, clock::now());
    app.journal.record(&issued).await.map_err(|error| Refusal::unable(error.to_string()))?;
    settle(app.options.leading.as_ref()).await.map_err(|error| Refusal::unable(error.to_string()))?;
    Ok(Recorded(svid))
}

/// Whether a certificate could be recorded now: asked before anything is used up that cannot be used twice.
pub(crate) async fn ready(app: &App) -> Result<(), Refusal> {
    app.journal.ready().await.map_err(|error| Refusal::unable(error.to_string()))
}

fn of(kind: IssuedKind, id: &SpiffeId, node: Option<&ServiceName>, spki: &[u8], svid: &Svid, at: Timestamp) -> Issued {
    Issued {
        at,
        kind,
        id: id.clone(),
        serial: svid.serial.clone(),
        key: hash::hex(&hash::sha256(spki)),
        node: node.cloned(),
        not_after: svid.not_after,
        issuer: svid.chain.get(1).map(|der| hash::hex(&hash::sha256(der))).unwrap_or_default(),
    }
}

/// Records an identity of control itself.
///
/// This one counts also where it cannot be recorded: without it nobody could be told anything, not even that nothing is
/// issued. The same holds for [`record_authority`]; what that CA issues is refused all the same.
pub(crate) async fn record_own(journal: &Journal, authority: &Authority, own: &OwnIdentity) {
    let id = SpiffeId::of(authority.domain(), &Role::Control);
    record_or_say(journal, &of(IssuedKind::Control, &id, None, own.key.public_spki(), &own.svid, clock::now())).await;
}

/// Records an issuing CA of control.
pub(crate) async fn record_authority(journal: &Journal, authority: &Authority) {
    let Ok(read) = cert::read(authority.certificate()) else { return };
    let issued = Issued {
        at: clock::now(),
        kind: IssuedKind::Issuing,
        id: SpiffeId::of(authority.domain(), &Role::Control),
        serial: read.serial_hex().to_owned(),
        key: hash::hex(&hash::sha256(read.spki())),
        node: None,
        not_after: read.not_after(),
        issuer: String::new(),
    };
    record_or_say(journal, &issued).await;
}

async fn record_or_say(journal: &Journal, issued: &Issued) {
    if let Err(error) = journal.record(issued).await {
        let kind = issued.kind.as_str();
        tracing::error!(error = chain(&error), kind, "a certificate of control itself is not on record");
    }
}

/// Hands the journal's records to the database, until the app stops. What it does not take waits in the journal.
pub(crate) async fn keep_taking_in(app: Arc<App>) {
    loop {
        let pause = match take_in(&app).await {
            Ok(()) => {
                if app.stop.run_until_cancelled(app.journal.more()).await.is_none() {
                    break;
                }
                TAKE_IN_EVERY
            }
            Err(why) => {
                if app.journal.not_taken(why.clone()) {
                    tracing::error!(
                        why,
                        "the database does not take in records of certificates; they wait in the journal, and issuing goes on"
                    );
                }
                TAKE_IN_AGAIN
            }
        };
        if app.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break;
        }
    }
    // What came last; where it fails, the next start takes it in.
    let _ = take_in(&app).await;
}

async fn take_in(app: &App) -> Result<(), String> {
    loop {
        let journal = app.journal.clone();
        let next = tokio::task::spawn_blocking(move || journal.next()).await.map_err(|error| error.to_string())?;
        let Some(waiting) = next.map_err(|error| error.to_string())? else { return Ok(()) };
        app.store.take_issued(waiting.records.clone(), clock::now()).await.map_err(|error| chain(&error))?;
        app.journal.taken(&waiting);
    }
}

/// The records that fit: from the database, and those on their way to it. Without a database only the latter.
pub(crate) async fn find(app: &App, filter: IssuedFilter) -> Result<IssuedList, JournalError> {
    let waiting = app.journal.status().waiting;
    // The journal first: what moves from one to the other meanwhile is then seen twice rather than never.
    let (journal, wanted) = (app.journal.clone(), filter.clone());
    let newest =
        tokio::task::spawn_blocking(move || journal.find(&wanted)).await.map_err(|_| JournalError::Closed)??;
    let (held, database) = match app.store.issued(&filter).await {
        Ok(held) => (held, None),
        Err(error) => (Vec::new(), Some(chain(&error))),
    };
    let mut issued = held;
    let known: HashSet<String> = issued.iter().map(|it| it.serial.clone()).collect();
    issued.extend(newest.into_iter().filter(|it| !known.contains(&it.serial)));
    issued.sort_by_key(|it| it.at);
    issued.drain(..issued.len().saturating_sub(filter.limit as usize));
    Ok(IssuedList { issued, waiting, database: database.or(app.journal.status().database) })
}

/// Everything that was issued within the longest life of an identity before `now`.
///
/// # Errors
/// Where that cannot be told: when the last of it will have run out.
pub(crate) async fn lately(journal: &Journal, store: &Store, now: Timestamp) -> Result<Vec<Issued>, Timestamp> {
    let unknown = now.plus(LEAF_TTL);
    let filter = IssuedFilter { since: Some(now.minus(LEAF_TTL)), limit: QUERY_ISSUED_MAX, ..IssuedFilter::default() };
    let waiting = journal.find(&filter).map_err(|_| unknown)?;
    let mut issued = store.issued(&filter).await.map_err(|_| unknown)?;
    issued.extend(waiting);
    if issued.len() < filter.limit as usize { Ok(issued) } else { Err(unknown) }
}

/// Opens the journal of a data folder.
pub(crate) fn open(data: &Path) -> Result<Journal, JournalError> {
    Journal::open(&data.join(JOURNAL))
}
