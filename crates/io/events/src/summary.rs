//! What is kept in memory of a block, so that most searches read few of them.

use crate::block::Header;
use crate::bloom::{self, Bloom};
use crate::event::{Filter, Order, StoredEvent};
use crate::limits::{NAME_BITS, REQUEST_BITS};
use bartizan_core::{RequestId, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};

/// Kinds of names, so that a service and an identity of the same text are two.
const SERVICE: u64 = 1;
const IDENTITY: u64 = 2;

/// What lies in a block.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Where it begins in its file, in bytes.
    pub(crate) offset: u64,
    pub(crate) header: Header,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    /// Events in it, a count.
    pub(crate) events: u32,
    /// One bit for each class, and one for those without.
    classes: u32,
    /// One bit for each outcome.
    upshots: u8,
    /// Services, identities and users.
    names: Bloom,
    requests: Bloom,
}

impl Summary {
    /// Of a block that begins at byte `offset` and holds `events`.
    pub(crate) fn of(offset: u64, header: Header, events: &[StoredEvent]) -> Self {
        let times = || events.iter().map(|event| event.at);
        let names = events.iter().flat_map(|event| {
            let service = event.service.as_ref().map(|name| bloom::of_text(SERVICE, name.as_str()));
            let person =
                [&event.identity, &event.user].map(|name| name.as_ref().map(|name| bloom::of_text(IDENTITY, name)));
            person.into_iter().chain([service]).flatten()
        });
        let requests = events.iter().filter_map(|event| event.request).map(hashed);
        Self {
            offset,
            header,
            first_at: times().min().unwrap_or_default(),
            last_at: times().max().unwrap_or_default(),
            events: u32::try_from(events.len()).unwrap_or(u32::MAX),
            classes: events.iter().fold(0, |all, event| all | event.class.map_or(1 << 31, |class| 1 << class as u8)),
            upshots: events.iter().fold(0, |all, event| all | 1 << event.upshot as u8),
            names: Bloom::of(names.collect(), NAME_BITS),
            requests: Bloom::of(requests.collect(), REQUEST_BITS),
        }
    }

    /// Whether there may be an event in it that `asked` wants.
    pub(crate) fn may_hold(&self, asked: &Asked) -> bool {
        let Asked { since: _, until: _, classes, upshots, request, service, identity } = asked;
        asked.reaches(self.first_at, self.last_at)
            && (*classes == 0 || self.classes & classes != 0)
            && (*upshots == 0 || self.upshots & upshots != 0)
            && request.is_none_or(|request| self.requests.may_hold(request))
            && service.is_none_or(|service| self.names.may_hold(service))
            && identity.is_none_or(|identity| self.names.may_hold(identity))
    }
}

/// A filter in the words of summaries.
#[derive(Debug)]
pub(crate) struct Asked {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    classes: u32,
    upshots: u8,
    pub(crate) request: Option<(u64, u64)>,
    service: Option<(u64, u64)>,
    identity: Option<(u64, u64)>,
}

impl Asked {
    pub(crate) fn of(filter: &Filter) -> Self {
        // What a cursor leaves out, a whole block at a time.
        let (mut since, mut until) = (filter.since, filter.until);
        if let Some(from) = filter.from {
            match filter.order {
                Order::Newest => {
                    let end = Timestamp::from_millis(from.at.as_millis().saturating_add(1));
                    until = Some(until.map_or(end, |until| until.min(end)));
                }
                Order::Oldest => since = Some(since.map_or(from.at, |since| since.max(from.at))),
            }
        }
        Self {
            since,
            until,
            classes: filter.classes.iter().fold(0, |all, class| all | 1 << *class as u8),
            upshots: filter.upshots.iter().fold(0, |all, upshot| all | 1 << *upshot as u8),
            request: filter.request.map(hashed),
            service: filter.service.as_ref().map(|name: &ServiceName| bloom::of_text(SERVICE, name.as_str())),
            identity: filter.identity.as_ref().map(|name| bloom::of_text(IDENTITY, name)),
        }
    }

    /// Whether it asks for events between these moments, both included.
    pub(crate) fn reaches(&self, first: Timestamp, last: Timestamp) -> bool {
        self.until.is_none_or(|until| first < until) && self.since.is_none_or(|since| last >= since)
    }
}

pub(crate) fn hashed(request: RequestId) -> (u64, u64) {
    bloom::of_number(u128::from_be_bytes(request.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block;
    use crate::tests::event;
    use bartizan_core::event::{Class, Upshot};

    #[test]
    fn each_filter_leaves_blocks_out() {
        let events: Vec<_> = (10..20)
            .map(|n| StoredEvent {
                service: ServiceName::parse("accounts").ok(),
                class: Some(Class::Request),
                upshot: Upshot::Ok,
                ..event(n)
            })
            .collect();
        let header = Header::read(&block::encode(&events, false).unwrap()).unwrap();
        let it = Summary::of(0, header, &events);
        let ms = |n| Some(Timestamp::from_millis(n));
        let service = |name| Some(ServiceName::parse(name).unwrap());
        for (filter, expected) in [
            (Filter::default(), true),
            (Filter { upshots: vec![Upshot::Denied, Upshot::Failed], ..Filter::default() }, false),
            (Filter { upshots: vec![Upshot::Denied, Upshot::Ok], ..Filter::default() }, true),
            (Filter { classes: vec![Class::Loss], ..Filter::default() }, false),
            (Filter { since: ms(133), until: ms(134), ..Filter::default() }, true),
            (Filter { since: ms(134), ..Filter::default() }, false),
            (Filter { until: ms(70), ..Filter::default() }, false),
            (Filter { service: service("accounts"), ..Filter::default() }, true),
            (Filter { service: service("ledger"), ..Filter::default() }, false),
            (Filter { identity: Some("accounts".into()), ..Filter::default() }, false),
            (Filter { identity: events[2].identity.clone(), ..Filter::default() }, true),
            (Filter { request: events[2].request, ..Filter::default() }, true),
            (Filter { request: event(40).request, ..Filter::default() }, false),
            (Filter { from: Some(event(9).cursor()), ..Filter::default() }, false),
            (Filter { from: Some(event(10).cursor()), ..Filter::default() }, true),
            (Filter { from: Some(event(20).cursor()), order: Order::Oldest, ..Filter::default() }, false),
        ] {
            assert_eq!(it.may_hold(&Asked::of(&filter)), expected, "{filter:?}");
        }
    }
}
