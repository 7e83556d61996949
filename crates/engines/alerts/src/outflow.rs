//! How much services send to places outside that they had not been to before: at once, or little by little.
//!
//! What a connection sent is known once it is over. A place is new for a week; at the beginning of a fleet all of them are.

use crate::limits::{
    DESTINATION_NEW_FOR, OUTFLOW_AT_ONCE, OUTFLOW_BYTES_MIN, OUTFLOW_HOURS, OUTFLOW_MAX, OUTFLOW_SLOW_HOURS_MIN,
};
use bartizan_core::event::{Event, What};
use bartizan_core::{ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What went where within the last day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outflow {
    #[serde(with = "listed")]
    all: BTreeMap<Key, Flow>,
    left_out: u64,
}

/// Service and destination.
type Key = (ServiceName, String);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flow {
    first: Timestamp,
    last: Timestamp,
    /// Bytes by fifteen seconds, the oldest first.
    at_once: VecDeque<(u64, u64)>,
    /// Bytes by hour.
    hours: VecDeque<(u64, u64)>,
}

/// What a service sent to places that are new to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who.
    pub service: ServiceName,
    /// Within ten minutes, in bytes.
    pub at_once: u64,
    /// Within a day, in bytes, where it was spread over many hours; else 0.
    pub slowly: u64,
    /// Where most of it went, within that day.
    pub to: String,
}

/// Slots of [`Flow::at_once`], in seconds.
const SLOT_S: u64 = 15;
const HOUR_S: u64 = 3600;

impl Outflow {
    /// Takes in the end of a connection or request out of the fleet.
    pub fn note(&mut self, event: &Event, now: Timestamp) {
        let (What::Egress(it), Some(service)) = (&event.what, &event.service) else { return };
        if it.bytes_up > 0 {
            self.add(service, it.destination(), it.bytes_up, now);
        } else if let Some(flow) = self.all.get_mut(&(service.clone(), it.destination())) {
            flow.last = flow.last.max(now);
        }
    }

    /// Counts bytes that went from a service to a destination.
    pub fn add(&mut self, service: &ServiceName, to: String, bytes: u64, now: Timestamp) {
        let key = (service.clone(), to);
        if self.all.len() >= OUTFLOW_MAX && !self.all.contains_key(&key) && !self.make_room(now) {
            self.left_out += 1;
            return;
        }
        let new = || Flow { first: now, last: now, at_once: VecDeque::new(), hours: VecDeque::new() };
        let flow = self.all.entry(key).or_insert_with(new);
        flow.last = flow.last.max(now);
        count(&mut flow.at_once, now.as_secs() / SLOT_S, bytes, OUTFLOW_AT_ONCE.as_secs() / SLOT_S);
        count(&mut flow.hours, now.as_secs() / HOUR_S, bytes, OUTFLOW_HOURS);
    }

    /// What each service sent to places that are new to it, where that is worth a word.
    pub fn sent(&self, now: Timestamp) -> Vec<Sent> {
        let mut by_service: BTreeMap<&ServiceName, Vec<(&String, &Flow)>> = BTreeMap::new();
        for ((service, to), flow) in &self.all {
            if now.since(flow.first) < DESTINATION_NEW_FOR {
                by_service.entry(service).or_default().push((to, flow));
            }
        }
        // Together: whoever shares it out over many places sends no less.
        let sent = by_service.into_iter().map(|(service, flows)| {
            let (fine, hour) = (now.as_secs() / SLOT_S, now.as_secs() / HOUR_S);
            let of_day = |flow: &Flow| within(&flow.hours, hour, OUTFLOW_HOURS);
            let at_once = flows.iter().map(|(_, it)| within(&it.at_once, fine, OUTFLOW_AT_ONCE.as_secs() / SLOT_S));
            let hours: BTreeSet<u64> = flows
                .iter()
                .flat_map(|(_, it)| &it.hours)
                .filter(|(slot, bytes)| slot + OUTFLOW_HOURS > hour && *bytes > 0)
                .map(|(slot, _)| *slot)
                .collect();
            let day: u64 = flows.iter().map(|(_, it)| of_day(it)).fold(0, u64::saturating_add);
            let most = flows.iter().max_by_key(|(_, it)| of_day(it)).map(|(to, _)| (*to).clone());
            Sent {
                service: service.clone(),
                at_once: at_once.fold(0, u64::saturating_add),
                slowly: if hours.len() >= OUTFLOW_SLOW_HOURS_MIN { day } else { 0 },
                to: most.unwrap_or_default(),
            }
        });
        sent.filter(|it| it.at_once.max(it.slowly) >= OUTFLOW_BYTES_MIN).collect()
    }

    /// Connections that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether it is as this file would make it.
    pub(crate) fn is_sound(&self) -> bool {
        let rises = |ring: &VecDeque<(u64, u64)>| ring.iter().zip(ring.iter().skip(1)).all(|(a, b)| a.0 < b.0);
        self.all.len() <= OUTFLOW_MAX && self.all.values().all(|it| rises(&it.at_once) && rises(&it.hours))
    }

    /// Forgets where nobody went for longest, where that is not new any more or not within this day. False where all are.
    fn make_room(&mut self, now: Timestamp) -> bool {
        let is_old = |flow: &Flow| {
            now.since(flow.first) >= DESTINATION_NEW_FOR || now.since(flow.last).as_secs() >= OUTFLOW_HOURS * HOUR_S
        };
        let oldest = self.all.iter().filter(|(_, it)| is_old(it)).min_by_key(|(_, it)| it.last);
        let key = oldest.map(|(key, _)| key.clone());
        key.is_some_and(|key| self.all.remove(&key).is_some())
    }
}

/// Adds to the newest slot, also where the clock was set back.
fn count(ring: &mut VecDeque<(u64, u64)>, slot: u64, bytes: u64, slots: u64) {
    match ring.back_mut() {
        Some((last, sum)) if *last >= slot => *sum = sum.saturating_add(bytes),
        _ => ring.push_back((slot, bytes)),
    }
    let newest = ring.back().map_or(slot, |(last, _)| *last);
    while ring.front().is_some_and(|(first, _)| first + slots <= newest) {
        ring.pop_front();
    }
}

fn within(ring: &VecDeque<(u64, u64)>, newest: u64, slots: u64) -> u64 {
    ring.iter().filter(|(slot, _)| slot + slots > newest).map(|(_, bytes)| *bytes).fold(0, u64::saturating_add)
}

/// A map whose keys are no text, as a list.
mod listed {
    use super::{Flow, Key};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(all: &BTreeMap<Key, Flow>, to: S) -> Result<S::Ok, S::Error> {
        all.iter().collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Key, Flow>, D::Error> {
        Ok(Vec::<(Key, Flow)>::deserialize(from)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MB: u64 = 1_000_000;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + s)
    }

    fn name() -> ServiceName {
        ServiceName::parse("ledger").unwrap()
    }

    fn sent(outflow: &Outflow, s: u64) -> (u64, u64) {
        outflow.sent(at(s)).first().map_or((0, 0), |it| (it.at_once, it.slowly))
    }

    #[test]
    fn a_hundred_megabytes_to_a_new_place_are_seen_at_once() {
        let mut it = Outflow::default();
        it.add(&name(), "evil.example:443".into(), 100 * MB, at(5));
        assert_eq!(sent(&it, 6), (100 * MB, 0));
        assert_eq!(it.sent(at(6))[0].to, "evil.example:443");
        // Shared out over places and connections it is no less.
        let mut it = Outflow::default();
        for n in 0..100 {
            it.add(&name(), format!("h{}.example:443", n % 10), MB, at(n));
        }
        assert_eq!(sent(&it, 100).0, 100 * MB);
        assert_eq!(sent(&it, 100 + 630), (0, 0), "ten minutes later it is over");
    }

    #[test]
    fn a_megabyte_an_hour_is_seen_before_the_day_is_over() {
        let mut it = Outflow::default();
        let mut seen = None;
        for hour in 0..24 {
            it.add(&name(), "drip.example:443".into(), MB, at(hour * 3600));
            let slowly = sent(&it, hour * 3600).1;
            if slowly > 20 * MB {
                seen.get_or_insert(hour);
            }
        }
        // 21 MB are there with the 21st: the look that follows says so.
        assert_eq!(seen, Some(20));
        assert_eq!(sent(&it, 23 * 3600).1, 24 * MB);
    }

    #[test]
    fn what_is_known_for_a_week_and_what_is_little_is_no_word() {
        let mut it = Outflow::default();
        let week = DESTINATION_NEW_FOR.as_secs();
        it.add(&name(), "backup.example:443".into(), MB, at(0));
        it.add(&name(), "backup.example:443".into(), 500 * MB, at(week + 1));
        assert_eq!(sent(&it, week + 2), (0, 0), "it was there a week ago");
        it.add(&name(), "api.example:443".into(), OUTFLOW_BYTES_MIN - 1, at(week + 1));
        assert_eq!(sent(&it, week + 2), (0, 0), "little");
        it.add(&name(), "one.example:443".into(), 30 * MB, at(week + 1));
        assert_eq!(sent(&it, week + 3).1, 0, "all within an hour is not slow");
    }

    #[test]
    fn memory_is_bounded_and_what_is_new_is_kept() {
        let mut it = Outflow::default();
        for n in 0..OUTFLOW_MAX {
            it.add(&name(), format!("h{n}"), 1, at(0));
        }
        it.add(&name(), "late".into(), 100 * MB, at(1));
        assert_eq!((it.all.len(), it.left_out(), sent(&it, 2)), (OUTFLOW_MAX, 1, (0, 0)));
        let day = OUTFLOW_HOURS * HOUR_S;
        it.add(&name(), "late".into(), 100 * MB, at(day + 1));
        assert_eq!((it.all.len(), sent(&it, day + 2).0), (OUTFLOW_MAX, 100 * MB), "what nobody used makes room");
    }

    proptest! {
        /// As a list of everything would say it, up to the width of a slot.
        #[test]
        fn sums_are_those_of_a_list(
            all in prop::collection::vec((0u64..200_000, 0usize..4, 1u64..50_000_000), 1..60),
        ) {
            let mut all = all;
            all.sort_by_key(|it| it.0);
            let mut it = Outflow::default();
            for (n, (s, to, bytes)) in all.iter().enumerate() {
                it.add(&name(), format!("h{to}"), *bytes, at(*s));
                let seen: Vec<_> = all[..=n].iter().collect();
                let between = |least: u64, most: u64| -> (u64, u64) {
                    let sum = |back: u64| seen.iter().filter(|it| it.0 + back > *s).map(|it| it.2).sum::<u64>();
                    (sum(least), sum(most))
                };
                let (at_once, slowly) = sent(&it, *s);
                let (least, most) = between(600 - SLOT_S, 600);
                prop_assert!(at_once <= most);
                prop_assert!(at_once >= least || at_once.max(slowly) == 0 && least < OUTFLOW_BYTES_MIN, "{} {}", at_once, least);
                let (_, most) = between(0, 24 * 3600);
                prop_assert!(slowly <= most);
                prop_assert!(it.is_sound());
            }
            let text = serde_json::to_string(&it).unwrap();
            prop_assert_eq!(serde_json::from_str::<Outflow>(&text).unwrap(), it);
        }
    }
}
