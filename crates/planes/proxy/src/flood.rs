//! Counts what a client of HTTP/2 makes us do without asking for anything: resets of what it has just asked, pings, settings,
//! empty pieces, heads in crumbs. h2 bounds what each of these holds, not how often it comes. Pure: bytes in, a verdict out.
//!
//! Each such frame costs points; requests, content, bytes that we wrote and time give them back. Who uses HTTP/2 for something
//! gains more than it spends; who floods is at its end after some thousand frames.

use crate::limits;
use std::time::Duration;

/// Bytes of the connection preface (RFC 9113 section 3.4).
const PREFACE_BYTES: u64 = 24;
/// Bytes of a frame before its payload.
const HEADER_BYTES: usize = 9;
/// Of a frame with a head: all of it is here.
const END_HEADERS: u8 = 0x4;

/// What one client has left.
#[derive(Debug)]
pub struct Meter {
    header: [u8; HEADER_BYTES],
    /// Bytes of `header` that came.
    came: usize,
    /// Bytes until the next frame.
    skip: u64,
    points: u32,
    /// Bytes that were written and gave no point yet.
    written: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self { header: [0; HEADER_BYTES], came: 0, skip: PREFACE_BYTES, points: limits::H2_FLOOD_POINTS, written: 0 }
    }
}

impl Meter {
    /// Takes what came, however it is cut; false once it is too much.
    pub fn read(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && self.points > 0 {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            bytes = &bytes[skipped..];
            let n = (HEADER_BYTES - self.came).min(bytes.len());
            self.header[self.came..self.came + n].copy_from_slice(&bytes[..n]);
            self.came += n;
            bytes = &bytes[n..];
            if self.came == HEADER_BYTES {
                self.came = 0;
                let [l0, l1, l2, kind, flags, ..] = self.header;
                let length = u32::from_be_bytes([0, l0, l1, l2]);
                self.skip = length.into();
                self.frame(kind, flags, length);
            }
        }
        self.points > 0
    }

    fn frame(&mut self, kind: u8, flags: u8, length: u32) {
        match kind {
            0 if length == 0 => self.spend(1),
            0 => self.gain(1),
            1 if flags & END_HEADERS != 0 => self.gain(8), // a request, or trailers
            3 => self.spend(16),                           // a reset
            4 => self.spend(8),                            // settings
            6 => self.spend(1), // a ping: some clients send one for each piece that they read
            9 => self.spend(4), // a crumb of a head
            _ => {}             // windows and priorities cost us nothing beyond reading them
        }
    }

    /// So many bytes were written to the client.
    pub fn wrote(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
        self.gain(u32::try_from(self.written / limits::H2_FLOOD_BYTES).unwrap_or(u32::MAX));
        self.written %= limits::H2_FLOOD_BYTES;
    }

    /// So much time went by.
    pub fn rested(&mut self, time: Duration) {
        let points = time.as_millis().saturating_mul(limits::H2_FLOOD_POINTS_PER_SECOND.into()) / 1000;
        self.gain(u32::try_from(points).unwrap_or(u32::MAX));
    }

    fn gain(&mut self, points: u32) {
        if self.points > 0 {
            self.points = self.points.saturating_add(points).min(limits::H2_FLOOD_POINTS);
        }
    }

    fn spend(&mut self, points: u32) {
        self.points = self.points.saturating_sub(points);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = (length as u32).to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        bytes.resize(HEADER_BYTES + length, 0);
        bytes
    }

    fn frames_until_the_end(frames: &[Vec<u8>], answer_bytes: usize) -> Option<usize> {
        let mut meter = Meter::default();
        assert!(meter.read(&[b'P'; PREFACE_BYTES as usize]));
        (0..50_000).find(|_| {
            meter.wrote(answer_bytes);
            !frames.iter().all(|frame| meter.read(frame))
        })
    }

    #[test]
    fn floods_end_and_use_does_not() {
        let (request, piece) = (frame(1, END_HEADERS, 40), frame(0, 0, 100));
        for (frames, answer_bytes, what) in [
            (vec![request.clone(), frame(3, 0, 4)], 0, "rapid reset"),
            (vec![frame(6, 0, 8)], 17, "pings, each answered"),
            (vec![frame(4, 0, 6)], 9, "settings, each answered"),
            (vec![frame(0, 0, 0)], 0, "empty pieces"),
            (vec![frame(1, 0, 1), frame(9, 0, 1)], 0, "crumbs"),
        ] {
            assert!(frames_until_the_end(&frames, answer_bytes).is_some(), "{what}");
        }
        for (frames, answer_bytes, what) in [
            (vec![request.clone(), piece.clone(), frame(0, 1, 0)], 120, "calls"),
            (vec![piece, frame(6, 0, 8)], 17, "an upload with pings"),
            (
                vec![frame(6, 0, 8), frame(8, 0, 4), frame(8, 0, 4)],
                17 + 20,
                "small messages, each with a ping and windows",
            ),
            (vec![request.clone(), request, frame(3, 0, 4)], 200, "one of two given up"),
        ] {
            assert_eq!(frames_until_the_end(&frames, answer_bytes), None, "{what}");
        }
    }

    #[test]
    fn time_gives_back_but_not_to_who_is_through() {
        let mut meter = Meter::default();
        assert!(meter.read(&[0; PREFACE_BYTES as usize]));
        for _ in 0..100_000 {
            assert!(meter.read(&frame(6, 0, 8)));
            meter.rested(Duration::from_secs(10));
        }
        while meter.read(&frame(4, 0, 6)) {}
        meter.rested(Duration::from_secs(1000));
        assert!(!meter.read(&[]));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_counts_the_same(bytes: Vec<u8>, cut: usize) {
            let (mut whole, mut pieces) = (Meter::default(), Meter::default());
            let preface = [0; PREFACE_BYTES as usize];
            prop_assert!(whole.read(&preface) && pieces.read(&preface));
            let cut = cut % (bytes.len() + 1);
            let of_whole = whole.read(&bytes);
            let of_pieces = pieces.read(&bytes[..cut]) && pieces.read(&bytes[cut..]);
            prop_assert_eq!((of_whole, whole.points), (of_pieces, pieces.points));
        }
    }
}
