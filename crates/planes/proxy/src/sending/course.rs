//! Where a call goes: the version of the callee, what its guards have to prove, and the edge whose settings hold.

use crate::balance::guard::Balance;
use crate::balance::{EdgeId, is_copied, version};
use crate::live::Live;
use bartizan_core::snapshot::Peer;
use bartizan_core::{ServiceName, SpiffeId};
use bartizan_crypto::random;

/// Where one call goes.
#[derive(Clone, Debug)]
pub struct Course {
    /// The identity that the instance's guard must prove; `None` where no guard stands.
    pub id: Option<SpiffeId>,
    /// Its edge, in this worker.
    pub edge: EdgeId,
    /// Who gets a copy.
    pub copy: Option<Copied>,
}

/// Where a copy goes.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The identity that the instance's guard must prove; `None` where no guard stands.
    pub id: Option<SpiffeId>,
    /// Its edge, in this worker.
    pub edge: EdgeId,
    /// The edge of the call, whose copies are counted.
    pub of: EdgeId,
}

impl Course {
    /// The course of a call to `callee` by the picture of this moment; `None` where that is not known any more.
    pub fn of(live: &Live, balance: &Balance, callee: &ServiceName) -> Option<Self> {
        let peers = &live.directory.as_ref()?.peers;
        let asked = peers.get(callee)?;
        // A version that is not known, as happens for no longer than a snapshot is on its way, is the service itself.
        let split = &asked.versions.split;
        let chosen = if split.is_empty() { callee } else { version(callee, split, random::name()) };
        let elsewhere = Some(chosen).filter(|chosen| *chosen != callee).and_then(|chosen| peers.get_key_value(chosen));
        let (chosen, peer) = elsewhere.unwrap_or((callee, asked));
        let edge = balance.edge(live, chosen)?;
        let copy = asked.versions.mirror.as_ref().filter(|mirror| is_copied(mirror, random::name()));
        let copy = copy.and_then(|mirror| {
            let id = proof(peers.get(&mirror.to)?);
            Some(Copied { id, edge: balance.edge(live, &mirror.to)?, of: edge })
        });
        Some(Self { id: proof(peer), edge, copy })
    }
}

fn proof(peer: &Peer) -> Option<SpiffeId> {
    (!peer.plain).then(|| peer.id.clone())
}
