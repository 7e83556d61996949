//! One caller and what it may have, for as long as it listens: attested when it comes, whenever entries change, and every few
//! seconds. Who runs something else by then, or has ended, is sent away.

use super::caller::Caller;
use super::gate::{Slot, What};
use super::process::{LookError, Seen};
use super::view::View;
use super::{Connected, Desk, LOOK_EVERY};
use bartizan_core::workload::Entry;
use bartizan_identity::entry::ambiguous;
use bartizan_runtime::control_stream::{Request, Status};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// A caller that was attested and has at least one identity.
pub(super) struct Session {
    desk: Arc<Desk>,
    pub(super) caller: Arc<Caller>,
    first: Seen,
    changes: watch::Receiver<Arc<View>>,
    /// What is held, at the moment of the last look.
    pub(super) view: Arc<View>,
    /// The entries that speak for the caller.
    pub(super) mine: Vec<Entry>,
    look_at: Instant,
    _slot: Slot,
}

impl Session {
    /// Attests whoever called.
    ///
    /// # Errors
    /// `PermissionDenied` where no entry speaks for it, `ResourceExhausted` where it has too much open or says too much.
    pub(super) async fn open<T>(desk: &Arc<Desk>, request: &Request<T>) -> Result<Self, Status> {
        let connected = request.extensions().get::<Connected>();
        let connected = connected.ok_or_else(|| Status::internal("the connection is not known"))?;
        let caller = Arc::clone(&connected.caller);
        if !desk.hears(&caller) {
            return Err(Status::resource_exhausted("too many calls; come back in a second"));
        }
        let slot = desk.gate.enter(What::Stream, caller.pid, caller.uid);
        let slot = slot.ok_or_else(|| Status::resource_exhausted("too many open calls"))?;
        let mut changes = desk.hub.watch();
        let view = Arc::clone(&changes.borrow_and_update());
        let (first, mine) = look(desk, &caller, &view, None).await?;
        let look_at = Instant::now() + LOOK_EVERY;
        Ok(Self { desk: Arc::clone(desk), caller, first, changes, view, mine, look_at, _slot: slot })
    }

    /// Counts a message of the caller's.
    ///
    /// # Errors
    /// `ResourceExhausted` where there were too many.
    pub(super) fn hear(&self) -> Result<(), Status> {
        if self.desk.hears(&self.caller) {
            return Ok(());
        }
        Err(Status::resource_exhausted("too many messages; come back in a second"))
    }

    /// Returns when there may be something new to say. Nothing is lost where the future is dropped.
    ///
    /// # Errors
    /// `PermissionDenied` once the caller is not who it was, or no entry speaks for it; `Unavailable` when we stop.
    pub(super) async fn changed(&mut self) -> Result<(), Status> {
        let stop = self.desk.stop.clone();
        let caller = Arc::clone(&self.caller);
        tokio::select! {
            () = caller.ended() => return Err(denied(&caller, &LookError::Ended)),
            () = stop.cancelled() => return Err(Status::unavailable("the node is stopping")),
            () = sleep_until(self.look_at) => {}
            changed = self.changes.changed() => changed.map_err(|_| Status::unavailable("the node is stopping"))?,
        }
        let view = Arc::clone(&self.changes.borrow_and_update());
        let same_entries = Arc::ptr_eq(&view.entries, &self.view.entries);
        self.view = view;
        if !same_entries || Instant::now() >= self.look_at {
            self.look_at = Instant::now() + LOOK_EVERY;
            (_, self.mine) = look(&self.desk, &self.caller, &self.view, Some(self.first.clone())).await?;
        }
        Ok(())
    }
}

/// One look, on a thread that may wait for the disk.
async fn look(
    desk: &Arc<Desk>,
    caller: &Arc<Caller>,
    view: &Arc<View>,
    before: Option<Seen>,
) -> Result<(Seen, Vec<Entry>), Status> {
    let (desk, looked_at, view) = (Arc::clone(desk), Arc::clone(caller), Arc::clone(view));
    let looking = tokio::task::spawn_blocking(move || desk.eyes.look(&looked_at, &view.entries, before.as_ref()));
    let looked = looking.await.map_err(|_| Status::internal("looking at the caller failed"))?;
    let (seen, mine) = looked.map_err(|error| denied(caller, &error))?;
    let too_many = ambiguous(&mine);
    if !too_many.is_empty() {
        let entries: Vec<_> = too_many.iter().map(|entry| entry.name.as_str()).collect();
        tracing::warn!(
            pid = caller.pid,
            uid = caller.uid,
            ?entries,
            "a caller fits several entries, and one wants to be the only one"
        );
        return Err(Status::permission_denied("no identity issued"));
    }
    if mine.is_empty() {
        tracing::info!(pid = caller.pid, uid = caller.uid, "no registration entry speaks for a caller");
        return Err(Status::permission_denied("no identity issued"));
    }
    Ok((seen, mine))
}

/// What is wrong is for our own log: the caller may be anybody.
fn denied(caller: &Caller, error: &LookError) -> Status {
    tracing::info!(pid = caller.pid, uid = caller.uid, %error, "a caller is not believed");
    Status::permission_denied("no identity issued")
}
