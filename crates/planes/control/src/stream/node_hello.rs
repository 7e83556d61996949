//! The first message of a node's stream, read whole or refused.

use crate::limits::{SOCKET_BYTES_MAX, VERSION_BYTES_MAX};
use crate::node_registry::NodeIntroduction;
use crate::stream::refusal::Refusal;
use bartizan_core::ServiceName;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_runtime::control_v1;

/// Name and introduction, of which every part was understood. Nothing is decided yet.
pub(super) fn read(raw: control_v1::NodeHello) -> Result<(ServiceName, NodeIntroduction), Refusal> {
    let control_v1::NodeHello { name, instance, pid, version, held, workload_socket } = raw;
    let name = ServiceName::parse(&name).map_err(|error| Refusal::malformed(error.to_string()))?;
    for (what, text, bytes_max) in
        [("version", &version, VERSION_BYTES_MAX), ("socket", &workload_socket, SOCKET_BYTES_MAX)]
    {
        if text.len() > bytes_max || text.chars().any(char::is_control) {
            return Err(Refusal::malformed(format!("a {what} of {} bytes, or with control characters", text.len())));
        }
    }
    if held.len() > Kind::ALL.len() {
        return Err(Refusal::malformed(format!("{} held snapshots", held.len())));
    }
    let kinds = held.iter().map(|one| Some((Kind::parse(&one.kind)?, Epoch(one.epoch))));
    let held = kinds.collect::<Option<_>>().ok_or_else(|| Refusal::malformed("a held snapshot of unknown kind"))?;
    let workload_socket = Some(workload_socket).filter(|path| !path.is_empty());
    Ok((name, NodeIntroduction { instance, pid, version, workload_socket, held }))
}
