//! Batches of events of one stream, from the wire to the confirmation.

use crate::app::App;
use crate::events::{Fate, decode};
use crate::limits::UNCONFIRMED_MAX;
use crate::stream::refusal::Refusal;
use bartizan_core::ServiceName;
use bartizan_core::event::{Event, SeenBy};
use bartizan_core::limits::{CLOCK_SKEW, EVENT_BATCH_MAX};
use bartizan_runtime::clock;
use bartizan_runtime::control_v1::Events;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Batches whose fate is not known yet, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    waiting: VecDeque<(u64, oneshot::Receiver<Fate>)>,
}

impl Batches {
    /// Takes a batch in. `Ok(true)`: it can be confirmed at once. An error ends the stream.
    pub(crate) fn take(&mut self, app: &App, service: &ServiceName, batch: Events) -> Result<bool, Refusal> {
        if batch.records.len() > EVENT_BATCH_MAX {
            return Err(Refusal::malformed(format!("{} events in one batch", batch.records.len())));
        }
        if self.waiting.len() >= UNCONFIRMED_MAX {
            return Err(Refusal::exhausted(format!("{UNCONFIRMED_MAX} batches of events wait for confirmation")));
        }
        let sent = batch.records.len();
        // An event from the future would stand before all others in every list of the newest.
        let latest = clock::now().plus(CLOCK_SKEW);
        let mut events: Vec<Event> =
            batch.records.iter().filter_map(|bytes| decode(bytes).filter(|it| is_of(it, service))).collect();
        events.iter_mut().for_each(|event| event.at = event.at.min(latest));
        let in_force = app.in_force();
        let domain = &in_force.desired.fleet.trust_domain;
        for event in &events {
            app.algorithms.note(event, domain);
            app.egress.note(event);
            app.inventory.note(event, &in_force.desired.fleet, &in_force.desired.apis);
        }
        if events.len() < sent {
            // Counted here and not refused: the good ones of the batch are worth having.
            app.pipeline.lose_unreadable((sent - events.len()) as u64);
            tracing::warn!(%service, count = sent - events.len(), "events that are none of this proxy's, or none at all");
        }
        match app.pipeline.offer(events) {
            Some(fate) => {
                self.waiting.push_back((batch.batch, fate));
                Ok(false)
            }
            // Earlier batches are confirmed first, whatever became of this one.
            None if !self.waiting.is_empty() => {
                let (known, fate) = oneshot::channel();
                let _ = known.send(Fate::Lost);
                self.waiting.push_back((batch.batch, fate));
                Ok(false)
            }
            None => Ok(true),
        }
    }

    /// The number of the oldest batch, once its events are stored or counted as lost. Waits forever where there is none.
    ///
    /// Cancel safe.
    pub(crate) async fn next_done(&mut self) -> u64 {
        let Some((batch, fate)) = self.waiting.front_mut() else { return std::future::pending().await };
        // An error means that the pipeline has ended, and control with it.
        let _ = fate.await;
        let batch = *batch;
        self.waiting.pop_front();
        batch
    }
}

/// A proxy speaks for its own service and for nobody else.
fn is_of(event: &Event, service: &ServiceName) -> bool {
    let side = match event.seen_by {
        SeenBy::Inbound | SeenBy::Outbound | SeenBy::Envoy => *service != ServiceName::gateway(),
        SeenBy::Gateway => *service == ServiceName::gateway(),
        SeenBy::Control | SeenBy::Node | SeenBy::Supervisor | SeenBy::Intake => false,
    };
    side && event.service.as_ref() == Some(service)
}
