//! Which certificates each proxy shows, and what a rotation and the forecast have to know of it beside.

use super::{Place, Registry, StreamId};
use crate::fleet::members;
use bartizan_core::fleet::Fleet;
use bartizan_core::snapshot::{Epoch, Kind};
use bartizan_core::stats::ProxyStats;
use bartizan_core::{Member, Timestamp};
use std::collections::BTreeMap;

/// A certificate that control has issued.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    /// SHA-256 of the issuing CA's certificate.
    pub(crate) issuer: String,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// What a proxy says of the certificates that it was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Certificates {
    edge: Option<Issued>,
    refused: Option<String>,
}

/// What a rotation has to know of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) member: Member,
    /// `None` where none has come since control started.
    pub(crate) seen: Option<Seen>,
}

/// See [`Standing::seen`].
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) attached: bool,
    pub(crate) held: BTreeMap<Kind, Epoch>,
    pub(crate) issuer: Option<String>,
    pub(crate) edge: Option<Issued>,
    pub(crate) refused: Option<String>,
    pub(crate) not_after: Timestamp,
    pub(crate) instance: u64,
    pub(crate) totals: ProxyStats,
}

impl Registry {
    /// Everybody whom the fleet has, as a rotation sees them.
    pub(crate) fn standings(&self, fleet: &Fleet) -> Vec<Standing> {
        let inner = self.lock();
        let seen = |place: &Place| Seen {
            attached: place.attached,
            held: place.shown.introduction.held.clone(),
            issuer: place.shown.introduction.issuer.clone(),
            edge: place.shown.certificates.edge.clone(),
            refused: place.shown.certificates.refused.clone(),
            not_after: place.shown.introduction.svid_not_after,
            instance: place.shown.introduction.instance,
            totals: place.shown.totals.clone(),
        };
        members(fleet).map(|member| Standing { seen: inner.places.get(&member).map(seen), member }).collect()
    }

    /// The proxy shows a certificate of `issuer` now, or refused the one that it was sent.
    pub(crate) fn installed(
        &self,
        member: &Member,
        stream: StreamId,
        edge: bool,
        installed: Result<Option<Issued>, String>,
    ) {
        self.with(member, stream, |proxy| match (installed, edge) {
            (Ok(issued), true) => proxy.certificates.edge = issued,
            (Ok(issued), false) => {
                proxy.introduction.issuer = issued.map(|it| it.issuer);
                proxy.certificates.refused = None;
            }
            (Err(why), _) => proxy.certificates.refused = Some(why),
        });
    }
}
