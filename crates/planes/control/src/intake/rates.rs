//! How much one client may bring: a bucket for what is about security and one for everything else, so that neither crowds the other out.

use crate::limits::{INTAKE_BURST_S, INTAKE_CLIENTS_MAX};
use bartizan_core::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(super) struct Rates {
    clients: Mutex<HashMap<Arc<str>, Buckets>>,
}

#[derive(Clone, Copy, Debug)]
struct Buckets {
    security: f64,
    other: f64,
    at: Timestamp,
}

impl Rates {
    /// How many of `(security, other)` records `from` may bring now, at `per_s`.
    pub(super) fn admit(
        &self,
        from: &Arc<str>,
        (security, other): (u64, u64),
        per_s: u32,
        now: Timestamp,
    ) -> (u64, u64) {
        let full = f64::from(per_s) * INTAKE_BURST_S;
        let mut clients = self.clients.lock().expect("nothing panics while it holds the buckets");
        if clients.len() >= INTAKE_CLIENTS_MAX && !clients.contains_key(from) {
            // Whoever has been silent for long enough to have a full bucket loses nothing by being forgotten.
            clients.retain(|_, it| now.since(it.at).as_secs_f64() < INTAKE_BURST_S);
        }
        // Beyond that, all newcomers share one.
        let key: Arc<str> = if clients.len() >= INTAKE_CLIENTS_MAX && !clients.contains_key(from) {
            "".into()
        } else {
            Arc::clone(from)
        };
        let it = clients.entry(key).or_insert(Buckets { security: full, other: full, at: now });
        let more = now.since(it.at).as_secs_f64() * f64::from(per_s);
        it.at = it.at.max(now);
        let take = |bucket: &mut f64, wanted: u64| {
            *bucket = (*bucket + more).min(full);
            let given = wanted.min(*bucket as u64);
            *bucket -= given as f64;
            given
        };
        (take(&mut it.security, security), take(&mut it.other, other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bomb_takes_nothing_from_others_and_nothing_from_security() {
        let (rates, now) = (Rates::default(), Timestamp::from_secs(1_000));
        let (loud, quiet): (Arc<str>, Arc<str>) = ("loud".into(), "quiet".into());
        let burst = (100.0 * INTAKE_BURST_S) as u64;
        assert_eq!(rates.admit(&loud, (0, 1_000_000), 100, now), (0, burst));
        assert_eq!(rates.admit(&loud, (5, 5), 100, now), (5, 0), "security has a share of its own");
        assert_eq!(rates.admit(&quiet, (0, 7), 100, now), (0, 7));
        let later = now.plus(Duration::from_secs(1));
        assert_eq!(rates.admit(&loud, (0, 1_000), 100, later), (0, 100));
        assert_eq!(rates.admit(&loud, (0, 1), 100, now), (0, 0), "a clock that goes back gives nothing");
        assert_eq!(rates.admit(&loud, (1_000_000, 0), 100, later), (burst, 0), "and that is bounded as well");
    }

    #[test]
    fn newcomers_share_one_where_there_are_too_many() {
        let (rates, now) = (Rates::default(), Timestamp::from_secs(1_000));
        for n in 0..INTAKE_CLIENTS_MAX {
            rates.admit(&format!("c{n}").into(), (0, 1), 100, now);
        }
        let burst = (100.0 * INTAKE_BURST_S) as u64;
        assert_eq!(rates.admit(&"one".into(), (0, burst), 100, now), (0, burst));
        assert_eq!(rates.admit(&"two".into(), (0, burst), 100, now), (0, 0));
        let later = now.plus(Duration::from_secs(60));
        assert_eq!(rates.admit(&"two".into(), (0, burst), 100, later), (0, burst), "the silent ones are forgotten");
    }
}
