//! What a node begins with: what its cache holds, or what a proof gives.

use crate::cache::{Cache, CacheError, Held};
use crate::join::{Candidate, JoinError, again_and_again, fraction};
use crate::limits::{RETRY_FIRST, RETRY_MAX};
use crate::own::Own;
use crate::proof::Proof;
use crate::run::NodeError;
use crate::workload::View;
use bartizan_core::Timestamp;
use bartizan_core::limits::JOIN_TOKEN_TTL;
use bartizan_runtime::clock;
use std::sync::Arc;
use tokio::sync::watch;

/// What a node begins with.
pub(crate) struct Begun {
    pub(crate) held: Held,
    /// Whether control has yet to confirm it.
    pub(crate) from_cache: bool,
    /// The proof, where it still counts.
    pub(crate) proof: Option<Proof>,
}

/// The cache where it serves, else the proof.
///
/// # Errors
/// [`NodeError::Join`], [`NodeError::NoProof`].
pub(crate) async fn begin(
    candidate: &Candidate,
    cache: Option<&Arc<Cache>>,
    proof: Option<Proof>,
) -> Result<Begun, NodeError> {
    let why_not = match open(candidate, cache).await {
        Some(Ok(held)) => {
            let (id, not_after_ms) = (held.own.id(), held.own.not_after().as_millis());
            let workloads = held.view.svids.len();
            tracing::info!(%id, not_after_ms, epoch = held.view.epoch.0, workloads, "serving from the cache");
            candidate.bundles.store(Arc::clone(&held.view.bundles));
            return Ok(Begun { held, from_cache: true, proof });
        }
        Some(Err(error)) => Some(error),
        None => None,
    };
    if let (Some(error), Some(cache)) = (why_not.as_ref().filter(|it| !matches!(it, CacheError::Absent)), cache) {
        tracing::warn!(path = %cache.path().display(), %error, "the cache does not serve, a proof is needed");
    }
    let name = candidate.name.clone();
    let Some(proof) = proof else { return Err(NodeError::NoProof { name, source: why_not }) };
    let (deadline, way_out) = match &proof {
        Proof::Token(_) => {
            (clock::now().plus(JOIN_TOKEN_TTL), "start it again with a new token from `bartizan token node`")
        }
        Proof::Machine(_) | Proof::Kubernetes(_) => {
            (Timestamp::from_millis(u64::MAX), "see `bartizan events --deny` for why its proof is refused")
        }
    };
    let joined = again_and_again(|| candidate.join(&proof), deadline).await;
    let own = joined.map_err(|source| NodeError::Join { name, way_out, source })?;
    tracing::info!(id = %own.id(), not_after_ms = own.not_after().as_millis(), "joined");
    let held = Held { own, view: View::of(candidate.bundles.load_full()) };
    Ok(Begun { held, from_cache: false, proof: Some(proof).filter(Proof::lasts) })
}

/// `None` where there is to be no cache.
async fn open(candidate: &Candidate, cache: Option<&Arc<Cache>>) -> Option<Result<Held, CacheError>> {
    let (cache, given) = (Arc::clone(cache?), candidate.bundles.load_full());
    let opening = tokio::task::spawn_blocking(move || cache.open(&given, clock::now()));
    Some(opening.await.unwrap_or(Err(CacheError::Content)))
}

/// A new identity for the cached one as soon as control is there: what lay on disk is then no longer the newest, and whoever
/// may have no new one is known at once. Where control does not take the cached one any more, the proof speaks. Returns when
/// there is nothing more to be tried.
pub(crate) async fn confirm(candidate: &Candidate, own: &watch::Sender<Own>, proof: &mut Option<Proof>) {
    let held = own.borrow().clone();
    let mut pause = RETRY_FIRST;
    while held.counts_at(clock::now()) {
        let error = match candidate.renew(&held).await {
            Ok(new) => return take(own, new),
            Err(error) => error,
        };
        let reached = !matches!(error, JoinError::Connect(_) | JoinError::Slow);
        if let Some(shown) = proof.as_ref().filter(|_| reached) {
            tracing::warn!(%error, "control does not take the cached identity, trying the proof");
            match candidate.join(shown).await {
                Ok(new) => return take(own, new),
                Err(error) => tracing::error!(%error, "the proof did not help"),
            }
            *proof = proof.take().filter(Proof::lasts);
        }
        if reached && !error.is_passing() {
            return tracing::error!(%error, "control does not take the cached identity; it serves until it runs out");
        }
        tokio::time::sleep(pause.mul_f64(0.5 + fraction())).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

fn take(own: &watch::Sender<Own>, new: Own) {
    tracing::info!(id = %new.id(), not_after_ms = new.not_after().as_millis(), "control confirmed the cached identity");
    own.send_replace(new);
}
