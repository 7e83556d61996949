//! What comes of a message.

use crate::limits::SAID_AGO_MAX;
use bartizan_core::event::Telemetry;
use bartizan_core::{RequestId, Timestamp};
use std::sync::Arc;

/// By which door, from whom and when a message came.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The door, such as `otlp`.
    pub source: Arc<str>,
    /// Who handed it in.
    pub from: Arc<str>,
    /// When.
    pub now: Timestamp,
}

/// One record that was handed in.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// What it says.
    pub telemetry: Telemetry,
    /// The trace that it belongs to by its own word.
    pub request: Option<RequestId>,
}

impl Handed {
    /// The time to file it under: what it says itself, unless that is in the future or long ago. Somebody's wrong clock must neither
    /// stand before everything in a list of the newest nor be the first thing that retention takes.
    pub fn at(&self) -> Timestamp {
        let came = self.telemetry.came_at;
        self.telemetry.said_at.filter(|said| *said <= came && came.since(*said) <= SAID_AGO_MAX).unwrap_or(came)
    }
}

/// What came of one message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Taken {
    /// The good ones.
    pub records: Vec<Handed>,
    /// Records of which nothing can be made, a count.
    pub malformed: u64,
    /// Records beyond [`crate::limits::RECORDS_MAX`], a count.
    pub too_many: u64,
    /// What is wrong with the first of those.
    pub why: Option<&'static str>,
}

impl Taken {
    /// All that were in it, a count.
    pub fn came(&self) -> u64 {
        self.records.len() as u64 + self.malformed + self.too_many
    }

    pub(crate) fn take(&mut self, record: Result<Handed, Malformed>) {
        match record {
            Ok(_) if self.is_full() => self.refuse_surplus(),
            Ok(record) => self.records.push(record),
            Err(Malformed(why)) => {
                self.malformed += 1;
                self.why.get_or_insert(why);
            }
        }
    }

    /// Whether further records are not even looked at.
    pub(crate) fn is_full(&self) -> bool {
        self.records.len() >= crate::limits::RECORDS_MAX
    }

    pub(crate) fn refuse_surplus(&mut self) {
        self.too_many += 1;
        self.why.get_or_insert("more records than one message may have");
    }
}

/// Nothing can be made of it; sending it again cannot help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Draft;
    use bartizan_core::event::Signal;
    use std::time::Duration;

    #[test]
    fn a_time_that_nobody_believes_is_kept_and_not_filed_under() {
        let now = Timestamp::from_secs(1_800_000_000);
        let scene = Scene { source: "otlp".into(), from: "me".into(), now };
        let filed = |said: Option<Timestamp>| {
            let mut draft = Draft::new(Signal::Log, &scene, None);
            draft.it.said_at = said;
            let handed = draft.finish();
            assert_eq!(handed.telemetry.said_at, said, "what it says is kept");
            handed.at()
        };
        let before = |s| now.minus(Duration::from_secs(s));
        assert_eq!(filed(None), now);
        assert_eq!(filed(Some(before(5))), before(5));
        assert_eq!(filed(Some(before(3_600))), before(3_600));
        assert_eq!(filed(Some(before(3_601))), now, "too long ago");
        assert_eq!(filed(Some(now.plus(Duration::from_millis(1)))), now, "in the future");
    }
}
