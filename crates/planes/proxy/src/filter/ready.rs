//! Refuses while the proxy cannot judge: no identity, no directory, no policies, or snapshots that have expired.

use super::{Exchange, Filter};
use crate::answer::Answer;
use bartizan_core::snapshot::Mode;

pub(super) const IT: Filter = Filter { name: "ready", run };

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if !x.conn.proxy().heard.freshness().serves() {
        return Err(Answer::new(503, "expired", "this proxy has not heard from control for too long"));
    }
    let mode = x.live.directory.as_ref().map(|d| d.mode);
    let decides = x.live.policies.is_some() || mode == Some(Mode::Mtls);
    if mode.is_none() || !decides || x.live.identity_at(x.now).is_none() {
        return Err(Answer::new(503, "not_ready", "this proxy has no valid identity or configuration yet"));
    }
    Ok(())
}
