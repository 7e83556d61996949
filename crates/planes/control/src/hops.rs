//! The order of a request's events: a hop before the hops that it caused.
//!
//! A caller's record is written when its call ends, so after those of its callees: time alone would turn a trace
//! upside down. The span ids tell.

use bartizan_core::ServiceName;
use bartizan_core::event::{Event, SeenBy, Signal, What};
use std::collections::{BTreeSet, HashMap};

/// `events`, all of one request, each with the number of hops before it.
pub(crate) fn in_order(events: Vec<Event>) -> Vec<(u32, Event)> {
    let parents: HashMap<u64, u64> = events.iter().filter_map(spans).collect();
    let mut placed: Vec<(Vec<Place>, u32, Event)> = Vec::with_capacity(events.len());
    let starts: HashMap<u64, u64> = events.iter().filter_map(|e| Some((spans(e)?.0, start_us(e)))).collect();
    for event in events {
        let way = way_to(&event, &parents);
        let depth = u32::try_from(way.len().saturating_sub(1)).unwrap_or(u32::MAX);
        // The place of a record is the way to it from the edge; at each hop siblings stand by when they began.
        let place = way.iter().map(|span| Place(starts.get(span).copied().unwrap_or_else(|| start_us(&event)), *span));
        placed.push((place.collect(), depth, event));
    }
    placed.sort_by(|a, b| (&a.0, a.2.at, a.2.id).cmp(&(&b.0, b.2.at, b.2.id)));
    placed.into_iter().map(|(_, depth, event)| (depth, event)).collect()
}

/// The services that a guard saw called and that told no span of it, where others did. `events` are all of one request.
pub(crate) fn gaps<'a>(events: impl Iterator<Item = &'a Event> + Clone) -> Vec<ServiceName> {
    let is_span = |event: &&Event| matches!(&event.what, What::Telemetry(it) if it.signal == Signal::Span);
    // Also by somebody outside the fleet: whoever has spans at all misses those that are not there.
    if !events.clone().any(|event| is_span(&event)) {
        return Vec::new();
    }
    let told: BTreeSet<&ServiceName> =
        events.clone().filter(is_span).filter_map(|event| event.service.as_ref()).collect();
    let called = events.filter(|event| event.seen_by == SeenBy::Inbound && matches!(event.what, What::Request(_)));
    let called: BTreeSet<&ServiceName> = called.filter_map(|event| event.service.as_ref()).collect();
    called.difference(&told).map(|name| (*name).clone()).collect()
}

/// When a hop began, in microseconds, and its span.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64, u64);

/// Span ids from the first known hop to the event's own; one made-up span where it has none.
fn way_to(event: &Event, parents: &HashMap<u64, u64>) -> Vec<u64> {
    let Some((span, _)) = spans(event) else { return vec![0] };
    let mut way = vec![span];
    let mut at = span;
    // Bounded by the number of hops: span ids come from outside and may go in a circle.
    while let Some(&parent) = parents.get(&at) {
        if !parents.contains_key(&parent) || way.contains(&parent) {
            break;
        }
        way.push(parent);
        at = parent;
    }
    way.reverse();
    way
}

fn spans(event: &Event) -> Option<(u64, u64)> {
    match &event.what {
        What::Request(request) => Some((request.span, request.parent_span)),
        // A program's own span, by its word, between the hops that its guard saw.
        What::Telemetry(it) if it.signal == Signal::Span => Some((it.span, it.parent_span)),
        _ => None,
    }
}

fn start_us(event: &Event) -> u64 {
    let took = match &event.what {
        What::Request(request) => u64::from(request.took_us),
        What::Connection(connection) => connection.took_us,
        What::Telemetry(it) => it.took_us,
        _ => 0,
    };
    (event.at.as_millis().saturating_mul(1000)).saturating_sub(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::request_event;
    use bartizan_core::Timestamp;
    use bartizan_telemetry::{Scene, ndjson};

    /// Span, parent, end in ms, duration in ms.
    fn hop(span: u64, parent: u64, end_ms: u64, took_ms: u32) -> Event {
        let mut event = request_event(span);
        event.at = Timestamp::from_millis(end_ms);
        let What::Request(request) = &mut event.what else { unreachable!() };
        (request.span, request.parent_span, request.took_us) = (span, parent, took_ms * 1000);
        event
    }

    fn order(events: Vec<Event>) -> Vec<(u32, u64)> {
        in_order(events).into_iter().map(|(depth, event)| (depth, event.id.1)).collect()
    }

    #[test]
    fn a_caller_stands_before_its_callees_though_it_ends_later() {
        let edge = hop(1, 0, 100, 100);
        let first = hop(2, 1, 40, 30);
        let inner = hop(3, 2, 35, 20);
        let second = hop(4, 1, 90, 40);
        let expected = [(0, 1), (1, 2), (2, 3), (1, 4)];
        assert_eq!(order(vec![inner.clone(), second.clone(), first.clone(), edge.clone()]), expected);
        assert_eq!(order(vec![edge, first, second, inner]), expected);
    }

    #[test]
    fn a_missing_parent_makes_a_new_beginning() {
        // The client's own span is nowhere recorded.
        assert_eq!(order(vec![hop(5, 77, 10, 1), hop(6, 5, 9, 1)]), [(0, 5), (1, 6)]);
    }

    fn span_of(service: &str, span: u64, parent: u64) -> Event {
        let scene = Scene { source: "otlp".into(), from: "me".into(), now: Timestamp::from_millis(50) };
        let line = format!("{{\"app\":\"{service}\"}}");
        let mut telemetry = ndjson::read_line(line.as_bytes(), &scene).unwrap().telemetry;
        (telemetry.signal, telemetry.span, telemetry.parent_span, telemetry.took_us) =
            (Signal::Span, span, parent, 9_000);
        let event = request_event(span);
        let service = ServiceName::parse(service).ok();
        Event {
            service,
            seen_by: SeenBy::Intake,
            at: Timestamp::from_millis(50),
            what: What::Telemetry(telemetry),
            ..event
        }
    }

    #[test]
    fn a_programs_own_span_stands_between_the_hops_of_its_guard() {
        // In: 2. The program: 20, which calls, out: 3.
        let placed = order(vec![hop(3, 20, 49, 5), hop(2, 1, 60, 30), span_of("accounts", 20, 2)]);
        assert_eq!(placed, [(0, 2), (1, 20), (2, 3)]);
    }

    #[test]
    fn who_was_called_and_told_nothing_is_a_gap() {
        let of = |service: &str, n| Event { service: ServiceName::parse(service).ok(), ..hop(n, 0, 10, 1) };
        let called = [of("accounts", 1), of("ledger", 2)];
        assert_eq!(gaps(called.iter()), Vec::<ServiceName>::new(), "nobody tells anything here");
        let told = [&called[..], &[span_of("accounts", 9, 1)]].concat();
        assert_eq!(gaps(told.iter()).iter().map(ServiceName::as_str).collect::<Vec<_>>(), ["ledger"]);
        let outside = [&called[..], &[Event { service: None, ..span_of("frontend", 9, 1) }]].concat();
        assert_eq!(gaps(outside.iter()).len(), 2, "somebody outside the fleet tells one, and neither of both does");
        let both = [&told[..], &[span_of("ledger", 10, 2)]].concat();
        assert_eq!(gaps(both.iter()), Vec::<ServiceName>::new());
    }

    #[test]
    fn a_circle_ends() {
        let placed = order(vec![hop(1, 2, 10, 1), hop(2, 1, 10, 1), hop(3, 3, 10, 1)]);
        assert_eq!(placed.len(), 3);
    }
}
