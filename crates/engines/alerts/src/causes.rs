//! What is denied or fails, by reason and edge, so that whoever is told of an alert need not search for it.

use crate::limits::{CAUSES_MAX, CAUSES_OVER, CAUSES_SHOWN, REASON_BYTES_MAX};
use crate::window::Window;
use bartizan_core::alerts::Cause;
use bartizan_core::event::{Class, Event, Upshot, What};
use bartizan_core::{ServiceName, SpiffeId, Timestamp};
use std::collections::BTreeMap;

/// Counts within the last hour. What finds no room is counted.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    /// By service, so that one with many does not hide the others'.
    all: BTreeMap<Key, Window>,
    left_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: Option<ServiceName>,
    class: Class,
    from: Option<String>,
    reason: String,
}

impl Causes {
    /// Counts an event that was denied or failed; others are nobody's cause.
    pub fn note(&mut self, event: &Event, now: Timestamp) {
        // What others hand in says what they think of themselves.
        if event.upshot() == Upshot::Ok || matches!(event.class(), Class::Telemetry | Class::Alert) {
            return;
        }
        let (service, class) = (event.service.clone(), event.class());
        let key = Key { service, class, from: from(event), reason: bounded(&reason(event)) };
        if self.all.len() >= CAUSES_MAX && !self.all.contains_key(&key) {
            self.all.retain(|_, window| now.since(window.last()) < CAUSES_OVER);
            if self.all.len() >= CAUSES_MAX {
                self.left_out += 1;
                return;
            }
        }
        self.all.entry(key).or_insert_with(|| Window::new(CAUSES_OVER)).add(now, 1);
    }

    /// The most frequent ones at these services, or in the fleet where there are none; the worst first.
    pub fn top(&mut self, services: &[&str], now: Timestamp) -> Vec<Cause> {
        let concerns =
            |key: &Key| services.is_empty() || key.service.as_ref().is_some_and(|it| services.contains(&it.as_str()));
        let counted = self.all.iter_mut().filter(|(key, _)| concerns(key));
        let mut top: Vec<Cause> = counted
            .map(|(key, window)| Cause {
                class: key.class.as_str().to_owned(),
                reason: key.reason.clone(),
                from: key.from.clone(),
                service: key.service.as_ref().map(ToString::to_string),
                count: window.count(now),
            })
            .filter(|it| it.count > 0)
            .collect();
        // Equal ones in the order of their names.
        top.sort_by_key(|it| std::cmp::Reverse(it.count));
        top.truncate(CAUSES_SHOWN);
        top
    }

    /// Events that found no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// Who called: the last part of the identity, as people name it.
fn from(event: &Event) -> Option<String> {
    let short = |id: &SpiffeId| id.as_str().rsplit('/').next().unwrap_or_default().to_owned();
    match &event.what {
        What::Request(it) => it.peer.as_ref().map(short),
        What::Connection(it) => it.peer.as_ref().map(short),
        What::Handshake(it) => it.peer.as_ref().map(short),
        What::Refused(it) => it.peer.as_ref().map(short),
        What::Ended(it) => it.peer.as_ref().map(short),
        _ => None,
    }
}

fn reason(event: &Event) -> String {
    let judged = match &event.what {
        What::Request(it) => it.decision.as_ref(),
        What::Connection(it) => it.decision.as_ref(),
        _ => None,
    };
    if let Some(it) = judged.filter(|_| event.is_denial()) {
        return if it.policies.is_empty() {
            "no policy permits it".to_owned()
        } else {
            format!("by {}", it.policies.join(", "))
        };
    }
    match &event.what {
        What::Request(it) => match &it.error {
            Some(error) => error.to_string(),
            None => format!("status {}", it.status),
        },
        What::Connection(it) => it.error.as_deref().unwrap_or("ended early").to_owned(),
        _ => event.word().to_owned(),
    }
}

fn bounded(text: &str) -> String {
    let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= REASON_BYTES_MAX).last();
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::event::{EventId, SeenBy};
    use proptest::prelude::*;

    fn at(s: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + s)
    }

    fn event(service: &str, what: What) -> Event {
        let service = ServiceName::parse(service).ok();
        Event { id: EventId(1, 1), at: at(0), service, seen_by: SeenBy::Inbound, request: None, what }
    }

    fn denied(by: &str, peer: &str) -> What {
        let mut it = crate::rehearse::denied("ledger");
        it.peer = SpiffeId::parse(&format!("spiffe://bank.test/svc/{peer}")).ok();
        it.decision.as_mut().unwrap().policies =
            [by].iter().filter(|it| !it.is_empty()).map(|it| (*it).into()).collect();
        What::Request(it)
    }

    #[test]
    fn the_most_frequent_reason_comes_first_with_its_edge() {
        let mut causes = Causes::default();
        let mut note = |service: &str, what: What, times: u32| {
            (0..times).for_each(|_| causes.note(&event(service, what.clone()), at(0)));
        };
        note("ledger", denied("no-night", "payment"), 7);
        note("ledger", denied("", "web"), 3);
        note("audit", denied("x", "web"), 50);
        let mut fine = crate::rehearse::denied("ledger");
        fine.decision = None;
        (fine.status, fine.error) = (200, None);
        note("ledger", What::Request(fine.clone()), 90);
        fine.status = 503;
        note("ledger", What::Request(fine), 5);
        let shown = |it: &Cause| format!("{} {} {} {:?}", it.count, it.class, it.reason, it.from);
        let top: Vec<String> = causes.top(&["ledger"], at(1)).iter().map(shown).collect();
        assert_eq!(
            top,
            [
                "7 request by no-night Some(\"payment\")",
                "5 request status 503 None",
                "3 request no policy permits it Some(\"web\")"
            ]
        );
        assert_eq!(causes.top(&[], at(1))[0].count, 50, "of the fleet");
        assert_eq!(causes.top(&[], at(7300)), [], "two hours later");
    }

    #[test]
    fn memory_is_bounded_and_what_is_old_makes_room() {
        let mut causes = Causes::default();
        for n in 0..CAUSES_MAX + 10 {
            causes.note(&event("ledger", denied(&format!("p{n}"), "web")), at(0));
        }
        assert_eq!((causes.all.len(), causes.left_out()), (CAUSES_MAX, 10));
        causes.note(&event("ledger", denied("new", "web")), at(7300));
        assert_eq!(causes.top(&["ledger"], at(7300)).len(), 1);
    }

    proptest! {
        #[test]
        fn reasons_are_cut_at_a_character(text in ".{0,300}") {
            let cut = bounded(&text);
            prop_assert!(cut.len() <= REASON_BYTES_MAX && text.starts_with(&cut));
            prop_assert!(cut.len() == text.len() || cut.len() + 4 > REASON_BYTES_MAX);
        }
    }
}
