//! When many sign-ins at one provider are refused within a short time: somebody tries things, or the provider is not as it was.

use crate::app::App;
use crate::limits::{SPIKE_REFUSALS, SPIKE_WITHIN};
use bartizan_core::Timestamp;
use bartizan_core::event::{self, Deed, What};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Refusals of late, by the provider's name: as many as the fleet file names.
#[derive(Debug, Default)]
pub(in crate::people) struct Spikes(Mutex<BTreeMap<String, Window>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    since: Timestamp,
    refused: u32,
}

impl Spikes {
    /// Counts one; tells once in each window that has too many.
    pub(super) fn failed(&self, app: &App, provider: &str, now: Timestamp) {
        if !self.count(provider, now) {
            return;
        }
        let text = format!("{provider}: {SPIKE_REFUSALS} sign-ins refused within {} s", SPIKE_WITHIN.as_secs());
        tracing::warn!(provider, "many sign-ins at an identity provider are refused");
        let what = event::Person {
            subject: None,
            name: None,
            deed: Deed::ManyRefused,
            factors: Some("elsewhere".into()),
            reason: Some(text.into()),
            remote: None,
            by: None,
        };
        app.own_events.write(None, What::Person(what));
    }

    /// True for the one with which there are too many.
    fn count(&self, provider: &str, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = all.entry(provider.to_owned()).or_insert(Window { since: now, refused: 0 });
        if now.since(window.since) >= SPIKE_WITHIN {
            *window = Window { since: now, refused: 0 };
        }
        window.refused = window.refused.saturating_add(1);
        window.refused == SPIKE_REFUSALS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_is_told_once_in_each_window_and_apart_for_each_provider() {
        let (spikes, start) = (Spikes::default(), Timestamp::from_secs(1_790_000_000));
        let told = |provider: &str, many: u32, at: Timestamp| (0..many).filter(|_| spikes.count(provider, at)).count();
        assert_eq!(told("a", SPIKE_REFUSALS - 1, start), 0);
        assert_eq!(told("b", 1, start), 0);
        assert_eq!(told("a", 3 * SPIKE_REFUSALS, start.plus(Duration::from_secs(1))), 1);
        assert_eq!(told("a", SPIKE_REFUSALS - 1, start.plus(SPIKE_WITHIN)), 0, "another window");
        assert_eq!(told("a", 1, start.plus(SPIKE_WITHIN)), 1);
    }
}
