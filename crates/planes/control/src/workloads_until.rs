//! Until when identities may be out that nodes got for programs, by who issued them. What a control process before this one
//! issued is on record.

use bartizan_core::Timestamp;
use bartizan_core::issued::{Issued, IssuedKind};
use bartizan_crypto::hash;
use bartizan_identity::Svid;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One entry for each issuing CA of this process: one a week, and one for each rotation.
#[derive(Debug, Default)]
pub(crate) struct WorkloadsUntil {
    by_issuer: Mutex<BTreeMap<String, Timestamp>>,
    /// Until when there may be some that are not on record.
    unknown: Option<Timestamp>,
}

impl WorkloadsUntil {
    /// What is left of `issued`, all that was issued within the longest life of an identity; where that is not known, there may
    /// be identities of unknown issuers until `unknown`.
    pub(crate) fn of(issued: Result<Vec<Issued>, Timestamp>) -> Self {
        let (known, unknown) = issued.map_or_else(|until| (Vec::new(), Some(until)), |known| (known, None));
        let mut by_issuer = BTreeMap::<String, Timestamp>::new();
        for it in known.into_iter().filter(|it| it.kind == IssuedKind::Workload) {
            let until = by_issuer.entry(it.issuer).or_default();
            *until = it.not_after.max(*until);
        }
        Self { by_issuer: Mutex::new(by_issuer), unknown }
    }

    /// Notes an identity that was issued.
    pub(crate) fn note(&self, svid: &Svid) {
        let Some(issuer) = svid.chain.get(1).map(|der| hash::hex(&hash::sha256(der))) else { return };
        let mut all = self.by_issuer.lock().expect("nothing panics while it holds them");
        let until = all.entry(issuer).or_default();
        *until = svid.not_after.max(*until);
    }

    /// The latest end of those whose issuer (SHA-256 of its certificate) is one of `wanted`.
    pub(crate) fn until(&self, wanted: impl Fn(&str) -> bool) -> Option<Timestamp> {
        let all = self.by_issuer.lock().expect("nothing panics while it holds them");
        let known = all.iter().filter(|(issuer, _)| wanted(issuer)).map(|(_, until)| *until).max();
        known.max(self.unknown)
    }
}
