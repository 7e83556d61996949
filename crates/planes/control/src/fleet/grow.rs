//! Places for services and instances that were added while the fleet runs.

use crate::error::ControlError;
use bartizan_core::fleet::Fleet;
use bartizan_core::plan::Plan;
use bartizan_runtime::ports::{self, Claimed};
use std::net::SocketAddr;
use std::path::Path;

/// Gives the plan of `path` what `fleet` lacks in it, and takes out what belongs to services that are gone. The ports are kept from
/// others while what is given lives. The file stays as it is.
pub(crate) fn grow(plan: &mut Plan, fleet: &Fleet, path: &Path) -> Result<Option<Claimed>, ControlError> {
    plan.forget(fleet);
    let lacks = plan.lacks(fleet);
    let refuse = |why: String| ControlError::Plan { path: path.to_owned(), why };
    let claimed = match lacks {
        0 => None, // a name or a network may be new all the same
        lacks => Some(ports::claim_loopback_ports(lacks).map_err(|error| refuse(error.to_string()))?),
    };
    let ports = claimed.iter().flat_map(|it| &it.ports);
    let mut free = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
    plan.complete(fleet, || free.next()).ok_or_else(|| refuse("too few ports are free".to_owned()))?;
    Ok(claimed)
}
