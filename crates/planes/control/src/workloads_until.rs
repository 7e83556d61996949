//! Until when identities may be out that nodes got for programs, by who issued them.

use bartizan_core::Timestamp;
use bartizan_crypto::hash;
use bartizan_identity::Svid;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// One entry for each issuing CA of this process: one a week, and one for each rotation.
#[derive(Debug, Default)]
pub(crate) struct WorkloadsUntil(Mutex<BTreeMap<String, Timestamp>>);

impl WorkloadsUntil {
    /// Notes an identity that was issued.
    pub(crate) fn note(&self, svid: &Svid) {
        let Some(issuer) = svid.chain.get(1).map(|der| hash::hex(&hash::sha256(der))) else { return };
        let mut all = self.0.lock().expect("nothing panics while it holds them");
        let until = all.entry(issuer).or_default();
        *until = svid.not_after.max(*until);
    }

    /// The latest end of those whose issuer (SHA-256 of its certificate) is one of `wanted`.
    pub(crate) fn until(&self, wanted: impl Fn(&str) -> bool) -> Option<Timestamp> {
        let all = self.0.lock().expect("nothing panics while it holds them");
        all.iter().filter(|(issuer, _)| wanted(issuer)).map(|(_, until)| *until).max()
    }
}
