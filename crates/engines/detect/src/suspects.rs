//! What is counted of whom, and what of it is worth a word.

use crate::audited::{Done, done};
use crate::declared::Declared;
use crate::distinct::Distinct;
use crate::limits::{
    BURST_WITHIN, NAME_BYTES_MAX, READERS_LEARNED, READERS_MAX, SEARCHED_COUNTS, SPREAD_SOURCES_MIN, TRACKS_EVICTED,
    TRACKS_MAX, WITHIN,
};
use crate::seen::Seen;
use bartizan_core::alerts::Measure;
use bartizan_core::event::{Event, EventId, Signal, What};
use bartizan_core::redact::redact_all;
use bartizan_core::{ServiceName, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Paths that only somebody asks for who searches for what was left lying about.
const SEARCHED: &[&str] = &[
    "/.env",
    "/.git/",
    "/.svn/",
    "/.aws/",
    "/.ssh/",
    "/.htpasswd",
    "/wp-login.php",
    "/wp-admin",
    "/xmlrpc.php",
    "/phpmyadmin",
    "/phpinfo",
    "/actuator/env",
    "/actuator/heapdump",
    "/server-status",
    "/cgi-bin/",
    "/manager/html",
    "/solr/admin",
    "/jenkins",
    "/.ds_store",
    "/backup.",
    "/dump.sql",
    "/config.json",
    "/vendor/phpunit",
    "/boaform",
    "/hnap1",
    "/owa/",
    "/autodiscover",
    "/console/login",
    "/id_rsa",
    "/web.config",
    "/debug/pprof",
    "/graphql/console",
];

/// Everybody of whom something is counted.
#[derive(Clone, Debug, Default)]
pub struct Suspects {
    tracks: BTreeMap<Measure, BTreeMap<Key, Track>>,
    readers: BTreeSet<Box<str>>,
    learning_since: Option<Timestamp>,
    left_out: u64,
}

/// Something worth a word, by the measure of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// Which measure.
    pub measure: Measure,
    /// At which service; `None` where that is no service of the fleet.
    pub service: Option<ServiceName>,
    /// How much of it, of whoever did most.
    pub value: f64,
    /// Who did it, and the event that shows it, for people.
    pub about: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    measure: Measure,
    way: Way,
    service: Option<ServiceName>,
    who: Box<str>,
}

/// How one thing is counted in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// By who asked.
    Source,
    /// By whom it was about.
    Target,
    /// At the service as a whole.
    Spread,
    /// In steps.
    Steps,
}

#[derive(Clone, Debug)]
struct Track {
    seen: Distinct,
    last: Timestamp,
    event: EventId,
}

impl Suspects {
    /// Takes in a record that somebody handed in, and that is stored. It counts when it was, by its own word; what is older than the time
    /// over which it would count does not: logs that were held up for an hour are no attack of this minute.
    pub fn note(&mut self, event: &Event, declared: &Declared, now: Timestamp) {
        let What::Telemetry(it) = &event.what else { return };
        let at = event.at.min(now);
        if it.signal == Signal::Audit {
            self.learning_since.get_or_insert(now);
            if let Some(done) = done(it) {
                self.audited(event, done, at, now);
            }
            return;
        }
        if !matches!(it.signal, Signal::Access | Signal::Log) {
            return;
        }
        let seen = Seen::of(it);
        if seen.client.is_empty() && seen.user.is_empty() && seen.from.is_empty() {
            return;
        }
        self.sign_ins(event, &seen, at);
        if seen.status != 0 {
            self.walks(event, &seen, at);
            self.searches(event, &seen, at);
        }
        if let Some(probe) = seen.probe {
            self.add(event, (Measure::AttackProbes, Way::Source), seen.client, (probe, 1), at);
        }
        // A program that logs what it was asked names itself once, and not in each line.
        let own = event.service.as_ref().map_or("", ServiceName::as_str);
        let to = if seen.to.is_empty() { own } else { seen.to };
        if declared.lacks(seen.from, to) {
            let edge = format!("{} to {to}", seen.from);
            self.add(event, (Measure::UndeclaredCalls, Way::Source), &edge, (seen.path, 1), at);
        }
        if seen.sent > 0 {
            self.add(event, (Measure::SentToOneBytes, Way::Source), seen.who(), ("", seen.sent), at);
        }
    }

    /// What is worth a word now, the most of each measure at each service.
    pub fn found(&mut self, now: Timestamp) -> Vec<Suspicion> {
        for (measure, tracks) in &mut self.tracks {
            tracks.retain(|key, track| {
                track.seen.forget(within(*measure), now);
                let is_over = track.seen.len() == 0;
                // Somebody was told. Who reads again an hour later, by right or not, is nobody new.
                if is_over && *measure == Measure::SecretsRead && self.readers.len() < READERS_MAX {
                    self.readers.insert(key.who.clone());
                }
                !is_over
            });
        }
        let mut most: BTreeMap<(Measure, Option<&ServiceName>), (u64, &Key, &Track)> = BTreeMap::new();
        for (key, track) in self.tracks.values().flatten() {
            let value = value(key, track);
            let held = most.entry((key.measure, key.service.as_ref())).or_insert((0, key, track));
            if value > held.0 {
                *held = (value, key, track);
            }
        }
        let suspicion = |(value, key, track): (u64, &Key, &Track)| Suspicion {
            measure: key.measure,
            service: key.service.clone(),
            value: value as f64,
            about: format!("{}; event {}", key.told(), track.event),
        };
        most.into_values().filter(|(value, ..)| *value > 0).map(suspicion).collect()
    }

    /// What found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn sign_ins(&mut self, event: &Event, seen: &Seen<'_>, at: Timestamp) {
        let spread = "many addresses";
        match seen.was_refused() {
            Some(true) => {
                let guess = |way| (Measure::SignInsRefused, way);
                self.add(event, guess(Way::Source), seen.client, (seen.user, 1), at);
                self.add(event, guess(Way::Target), seen.user, (seen.client, 1), at);
                // An app whose token ran out is refused elsewhere, and by the thousand.
                if seen.is_a_sign_in() && !seen.client.is_empty() {
                    self.add(event, guess(Way::Spread), spread, (seen.client, 1), at);
                }
            }
            Some(false) => {
                let way = Way::Spread;
                let key =
                    Key { measure: Measure::SignInsRefused, way, service: event.service.clone(), who: spread.into() };
                // Who is let in after all had mistyped.
                if let Some(track) = self.tracks.get_mut(&key.measure).and_then(|tracks| tracks.get_mut(&key)) {
                    track.seen.remove(seen.client);
                }
            }
            None => {}
        }
    }

    fn walks(&mut self, event: &Event, seen: &Seen<'_>, at: Timestamp) {
        let Some((id, kind)) = seen.object() else { return };
        let who = format!("{} at {kind}", seen.who());
        if matches!(seen.status, 403 | 404 | 410) {
            self.add(event, (Measure::IdsWalked, Way::Source), &who, (id, 1), at);
        }
        self.add(event, (Measure::IdsWalked, Way::Steps), &who, (id, 1), at);
    }

    fn searches(&mut self, event: &Event, seen: &Seen<'_>, at: Timestamp) {
        let path = seen.path.to_ascii_lowercase();
        let is_searched = SEARCHED.iter().any(|it| path.contains(it));
        let is_missing =
            matches!(seen.status, 400 | 404 | 405 | 501) || is_searched && matches!(seen.status, 401 | 403);
        if is_missing && (is_searched || seen.object().is_none()) {
            let count = if is_searched { SEARCHED_COUNTS } else { 1 };
            self.add(event, (Measure::PathsSearched, Way::Source), seen.client, (seen.path, count), at);
        }
    }

    fn audited(&mut self, event: &Event, done: Done<'_>, at: Timestamp, now: Timestamp) {
        let Done { subject, what, object, call } = done;
        // Of the rest one is enough, and better late than never.
        let at = if what == Measure::TokenRequests { at } else { now };
        if what != Measure::SecretsRead {
            return self.add(event, (what, Way::Source), subject, (call, 1), at);
        }
        let is_learning = self.learning_since.is_none_or(|since| now.since(since) < READERS_LEARNED);
        let reader = cut(&format!("{subject} in {object}")).to_owned();
        if is_learning && self.readers.len() < READERS_MAX {
            self.readers.insert(reader.into());
        } else if !is_learning && !self.readers.contains(&*reader) {
            self.add(event, (what, Way::Source), &reader, (call, 1), at);
        }
    }

    fn add(
        &mut self,
        event: &Event,
        (measure, way): (Measure, Way),
        who: &str,
        (what, count): (&str, u64),
        at: Timestamp,
    ) {
        if who.is_empty() {
            return;
        }
        let key = Key { measure, way, service: event.service.clone(), who: cut(who).into() };
        let tracks = self.tracks.entry(measure).or_default();
        if tracks.len() >= TRACKS_MAX && !tracks.contains_key(&key) {
            self.left_out += evict(tracks);
        }
        let new = || Track { seen: Distinct::default(), last: at, event: event.id };
        let track = tracks.entry(key).or_insert_with(new);
        track.seen.add(what, count, within(measure), at);
        if at >= track.last {
            (track.last, track.event) = (at, event.id);
        }
    }
}

/// Makes room: those go of whom least was counted, the oldest first. How many.
fn evict(tracks: &mut BTreeMap<Key, Track>) -> u64 {
    let mut all: Vec<(u64, Timestamp, Key)> =
        tracks.iter().map(|(key, track)| (track.seen.sum(), track.last, key.clone())).collect();
    all.select_nth_unstable(TRACKS_EVICTED);
    for (.., key) in &all[..TRACKS_EVICTED] {
        tracks.remove(key);
    }
    TRACKS_EVICTED as u64
}

impl Key {
    /// For people: it goes out by mail and webhooks, so nothing goes along that the event itself would lose on its way to the store.
    fn told(&self) -> String {
        let who = redact_all(&self.who);
        match self.way {
            Way::Source | Way::Steps => format!("by {who}"),
            Way::Target => format!("for {who}, from several addresses"),
            Way::Spread => format!("from {who}"),
        }
    }
}

fn value(key: &Key, track: &Track) -> u64 {
    match (key.measure, key.way) {
        (Measure::SignInsRefused, Way::Source) => track.seen.sum(),
        // One who mistypes does so from one address.
        (Measure::SignInsRefused, Way::Target) => {
            if track.seen.len() >= 3 {
                track.seen.sum()
            } else {
                0
            }
        }
        (Measure::SignInsRefused, _) => {
            if track.seen.len() >= SPREAD_SOURCES_MIN {
                track.seen.sum()
            } else {
                0
            }
        }
        (Measure::IdsWalked, Way::Steps) => track.seen.steps() / 2,
        (Measure::IdsWalked, _) => track.seen.len(),
        (Measure::PathsSearched, _) => track.seen.sum().min(track.seen.len().saturating_mul(SEARCHED_COUNTS)),
        // Of one call there may be several records, and one that the server sends again.
        (
            Measure::SecretsRead
            | Measure::PodsEntered
            | Measure::AdminGrants
            | Measure::AnonymousCalls
            | Measure::TokenRequests,
            _,
        ) => track.seen.len(),
        _ => track.seen.sum(),
    }
}

fn within(measure: Measure) -> Duration {
    match measure {
        Measure::SignInsRefused | Measure::PathsSearched => BURST_WITHIN,
        _ => WITHIN,
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests;
