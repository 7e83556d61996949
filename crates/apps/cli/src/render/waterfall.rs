//! Where in the time of a request each of its hops was, drawn to scale.
//!
//! Records have the millisecond in which a hop ended and how many microseconds it took: what a hop caused stands within it, and is moved
//! there where the milliseconds say otherwise.

use bartizan_core::status::Step;

/// Characters of a bar.
const COLUMNS: u64 = 24;

/// The bars of a trace.
pub(crate) struct Waterfall {
    /// From the first beginning to the last end, in microseconds.
    pub(crate) total_us: u64,
    /// One for each step.
    pub(crate) bars: Vec<String>,
}

/// Beginning and end in microseconds.
type Span = (u64, u64);

/// The bars of these steps, a hop before those that it caused.
pub(crate) fn of(steps: &[Step]) -> Waterfall {
    let spans = spans(steps);
    let begin = spans.iter().map(|span| span.0).min().unwrap_or(0);
    let end = spans.iter().map(|span| span.1).max().unwrap_or(0);
    let total_us = end - begin;
    let bars = spans.iter().map(|span| bar((span.0 - begin, span.1 - begin), total_us)).collect();
    Waterfall { total_us, bars }
}

fn spans(steps: &[Step]) -> Vec<Span> {
    let mut above: Vec<Span> = Vec::new();
    let mut spans = Vec::with_capacity(steps.len());
    for step in steps {
        let end = step.at.as_millis().saturating_mul(1_000);
        let took = step.took_us.unwrap_or(0);
        let mut span = (end.saturating_sub(took), end);
        above.truncate(usize::try_from(step.depth).unwrap_or(usize::MAX));
        if let Some(caller) = above.last() {
            span = within(span, *caller);
        }
        above.push(span);
        spans.push(span);
    }
    spans
}

/// `span` moved so that it lies in `caller`, and cut where it is longer.
fn within((begin, end): Span, caller: Span) -> Span {
    let took = (end - begin).min(caller.1 - caller.0);
    let begin = begin.clamp(caller.0, caller.1 - took);
    (begin, begin + took)
}

fn bar((begin, end): Span, total_us: u64) -> String {
    let column = |us: u64| us.saturating_mul(COLUMNS).checked_div(total_us).unwrap_or(0);
    // At least one character, also for what took no time.
    let from = column(begin).min(COLUMNS - 1);
    let to = column(end).clamp(from + 1, COLUMNS);
    let width = |columns: u64| usize::try_from(columns).unwrap_or(0);
    format!("{}{}{}", " ".repeat(width(from)), "=".repeat(width(to - from)), " ".repeat(width(COLUMNS - to)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::Timestamp;
    use bartizan_core::event::SeenBy;

    fn step(depth: u32, end_ms: u64, took_us: Option<u64>) -> Step {
        let at = Timestamp::from_millis(end_ms);
        Step { depth, at, service: None, seen_by: SeenBy::Inbound, took_us, added_us: None, event: Default::default() }
    }

    #[test]
    fn hops_are_drawn_to_scale_within_their_callers() {
        let drawn = of(&[
            step(0, 100, Some(96_000)),
            step(1, 52, Some(48_000)),
            step(2, 30, None),
            step(1, 100, Some(24_000)),
            // By its millisecond it ends after its caller.
            step(2, 101, Some(24_000)),
        ]);
        assert_eq!(drawn.total_us, 96_000);
        let expected = [
            "========================",
            "============            ",
            "      =                 ",
            "                  ======",
            "                  ======",
        ];
        assert_eq!(drawn.bars, expected);
    }

    #[test]
    fn nothing_makes_it_panic() {
        assert_eq!(of(&[]).total_us, 0);
        for steps in [
            vec![step(9, 0, Some(u64::MAX))],
            vec![step(0, u64::MAX, Some(5)), step(1, 0, Some(u64::MAX)), step(7, 3, None)],
            vec![step(0, 5, None), step(1, 5, None)],
        ] {
            assert!(of(&steps).bars.iter().all(|bar| bar.len() == 24), "{steps:?}");
        }
    }
}
