//! The order of a request's events: a hop before the hops that it caused.
//!
//! A caller's record is written when its call ends, so after those of its callees: time alone would turn a trace
//! upside down. The span ids tell.

use bartizan_core::event::{Event, What};
use std::collections::HashMap;

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
        _ => None,
    }
}

fn start_us(event: &Event) -> u64 {
    let took = match &event.what {
        What::Request(request) => u64::from(request.took_us),
        What::Connection(connection) => connection.took_us,
        _ => 0,
    };
    (event.at.as_millis().saturating_mul(1000)).saturating_sub(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::request_event;
    use bartizan_core::Timestamp;

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

    #[test]
    fn a_circle_ends() {
        let placed = order(vec![hop(1, 2, 10, 1), hop(2, 1, 10, 1), hop(3, 3, 10, 1)]);
        assert_eq!(placed.len(), 3);
    }
}
