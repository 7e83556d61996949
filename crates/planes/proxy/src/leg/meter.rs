//! Counts what the other end of a leg makes us do without asking for anything: pings, empty pieces, credit in crumbs, frames for
//! streams that are over. It proved who it is, not that it is well. Pure, as [`crate::flood`] is for HTTP/2.
//!
//! A request that is given up costs nothing here: those are counted beside (`Leg::give_up`), by both ends, so that whoever asks can
//! leave a leg in time. Else one client could end the leg that others share.

use crate::limits;

/// What a frame is worth, in points; below zero it costs.
pub(super) type Points = i32;

/// A request, or a response.
pub(super) const HEAD: Points = 8;
/// Content.
pub(super) const CONTENT: Points = 1;
/// What belongs to something that is paid for.
pub(super) const NOTHING: Points = 0;
/// What carries nothing.
pub(super) const IDLE: Points = -1;
/// What carries nothing and is answered.
pub(super) const ASKS: Points = -2;

/// What the other end has left.
#[derive(Debug)]
pub(super) struct Meter {
    points: u32,
    /// Bytes that were written and gave no point yet.
    written: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self { points: limits::LEG_FLOOD_POINTS, written: 0 }
    }
}

impl Meter {
    /// A frame came; false once it is too much.
    pub(super) fn came(&mut self, points: Points) -> bool {
        if points < 0 {
            self.points = self.points.saturating_sub(points.unsigned_abs());
        } else {
            self.gain(points.unsigned_abs());
        }
        self.points > 0
    }

    /// So many bytes were written to it.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
        self.gain(u32::try_from(self.written / limits::LEG_FLOOD_BYTES).unwrap_or(u32::MAX));
        self.written %= limits::LEG_FLOOD_BYTES;
    }

    /// It was quiet for a while.
    pub(super) fn rested(&mut self) {
        self.gain(limits::LEG_FLOOD_POINTS);
    }

    fn gain(&mut self, points: u32) {
        if self.points > 0 {
            self.points = self.points.saturating_add(points).min(limits::LEG_FLOOD_POINTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasts(frames: &[Points], written: usize) -> bool {
        let mut meter = Meter::default();
        (0..100_000).all(|_| {
            meter.wrote(written);
            frames.iter().all(|points| meter.came(*points))
        })
    }

    #[test]
    fn floods_end_and_use_does_not() {
        for (frames, written, what) in [
            (&[IDLE][..], 0, "empty pieces, pongs, late frames"),
            (&[ASKS], 8, "pings, each answered"),
            (&[CONTENT, ASKS, ASKS], 16, "a byte and two pings"),
            (&[IDLE], 16, "crumbs of credit for small pieces"),
        ] {
            assert!(!lasts(frames, written), "{what}");
        }
        for (frames, written, what) in [
            (&[HEAD, NOTHING][..], 0, "requests that are given up"),
            (&[HEAD, CONTENT, IDLE], 100, "calls with an empty piece each"),
            (&[IDLE], 32 << 10, "credit for a download"),
            (&[HEAD, IDLE, IDLE], 60, "responses with two interim ones each"),
        ] {
            assert!(lasts(frames, written), "{what}");
        }
    }

    #[test]
    fn quiet_gives_back_but_not_to_who_is_through() {
        let mut meter = Meter::default();
        for _ in 0..10 * limits::LEG_FLOOD_POINTS {
            assert!(meter.came(IDLE));
            meter.rested();
        }
        while meter.came(IDLE) {}
        meter.rested();
        assert!(!meter.came(HEAD));
    }
}
