//! From records to events in the pipeline.

use super::counts::{Counts, Door, Refused};
use super::rates::Rates;
use super::who::Client;
use crate::app::App;
use crate::events::Fate;
use bartizan_core::ServiceName;
use bartizan_core::event::{Event, EventId, SeenBy, What};
use bartizan_core::fleet::Fleet;
use bartizan_crypto::random;
use bartizan_detect::mark;
use bartizan_runtime::clock;
use bartizan_telemetry::{Handed, Malformed, Scene, Taken};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes records from all doors.
#[derive(Debug)]
pub(super) struct Desk {
    rates: Rates,
    prefix: u64,
    written: AtomicU64,
    per_s: u32,
}

/// What a client is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Records that were not taken and never will be.
    pub(super) rejected: u64,
    /// Why the first of them was not.
    pub(super) why: &'static str,
    /// Whether none was taken for want of room: all of them may be sent again.
    pub(super) come_back: bool,
}

impl Desk {
    pub(super) fn new(per_s: u32) -> Self {
        Self { rates: Rates::default(), prefix: random::u64(), written: AtomicU64::new(0), per_s }
    }

    /// The scene of a message that came now.
    pub(super) fn scene(&self, door: Door, client: &Client) -> Scene {
        Scene { source: door.source().into(), from: Arc::clone(&client.name), now: clock::now() }
    }

    /// Takes what came of a message, and waits until its fate is known.
    pub(super) async fn take(&self, app: &App, door: Door, client: &Client, taken: Taken) -> Told {
        let Taken { records, malformed, too_many, why } = taken;
        let counts = &app.intake;
        counts.refused(door, Refused::Malformed, malformed);
        counts.refused(door, Refused::TooMany, too_many);
        let mut told = Told { rejected: malformed + too_many, why: why.unwrap_or_default(), come_back: false };
        let in_force = app.in_force();
        let events = self.own(counts, door, client, &in_force.desired.fleet, records, &mut told);
        let came = events.len() as u64;
        let events = self.within_rate(counts, door, client, events, &mut told);
        if events.is_empty() {
            told.come_back = came > 0;
            return told;
        }
        let count = events.len() as u64;
        let Some(fate) = app.pipeline.offer(events) else {
            counts.no_room(door, count);
            return Told { come_back: true, why: "there is no room before the store", ..told };
        };
        counts.under_way(door, count);
        // An error means that the pipeline has ended, and control with it.
        let stored = fate.await == Ok(Fate::Stored);
        counts.arrived(door, count, stored);
        if !stored {
            return Told { come_back: true, why: "the store does not take events now", ..told };
        }
        told
    }

    /// A message that is none.
    pub(super) fn refuse(&self, app: &App, door: Door, why: Malformed) {
        // Not louder: a client that is wrong is wrong ten times a second.
        tracing::debug!(door = door.as_str(), %why, "a message cannot be read");
        app.intake.refused(door, Refused::Malformed, 1);
    }

    /// Events of the records that speak for whom they may.
    fn own(
        &self,
        counts: &Counts,
        door: Door,
        client: &Client,
        fleet: &Fleet,
        records: Vec<Handed>,
        told: &mut Told,
    ) -> Vec<Event> {
        let mut foreign = 0;
        let mut events = Vec::with_capacity(records.len());
        for mut handed in records {
            mark(&mut handed.telemetry);
            let named = handed.telemetry.emitter.as_deref().and_then(|name| ServiceName::parse(name).ok());
            let named = named.filter(|name| fleet.services.contains_key(name));
            let service = match (&client.service, named) {
                (Some(own), Some(named)) if *own != named => {
                    foreign += 1;
                    continue;
                }
                (own, named) => named.or_else(|| own.clone()).or_else(|| asked(&handed, fleet)),
            };
            let id = EventId(self.prefix, self.written.fetch_add(1, Ordering::Relaxed));
            let (at, request, what) = (handed.at(), handed.request, What::Telemetry(handed.telemetry));
            events.push(Event { id, at, service, seen_by: SeenBy::Intake, request, what });
        }
        if foreign > 0 {
            counts.refused(door, Refused::ForeignService, foreign);
            told.refuse(foreign, "a service speaks for itself alone");
        }
        events
    }

    /// As many of them as the client may bring; what is about security stays longest.
    fn within_rate(
        &self,
        counts: &Counts,
        door: Door,
        client: &Client,
        mut events: Vec<Event>,
        told: &mut Told,
    ) -> Vec<Event> {
        let security = events.iter().filter(|event| is_about_security(event)).count() as u64;
        let wanted = (security, events.len() as u64 - security);
        let mut left = self.rates.admit(&client.name, wanted, self.per_s, clock::now());
        let surplus = events.len() as u64 - left.0 - left.1;
        if surplus == 0 {
            return events;
        }
        events.retain(|event| {
            let left = if is_about_security(event) { &mut left.0 } else { &mut left.1 };
            *left > 0 && {
                *left -= 1;
                true
            }
        });
        counts.refused(door, Refused::Rate, surplus);
        told.refuse(surplus, "more records a second than one client may bring (`intake.records_per_s`)");
        events
    }
}

/// The service that an access log says was asked: what a gateway or mesh logs is about that one.
fn asked(handed: &Handed, fleet: &Fleet) -> Option<ServiceName> {
    let name = ServiceName::parse(handed.telemetry.attribute("destination.service")?).ok()?;
    fleet.services.contains_key(&name).then_some(name)
}

impl Told {
    fn refuse(&mut self, count: u64, why: &'static str) {
        self.rejected += count;
        if self.why.is_empty() {
            self.why = why;
        }
    }
}

fn is_about_security(event: &Event) -> bool {
    matches!(&event.what, What::Telemetry(it) if it.security)
}
