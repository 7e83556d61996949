//! When the cache is written: at once, and soon after every change of what is held.

use super::Cache;
use crate::limits::CACHE_PAUSE;
use crate::own::Own;
use crate::workload::Hub;
use bartizan_runtime::clock;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Keeps the file up to date. A failure is told and tried again at the next change: the node serves without a cache as well.
/// Ends when its future is dropped.
pub(crate) async fn keep(cache: Arc<Cache>, hub: Arc<Hub>, mut own: watch::Receiver<Own>) {
    let mut changes = hub.watch();
    loop {
        let (held, view) = (own.borrow_and_update().clone(), Arc::clone(&changes.borrow_and_update()));
        let (writer, workloads, began) = (Arc::clone(&cache), view.svids.len(), Instant::now());
        let written = tokio::task::spawn_blocking(move || writer.store(&held, &view, clock::now())).await;
        match written {
            Ok(Err(error)) => {
                tracing::warn!(path = %cache.path().display(), %error, "the cache cannot be written; a restart needs control")
            }
            _ => tracing::debug!(workloads, "the cache is written"),
        }
        // A large cache is written less often, so that no more than a tenth of the time goes into it.
        let pause = CACHE_PAUSE.max(began.elapsed() * 9);
        tokio::select! {
            changed = own.changed() => if changed.is_err() { return },
            changed = changes.changed() => if changed.is_err() { return },
        }
        tokio::time::sleep(pause).await;
    }
}
