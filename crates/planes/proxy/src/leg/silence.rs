//! What to make of an other end that says nothing. Time comes in as periods of [`limits::LEG_QUIET_TIME`] in which nothing came.

use crate::limits;

/// How long nothing came, and what was done about it since.
#[derive(Debug, Default)]
pub(super) struct Silence {
    periods: u32,
    /// The other end was asked whether it is there, at the end of a period before.
    asked: bool,
    /// What was to be written could not be, at the end of the period before.
    stuck: bool,
}

/// What follows from a period without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Wait,
    /// The other end is asked whether it is there.
    Ask,
    /// The leg is not used, and ends.
    Leave,
    /// It is given up.
    Dead(&'static str),
}

impl Silence {
    /// Something came.
    pub(super) fn heard(&mut self) {
        *self = Self::default();
    }

    /// Another period is over. Whether requests are under way, and whether something waits to be written, is how it is now: what
    /// began a moment ago has not waited for the periods before it.
    pub(super) fn passed(&mut self, busy: bool, stuck: bool) -> Next {
        self.periods += 1;
        let was_stuck = std::mem::replace(&mut self.stuck, stuck);
        let was_asked = std::mem::replace(&mut self.asked, busy);
        match (busy, was_asked) {
            _ if was_stuck && stuck => Next::Dead("the other end does not read"),
            (false, _) if self.periods >= limits::LEG_SILENCES_MAX => Next::Leave,
            (false, _) => Next::Wait,
            (true, false) => Next::Ask,
            (true, true) => Next::Dead("the other end does not answer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_on_a_leg_that_was_idle_is_waited_for_like_any_other() {
        let mut silence = Silence::default();
        for _ in 0..2 {
            assert_eq!(silence.passed(false, false), Next::Wait, "idle");
        }
        assert_eq!(silence.passed(true, false), Next::Ask, "it may have begun a moment ago");
        assert_eq!(silence.passed(true, false), Next::Dead("the other end does not answer"));
    }

    #[test]
    fn who_answers_is_there() {
        let mut silence = Silence::default();
        for _ in 0..9 {
            assert_eq!(silence.passed(true, true), Next::Ask);
            silence.heard();
        }
    }

    #[test]
    fn who_does_not_read_for_a_whole_period_is_given_up() {
        let mut silence = Silence::default();
        assert_eq!(silence.passed(false, false), Next::Wait);
        assert_eq!(silence.passed(true, true), Next::Ask, "it may have been written a moment ago");
        assert_eq!(silence.passed(true, true), Next::Dead("the other end does not read"));
    }

    #[test]
    fn one_that_is_not_used_ends() {
        let mut silence = Silence::default();
        for _ in 1..limits::LEG_SILENCES_MAX {
            assert_eq!(silence.passed(false, false), Next::Wait);
        }
        assert_eq!(silence.passed(false, false), Next::Leave);
        assert_eq!(silence.passed(true, false), Next::Ask, "one that begins before it has ended is waited for");
    }
}
