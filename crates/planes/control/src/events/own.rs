//! What control itself has to report.

use crate::events::Pipeline;
use bartizan_core::event::{Event, EventId, SeenBy, What};
use bartizan_core::{RequestId, ServiceName};
use bartizan_crypto::random;
use bartizan_runtime::clock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes control's own events into the pipeline, where they fare like all others.
#[derive(Debug)]
pub(crate) struct OwnEvents {
    pipeline: Pipeline,
    prefix: u64,
    written: AtomicU64,
}

impl OwnEvents {
    pub(crate) fn new(pipeline: Pipeline) -> Self {
        Self { pipeline, prefix: random::u64(), written: AtomicU64::new(0) }
    }

    /// Reports something that concerns `service`, or the fleet as a whole.
    pub(crate) fn write(&self, service: Option<&ServiceName>, what: What) {
        self.offer(service, None, what);
    }

    /// Reports what became of one request.
    pub(crate) fn write_of(&self, request: RequestId, what: What) {
        self.offer(None, Some(request), what);
    }

    fn offer(&self, service: Option<&ServiceName>, request: Option<RequestId>, what: What) {
        let id = EventId(self.prefix, self.written.fetch_add(1, Ordering::Relaxed));
        let event = Event { id, at: clock::now(), service: service.cloned(), seen_by: SeenBy::Control, request, what };
        // Nobody waits for its fate; it is counted all the same.
        let _fate = self.pipeline.offer(vec![event]);
    }
}
