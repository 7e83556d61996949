//! Keys and certificates of the entries: made as soon as an entry comes, so that nobody has to wait for one, and again at
//! half of their lives, each time with a fresh key.

use crate::join::fraction;
use crate::limits::{ANSWER_WITHIN, ISSUES_AT_ONCE, KEEPER_LOOK, RETRY_FIRST, SVID_RETRY_MAX};
use crate::own::{Own, OwnError};
use crate::workload::view::{Ask, AskError, Hub, View, Wanted, WorkloadSvid};
use bartizan_core::workload::Entry;
use bartizan_core::{ServiceName, Timestamp};
use bartizan_crypto::{CryptoError, KeyPair, csr};
use bartizan_identity::{is_from_ahead, renew_at};
use bartizan_runtime::clock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Why an entry has no new identity.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Own(#[from] OwnError),
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// When an entry is looked at next, and how long it waits after another failure.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Timestamp,
    pause: Duration,
}

impl Due {
    fn half_life(own: &Own) -> Self {
        Self { at: renew_at(own.not_before(), own.not_after(), fraction()), pause: Duration::ZERO }
    }
}

/// Keeps every entry supplied. Ends when its future is dropped.
pub(crate) async fn keep(hub: Arc<Hub>) {
    let mut changes = hub.watch();
    let mut entries = Arc::default();
    // What came out of the cache is due at half of its life, as if this process had asked for it.
    let mut due: BTreeMap<_, _> =
        hub.view().svids.iter().map(|(name, held)| (name.clone(), Due::half_life(&held.own))).collect();
    let mut asking = BTreeSet::new();
    let mut asked = JoinSet::new();
    loop {
        let view = Arc::clone(&changes.borrow_and_update());
        if !Arc::ptr_eq(&entries, &view.entries) {
            entries = Arc::clone(&view.entries);
            forget(&hub, &entries, &mut due);
        }
        let now = clock::now();
        for entry in entries.iter() {
            if asked.len() >= ISSUES_AT_ONCE {
                break;
            }
            if !asking.contains(&entry.name) && is_due(entry, &view, due.get(&entry.name), now) {
                asking.insert(entry.name.clone());
                let (hub, entry) = (Arc::clone(&hub), entry.clone());
                asked.spawn(async move {
                    let outcome = issue(&hub, &entry).await;
                    (entry, outcome)
                });
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            Some(first) = asked.join_next() => {
                // Those that came at the same time are one change for everybody who listens.
                let rest = std::iter::from_fn(|| asked.try_join_next());
                let done: Vec<_> = std::iter::once(first).chain(rest).flatten().collect();
                for (entry, _) in &done {
                    asking.remove(&entry.name);
                }
                took(&hub, done, &mut due);
            }
            // Looked at again and again rather than slept for: the clock may be set while we sleep.
            () = tokio::time::sleep(KEEPER_LOOK) => {}
        }
    }
}

fn is_due(entry: &Entry, view: &View, due: Option<&Due>, now: Timestamp) -> bool {
    let held = view.svids.get(&entry.name).filter(|held| held.entry == *entry);
    // Nobody believes one that a clock ahead of the right time has made.
    let has_its_own = held.is_some_and(|held| !is_from_ahead(held.own.not_before(), now));
    // After a failure the pause counts for new entries too.
    let failed = due.is_some_and(|due| !due.pause.is_zero());
    match due {
        Some(due) if has_its_own || failed => now >= due.at,
        _ => !has_its_own,
    }
}

/// Forgets the identities of entries that are gone.
fn forget(hub: &Hub, entries: &[Entry], due: &mut BTreeMap<ServiceName, Due>) {
    let names: BTreeSet<_> = entries.iter().map(|entry| &entry.name).collect();
    due.retain(|name, _| names.contains(name));
    if hub.view().svids.keys().any(|name| !names.contains(name)) {
        hub.change(|view| view.svids.retain(|name, _| names.contains(name)));
    }
}

async fn issue(hub: &Hub, entry: &Entry) -> Result<Own, KeepError> {
    let key = KeyPair::generate()?;
    let (answer, answered) = oneshot::channel();
    let what = Wanted::Svid { csr: csr::make(&key)?, answer };
    hub.ask(Ask { entry: entry.clone(), what }).await?;
    let away = |why: &str| AskError::Away(why.to_owned());
    let chain = timeout(ANSWER_WITHIN, answered).await.map_err(|_| away("it did not answer in time"))?;
    let chain = chain.map_err(|_| away("the stream ended"))??;
    Ok(Own::check(key, chain, &entry.id, &hub.view().bundles, clock::now())?)
}

/// Takes answers in, and notes when their entries are due again.
fn took(hub: &Hub, done: Vec<(Entry, Result<Own, KeepError>)>, due: &mut BTreeMap<ServiceName, Due>) {
    let mut issued = Vec::with_capacity(done.len());
    for (entry, outcome) in done {
        let next = match &outcome {
            Ok(own) => {
                tracing::info!(id = %own.id(), not_after_ms = own.not_after().as_millis(), "a workload's identity was issued");
                Due::half_life(own)
            }
            Err(error) => {
                tracing::warn!(id = %entry.id, %error, "a workload's identity was not issued, trying again");
                let pause = due.get(&entry.name).map_or(Duration::ZERO, |due| due.pause);
                let pause = (pause * 2).clamp(RETRY_FIRST, SVID_RETRY_MAX);
                Due { at: clock::now().plus(pause.mul_f64(0.5 + fraction())), pause }
            }
        };
        due.insert(entry.name.clone(), next);
        issued.extend(outcome.ok().map(|own| WorkloadSvid { entry, own }));
    }
    if issued.is_empty() {
        return;
    }
    hub.change(|view| {
        for svid in issued {
            // The entry may have gone or changed while control was asked.
            let is_current = view.entries.contains(&svid.entry);
            if is_current {
                view.svids.insert(svid.entry.name.clone(), Arc::new(svid));
            }
        }
    });
}
