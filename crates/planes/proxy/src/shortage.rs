//! What the process ran out of: descriptors or ports. Nothing is spun on and nobody is told that a service is at fault; an event
//! says so now and then, and a counter each time.

use crate::limits;
use crate::live::Proxy;
use bartizan_core::event::{Refused, SeenBy, What};
use bartizan_core::stats::Shortage;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often there was none, and when that was reported last.
#[derive(Debug, Default)]
pub struct Shortages([Counted; Shortage::ALL.len()]);

#[derive(Debug, Default)]
struct Counted {
    times: AtomicU64,
    /// Nanoseconds of [`Proxy::steady_ns`]; 0 for never.
    reported_ns: AtomicU64,
}

impl Shortages {
    /// How often each was lacking, for control.
    pub fn stats(&self) -> BTreeMap<Shortage, u64> {
        let counted = Shortage::ALL.into_iter().zip(&self.0);
        counted.map(|(of, it)| (of, it.times.load(Relaxed))).filter(|(_, times)| *times > 0).collect()
    }

    fn of(&self, shortage: Shortage) -> &Counted {
        let [descriptors, ports] = &self.0;
        match shortage {
            Shortage::Descriptors => descriptors,
            Shortage::Ports => ports,
        }
    }
}

/// Something could not be opened for want of `shortage`: counts it, and reports it unless that was done a moment ago. `remote` is
/// who was to be reached; `None` where somebody could not be let in, who waits.
pub fn tell(proxy: &Proxy, shortage: Shortage, remote: Option<SocketAddr>) {
    let counted = proxy.shortages.of(shortage);
    counted.times.fetch_add(1, Relaxed);
    let (now, last) = (proxy.steady_ns().max(1), counted.reported_ns.load(Relaxed));
    let is_news = last == 0 || u128::from(now.saturating_sub(last)) >= limits::SHORTAGE_REPORT_EVERY.as_nanos();
    if !is_news || counted.reported_ns.compare_exchange(last, now, Relaxed, Relaxed).is_err() {
        return;
    }
    tracing::warn!(what = shortage.as_str(), ?remote, "the process has no more of these");
    let seen_by = match (proxy.is_gateway(), remote) {
        (true, _) => SeenBy::Gateway,
        (false, None) => SeenBy::Inbound,
        (false, Some(_)) => SeenBy::Outbound,
    };
    let status = if remote.is_some() { 503 } else { 0 };
    let refused = Refused { peer: None, remote, rule: shortage.rule().into(), status };
    proxy.events.offer(seen_by, None, What::Refused(refused));
}
