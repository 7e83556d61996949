//! Events as they are stored, and the ways to ask for them.

#[cfg(doc)]
use crate::limits::QUERY_EVENTS_MAX;
use crate::record;
use crate::text::Needle;
use bartizan_core::event::{Class, Event, EventId, Upshot};
use bartizan_core::retention::Sort;
use bartizan_core::{RequestId, ServiceName, Timestamp};
use std::fmt;
use std::sync::Arc;

/// One event, ready to be stored: what it is found by, and its record.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Unique; a second event of the same id is the same event.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// The service on whose behalf it was written.
    pub service: Option<ServiceName>,
    /// The verified identity that it is about, as [`Event::identity`].
    pub identity: Option<Arc<str>>,
    /// The person on whose behalf, as [`Event::user`].
    pub user: Option<Arc<str>>,
    /// The request it belongs to.
    pub request: Option<RequestId>,
    /// Its class; `None` for one that only a later version knows.
    pub class: Option<Class>,
    /// How it came out.
    pub upshot: Upshot,
    /// The whole event in the caller's own compact form, opaque here but for a search by text; redacted by the caller.
    pub record: Vec<u8>,
}

impl StoredEvent {
    /// What `event` is found by, with its record.
    pub fn of(event: &Event, record: Vec<u8>) -> Self {
        Self {
            id: event.id,
            at: event.at,
            service: event.service.clone(),
            identity: event.identity().map(Arc::from),
            user: event.user().map(Arc::from),
            request: event.request,
            class: Some(event.class()),
            upshot: event.upshot(),
            record,
        }
    }

    /// By which it is kept.
    pub fn sort(&self) -> Sort {
        Sort::of(self.class, self.upshot)
    }

    /// Its place among all others.
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.at, id: self.id }
    }
}

/// A place in the order of all events: by time, then by id. It stays where it is whatever is stored, packed or dropped meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// See [`StoredEvent::at`].
    pub at: Timestamp,
    /// See [`StoredEvent::id`].
    pub id: EventId,
}

impl Cursor {
    /// A cursor as [`Display`](fmt::Display) prints it; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut number = || {
            let part = parts.next().filter(|part| (1..=16).contains(&part.len()))?;
            // `from_str_radix` takes a sign.
            part.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u64::from_str_radix(part, 16).ok())?
        };
        let it = Self { at: Timestamp::from_millis(number()?), id: EventId(number()?, number()?) };
        parts.next().is_none().then_some(it)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}.{:x}", self.at.as_millis(), self.id.0, self.id.1)
    }
}

/// What became of a batch that was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Events that are new in the store.
    pub new: u64,
    /// Events that were there already.
    pub known: u64,
}

/// From which end a query begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest events that fit.
    #[default]
    Newest,
    /// The oldest ones: to read all of them, page by page.
    Oldest,
}

/// Which events are asked for. The default asks for the newest [`QUERY_EVENTS_MAX`] of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only of this service.
    pub service: Option<ServiceName>,
    /// Only about this identity or user, by its whole name.
    pub identity: Option<Arc<str>>,
    /// Only with one of these outcomes; with any where empty.
    pub upshots: Vec<Upshot>,
    /// Only of one of these classes; of any where empty.
    pub classes: Vec<Class>,
    /// Only at this moment or later.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
    /// Only of this request.
    pub request: Option<RequestId>,
    /// Only where this stands in a name, path, reason or the like of the record; upper and lower case of ASCII are the same.
    pub text: Option<String>,
    /// Only of services whose program has this version, whole and as it is written.
    pub version: Option<Arc<str>>,
    /// Only of services whose program comes from this image: a whole reference, or [a part of it](bartizan_core::software::Image::is_meant_by).
    pub image: Option<Arc<str>>,
    /// At most so many; [`QUERY_EVENTS_MAX`] where `None` or larger.
    pub limit: Option<u32>,
    /// From which end.
    pub order: Order,
    /// Only what comes after this in that order: [`Page::next`] of the page before.
    pub from: Option<Cursor>,
}

impl Filter {
    /// The events of a request, the newest `limit` of them: what it did at each hop.
    pub fn of_request(request: RequestId, limit: u32) -> Self {
        Self { request: Some(request), limit: Some(limit), ..Self::default() }
    }

    /// What stands somewhere in every record that is asked for.
    pub(crate) fn needles(&self) -> Vec<Needle> {
        // Name and digest may have a tag between them.
        let image = self.image.as_deref().map(|image| image.split_once('@').map_or(image, |(_, digest)| digest));
        [self.text.as_deref(), self.version.as_deref(), image].into_iter().flatten().map(Needle::new).collect()
    }

    /// Whether a record is of the version and image that are asked for.
    pub(crate) fn fits_software(&self, record: &[u8]) -> bool {
        let (version, image) = (self.version.as_deref(), self.image.as_deref());
        (version.is_none() && image.is_none()) || record::read_bytes(record).is_some_and(|it| it.is_of(version, image))
    }

    /// Whether an event is asked for, leaving limit, order and cursor aside.
    pub fn fits(&self, event: &StoredEvent) -> bool {
        let is =
            |identity: &Arc<str>| event.identity.as_ref() == Some(identity) || event.user.as_ref() == Some(identity);
        self.service.as_ref().is_none_or(|service| event.service.as_ref() == Some(service))
            && self.identity.as_ref().is_none_or(is)
            && (self.upshots.is_empty() || self.upshots.contains(&event.upshot))
            && (self.classes.is_empty() || event.class.is_some_and(|class| self.classes.contains(&class)))
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
            && self.request.is_none_or(|request| event.request == Some(request))
            && self.text.as_ref().is_none_or(|text| Needle::new(text).is_in(&event.record))
            && self.fits_software(&event.record)
    }
}

/// An answer to a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// What fits, in the order in which it happened.
    pub events: Vec<StoredEvent>,
    /// Where to go on; `None` where everything was looked at. There may be nothing more.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_no_cursor() {
        for text in ["", "1", "1.2", "1.2.3.4", "1..3", "+1.2.3", "1.2.g", "11111111111111111.2.3", "1.2.3 "] {
            assert_eq!(Cursor::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(at: u64, process: u64, number: u64) {
            let it = Cursor { at: Timestamp::from_millis(at), id: EventId(process, number) };
            prop_assert_eq!(Cursor::parse(&it.to_string()), Some(it));
        }
    }
}
