//! What became of events on each arrow of their way, and of samples of our own metrics, counted by whoever stands at its end.

use crate::app::App;
use bartizan_core::balance::{Arrow, Balance};
use bartizan_core::stats::ProxyStats;
use bartizan_core::status::{LedgerStatus, StoreStatus};
use bartizan_runtime::clock;
use std::collections::BTreeMap;

/// Every arrow: from guards, from outside, into the store, into the ledger, and out.
pub(crate) fn of(app: &App) -> Balance {
    let totals = app.registry.totals();
    let mut arrows: Vec<Arrow> = totals.iter().map(|(member, it)| guard(&member.to_string(), it)).collect();
    arrows.extend(app.intake.arrows());
    arrows.push(store(&app.pipeline.status()));
    arrows.push(ledger(&app.pipeline.ledger_status()));
    arrows.extend(app.outputs.arrows(&app.events));
    arrows.extend(app.writes.arrows(&app.series));
    Balance { now: clock::now(), arrows, ingest: app.pipeline.ingest().report() }
}

/// A guard's own count, as it was told last. What it says to be delivered is confirmed: control has taken it over, and accounts for it in
/// `control.store`.
fn guard(member: &str, it: &ProxyStats) -> Arrow {
    Arrow {
        arrow: format!("guard.{member}"),
        received: it.events_offered,
        stored: it.events_delivered,
        refused: BTreeMap::new(),
        dropped: causes([("queue_full", it.events_dropped)]),
        // Where more was delivered and dropped than came, the sums are not equal, and that is seen.
        waiting: it.events_offered.saturating_sub(it.events_delivered + it.events_dropped),
    }
}

fn store(it: &StoreStatus) -> Arrow {
    Arrow {
        arrow: "control.store".to_owned(),
        received: it.offered,
        stored: it.stored,
        // Guards repeat what was not confirmed; those that are there already are not stored twice.
        refused: causes([("repeated", it.known)]),
        dropped: it.lost.clone(),
        waiting: it.waiting,
    }
}

fn ledger(it: &LedgerStatus) -> Arrow {
    Arrow {
        arrow: "control.ledger".to_owned(),
        received: it.entries + it.lost,
        stored: it.entries,
        refused: BTreeMap::new(),
        dropped: causes([("failed", it.lost)]),
        waiting: 0,
    }
}

fn causes<const N: usize>(causes: [(&str, u64); N]) -> BTreeMap<String, u64> {
    causes.into_iter().filter(|(_, count)| *count > 0).map(|(cause, count)| (cause.to_owned(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_that_counts_wrong_is_seen() {
        let stats = |offered, delivered, dropped| ProxyStats {
            events_offered: offered,
            events_delivered: delivered,
            events_dropped: dropped,
            ..ProxyStats::default()
        };
        let arrow = guard("accounts", &stats(10, 7, 2));
        assert!(arrow.is_equal() && arrow.waiting == 1 && arrow.dropped["queue_full"] == 2, "{arrow:?}");
        assert!(!guard("accounts", &stats(10, 9, 2)).is_equal());
    }
}
