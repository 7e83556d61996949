//! Calls and failures of the last second, in ten parts.

use std::time::Duration;

/// How long one part is.
const PART: Duration = Duration::from_millis(100);
/// Parts that count, a count: together one second.
const PARTS: usize = 10;

/// What happened lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    parts: [Part; PARTS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Which tenth of a second since the beginning, plus one: 0 is a part that was never used.
    number: u64,
    calls: u32,
    failures: u32,
}

impl Window {
    pub(super) fn push(&mut self, now: Duration, failed: bool) {
        let number = number(now);
        let part = &mut self.parts[(number % PARTS as u64) as usize];
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        part.calls = part.calls.saturating_add(1);
        part.failures = part.failures.saturating_add(u32::from(failed));
    }

    /// Calls and failures among them.
    pub(super) fn sums(&self, now: Duration) -> (u64, u64) {
        let oldest = number(now).saturating_sub(PARTS as u64 - 1);
        let counts = self.parts.iter().filter(|part| part.number >= oldest.max(1));
        counts.fold((0, 0), |(calls, failures), part| {
            (calls + u64::from(part.calls), failures + u64::from(part.failures))
        })
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

fn number(now: Duration) -> u64 {
    (now.as_millis() / PART.as_millis()) as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_after_a_second() {
        let at = Duration::from_millis;
        let mut window = Window::default();
        assert_eq!(window.sums(at(0)), (0, 0));
        window.push(at(0), true);
        window.push(at(950), false);
        assert_eq!(window.sums(at(999)), (2, 1));
        assert_eq!(window.sums(at(1000)), (1, 0), "the first one is a second old");
        window.push(at(1050), true);
        assert_eq!(window.sums(at(1100)), (2, 1));
        assert_eq!(window.sums(at(100_000)), (0, 0));
    }
}
