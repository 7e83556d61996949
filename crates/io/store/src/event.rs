//! Events as they are stored, and the ways to ask for them.

#[cfg(doc)]
use crate::limits::QUERY_EVENTS_MAX;
use bartizan_core::event::EventId;
use bartizan_core::{RequestId, ServiceName, Timestamp};

/// One event, ready to be stored: what it is found by, and its record.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Unique; a second event of the same id is the same event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The service on whose behalf it was written.
    pub service: Option<ServiceName>,
    /// The request it belongs to.
    pub request: Option<RequestId>,
    /// Whether something was denied, refused or failed.
    pub denied: bool,
    /// The whole event in the caller's own compact form, opaque here; redacted by the caller.
    pub record: Vec<u8>,
}

/// What became of a batch that was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that are new in the store.
    pub new: u64,
    /// Events that were there already.
    pub known: u64,
}

/// Which events are asked for. The default asks for the newest [`QUERY_EVENTS_MAX`] of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this service.
    pub service: Option<ServiceName>,
    /// Only what was denied, refused or failed.
    pub denied: bool,
    /// Only at this moment or later.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
    /// Only of this request.
    pub request: Option<RequestId>,
    /// At most so many, the newest; [`QUERY_EVENTS_MAX`] where `None` or larger.
    pub limit: Option<u32>,
}
