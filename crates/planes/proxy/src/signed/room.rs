//! How much is held at once of events that nobody judged yet: anybody can send such bytes.

use crate::limits::EVENTS_UNJUDGED_BYTES_MAX;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Bytes that are held, by all threads of a gateway together.
#[derive(Debug, Default)]
pub struct Room(AtomicUsize);

/// What one event takes of it.
#[derive(Debug)]
pub struct Share<'a> {
    of: &'a Room,
    bytes: usize,
}

impl Room {
    /// The share of another event, of which nothing came yet.
    pub fn share(&self) -> Share<'_> {
        Share { of: self, bytes: 0 }
    }
}

impl Share<'_> {
    /// Whether so many bytes more may be held.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= EVENTS_UNJUDGED_BYTES_MAX);
        let grown = self.of.0.fetch_update(Relaxed, Relaxed, more).is_ok();
        self.bytes += if grown { bytes } else { 0 };
        grown
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_for_all_together_and_given_back() {
        let room = Room::default();
        let (mut one, mut two) = (room.share(), room.share());
        assert!(one.grow(EVENTS_UNJUDGED_BYTES_MAX - 1) && two.grow(1));
        assert!(!two.grow(1) && !one.grow(usize::MAX));
        drop(one);
        assert!(two.grow(EVENTS_UNJUDGED_BYTES_MAX - 1) && !two.grow(1));
        drop(two);
        assert!(room.share().grow(EVENTS_UNJUDGED_BYTES_MAX));
    }
}
