//! Places for instances that were added while the fleet runs. A new service needs a start anew; a further instance does not.

use crate::error::ControlError;
use bartizan_core::fleet::Fleet;
use bartizan_core::plan::Plan;
use bartizan_runtime::{files, ports};
use std::net::SocketAddr;
use std::path::Path;

/// Adds to the plan at `path` what further instances of `fleet` lack, where nothing else is lacking. Blocks for the disk.
pub(crate) fn grow(plan: &mut Plan, fleet: &Fleet, path: &Path) -> Result<(), ControlError> {
    let mut alone = fleet.clone();
    alone.services.values_mut().for_each(|service| service.instances.more.clear());
    let lacks = plan.lacks(fleet);
    // A first instance without a place, or a new edge of one, was not there when the fleet was started.
    if lacks == 0 || plan.lacks(&alone) > 0 {
        return Ok(());
    }
    let refuse = |why: String| ControlError::Plan { path: path.to_owned(), why };
    let claimed = ports::claim_loopback_ports(lacks).map_err(|error| refuse(error.to_string()))?;
    let mut free = claimed.ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
    plan.complete(fleet, || free.next()).ok_or_else(|| refuse("too few ports are free".to_owned()))?;
    let text = serde_json::to_vec_pretty(plan).map_err(|error| refuse(error.to_string()))?;
    files::write_atomic(path, &text, 0o600).map_err(|error| refuse(error.to_string()))
}
