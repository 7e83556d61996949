//! Tells what was counted here and takes up what was counted everywhere, as long as the directory says where.

use super::client::{Client, ClientError};
use crate::limiting::{Now, Rule};
use crate::limits::{COUNTS_BATCH_MAX, COUNTS_PAUSE, COUNTS_RETRY};
use crate::live::Proxy;
use bartizan_core::counts::Counts;
use bartizan_runtime::clock;
use std::error::Error;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Why the counts of others are not known.
pub type KeepError = ClientError;

/// Goes on until `stop`.
pub async fn keep(proxy: Arc<Proxy>, stop: CancellationToken) {
    let mut held: Option<(Counts, Client)> = None;
    let mut was_lost = false;
    loop {
        let (counts, rules) = wanted(&proxy);
        let pause = match counts.filter(|_| !rules.is_empty()) {
            // Nothing to do until the directory is another one.
            None => {
                held = None;
                let mut changes = proxy.changes();
                let again = async { _ = changes.changed().await };
                if stop.run_until_cancelled(again).await.is_none() {
                    return;
                }
                continue;
            }
            Some(counts) => match round(&proxy, &counts, &rules, &mut held).await {
                Ok(()) => {
                    if std::mem::take(&mut was_lost) {
                        tracing::info!(redis = counts.redis, "shared limits are counted together again");
                    }
                    COUNTS_PAUSE
                }
                Err(error) => {
                    held = None;
                    if !std::mem::replace(&mut was_lost, true) {
                        let why = error.source().map_or_else(|| error.to_string(), |inner| format!("{error}: {inner}"));
                        tracing::warn!(redis = counts.redis, away = %counts.away, why, "shared limits are not counted together");
                    }
                    COUNTS_RETRY
                }
            },
        };
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

fn wanted(proxy: &Proxy) -> (Option<Counts>, Vec<Arc<Rule>>) {
    let live = proxy.live();
    (live.directory.as_ref().and_then(|directory| directory.counts.clone()), live.limits.shared())
}

/// One look at each limit.
async fn round(
    proxy: &Proxy,
    counts: &Counts,
    rules: &[Arc<Rule>],
    held: &mut Option<(Counts, Client)>,
) -> Result<(), ClientError> {
    if held.as_ref().is_none_or(|(of, _)| of != counts) {
        *held = Some((counts.clone(), Client::connect(counts).await?));
    }
    let Some((_, client)) = held else { return Ok(()) };
    for rule in rules {
        let shares = rule.shares(now(proxy), COUNTS_BATCH_MAX);
        // Also where nothing is to be told: whether it is there has to be known before somebody asks.
        match client.add(&shares).await {
            Ok(all) => {
                let now = now(proxy);
                rule.heard(now);
                shares.iter().zip(all).for_each(|(share, all)| rule.settle(share, all, now));
            }
            Err(error) => {
                shares.iter().for_each(|share| rule.unsettled(share));
                return Err(error);
            }
        }
    }
    Ok(())
}

fn now(proxy: &Proxy) -> Now {
    proxy.clocks(clock::now())
}
