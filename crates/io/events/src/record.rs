//! From an event to what is stored and back: redacted, with its context, in a compact form of which the OCSF record is made
//! when somebody asks for it.
//!
//! The text of an OCSF record is twenty times as long as what it is made from, and most are never read.

use crate::event::StoredEvent;
use bartizan_core::event::{Context, Event, What, to_ocsf};
use bartizan_core::fleet::Fleet;
use bartizan_core::software::Image;
use bartizan_core::{ServiceName, TrustDomain, redact};
use serde::{Deserialize, Serialize};

/// First byte of the compact form. Another number means that another version of this program wrote it.
const RECORD_VERSION: u8 = 3;
/// That of records which say nothing of versions and images.
const RECORD_VERSION_BEFORE: u8 = 2;
/// Room for the compact form of most events, in bytes.
const RECORD_BYTES: usize = 512;

/// An event with the context of the moment in which it was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    pub event: Event,
    trust_domain: TrustDomain,
    fleet: String,
    host: Option<String>,
    product_version: String,
    owner: Option<String>,
    data: Vec<String>,
    unguarded: bool,
    version: Option<String>,
    image: Option<String>,
}

/// A [`Record`] as it was before.
#[derive(Deserialize)]
struct Before {
    event: Event,
    trust_domain: TrustDomain,
    fleet: String,
    host: Option<String>,
    product_version: String,
    owner: Option<String>,
    data: Vec<String>,
    unguarded: bool,
}

impl From<Before> for Record {
    fn from(it: Before) -> Self {
        let Before { event, trust_domain, fleet, host, product_version, owner, data, unguarded } = it;
        Self { event, trust_domain, fleet, host, product_version, owner, data, unguarded, version: None, image: None }
    }
}

impl Record {
    /// The OCSF record.
    pub fn ocsf(&self) -> serde_json::Value {
        let Self { event, trust_domain, fleet, host, product_version, owner, data, unguarded, version, image } = self;
        let (host, owner) = (host.as_deref(), owner.as_deref());
        let (version, image, unguarded) = (version.as_deref(), image.as_deref(), *unguarded);
        to_ocsf(event, &Context { trust_domain, fleet, host, product_version, owner, data, version, image, unguarded })
    }

    /// Whether the program of its service is of this version and this image, as far as either is asked for.
    pub(crate) fn is_of(&self, version: Option<&str>, image: Option<&str>) -> bool {
        let has = |asked: &str| {
            self.image.as_deref().and_then(|it| Image::parse(it).ok()).is_some_and(|it| it.is_meant_by(asked))
        };
        version.is_none_or(|asked| self.version.as_deref() == Some(asked)) && image.is_none_or(has)
    }
}

/// A [`Record`] to be written: the same fields in the same order, borrowed.
#[derive(Serialize)]
struct Writing<'a> {
    event: &'a Event,
    trust_domain: &'a TrustDomain,
    fleet: &'a str,
    host: Option<&'a str>,
    product_version: &'a str,
    owner: Option<&'a str>,
    data: &'a [String],
    unguarded: bool,
    version: Option<&'a str>,
    image: Option<&'a str>,
}

/// The stored form of an event that happened on `host`. What must not be stored is gone from it.
pub fn write(mut event: Event, fleet: &Fleet, host: Option<&str>) -> StoredEvent {
    redact::redact_event(&mut event);
    let service = event.service.as_ref().and_then(|name| fleet.services.get(name));
    let record = Writing {
        event: &event,
        trust_domain: &fleet.trust_domain,
        fleet: fleet.name.as_str(),
        host,
        product_version: env!("CARGO_PKG_VERSION"),
        owner: service.and_then(|service| service.owner.as_deref()),
        data: service.map_or(&[], |service| service.data.as_slice()),
        unguarded: callee(&event).is_some_and(|name| !fleet.has_guard(name)),
        version: service.and_then(|service| service.software.version.as_deref()),
        image: service.and_then(|service| service.software.image.as_ref()).map(Image::as_str),
    };
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    bytes.push(RECORD_VERSION);
    let record = postcard::to_extend(&record, bytes).expect("a record is plain data, and memory is there");
    StoredEvent::of(&event, record)
}

/// Whom a call was for.
fn callee(event: &Event) -> Option<&ServiceName> {
    match &event.what {
        What::Request(it) => Some(&it.to),
        What::Connection(it) => Some(&it.to),
        _ => None,
    }
}

/// What was stored; `None` where another version of this program wrote it.
pub fn read(stored: &StoredEvent) -> Option<Record> {
    read_bytes(&stored.record)
}

/// As [`read`], from the record alone.
pub fn read_bytes(record: &[u8]) -> Option<Record> {
    let (&version, bytes) = record.split_first()?;
    match version {
        RECORD_VERSION => postcard::from_bytes(bytes).ok(),
        RECORD_VERSION_BEFORE => postcard::from_bytes::<Before>(bytes).ok().map(Record::from),
        _ => None,
    }
}

/// The OCSF record as one line; for what another version wrote, a line that says so.
pub fn line(stored: &StoredEvent) -> String {
    let record = read(stored).map_or_else(
        || serde_json::json!({ "bartizan_unreadable": stored.id.to_string(), "time": stored.at, "message": "written by another version" }),
        |record| record.ocsf(),
    );
    format!("{record}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::event::{Class, EventId, Request, SeenBy, Upshot};
    use bartizan_core::{Action, Timestamp, fleet};

    const FLEET: &str = "fleet: bank\ntrust_domain: bank.test\nservices:\n  accounts: { listen: \"127.0.0.1:7102\", protocol: http, owner: ann, data: [pii], version: 1.10, image: \"r.test/accounts:1.10\" }\n";

    fn scene() -> (Event, Fleet) {
        let accounts = ServiceName::parse("accounts").unwrap();
        let request = Request {
            peer: "spiffe://bank.test/svc/payment".parse().ok(),
            to: accounts.clone(),
            method: "GET".into(),
            path: "/reset/Bearer%20eyJhbGciOiJub25lIn0.e30.c2VjcmV0LW1hcmtlcg".into(),
            route: None,
            action: Action::Read,
            decision: None,
            status: 502,
            error: None,
            took_us: 900,
            added_us: 90,
            client: None,
            user: Some("ana".into()),
            span: 1,
            parent_span: 0,
        };
        let (id, at) = (EventId(1, 2), Timestamp::from_millis(3));
        let what = What::Request(request);
        let event = Event { id, at, service: Some(accounts), seen_by: SeenBy::Inbound, request: None, what };
        (event, fleet::parse(FLEET, "fleet.yaml").unwrap())
    }

    #[test]
    fn the_compact_form_comes_back_redacted_like_the_rest() {
        let (event, fleet) = scene();
        let stored = write(event.clone(), &fleet, Some("here"));
        let back = read(&stored).unwrap().event;
        assert_eq!((back.id, back.at, &back.service), (event.id, event.at, &event.service));
        assert!(!String::from_utf8_lossy(&stored.record).contains("c2VjcmV0LW1hcmtlcg"));
        assert!(!line(&stored).contains("c2VjcmV0LW1hcmtlcg"), "{}", line(&stored));
        for said in ["\"owner\":\"ann\"", "\"version\":\"1.10\"", "\"image\":\"r.test/accounts:1.10\""] {
            assert!(line(&stored).contains(said), "{said}: {}", line(&stored));
        }
    }

    #[test]
    fn an_event_is_found_by_what_it_says() {
        let (event, fleet) = scene();
        let stored = write(event, &fleet, None);
        assert_eq!(stored.identity.as_deref(), Some("spiffe://bank.test/svc/payment"));
        assert_eq!(stored.user.as_deref(), Some("ana"));
        assert_eq!((stored.class, stored.upshot), (Some(Class::Request), Upshot::Failed));
    }

    /// A refused handshake at `accounts`, as it was written before records had a version and an image.
    const BEFORE: &str = "028bb5c0a8bafbcccfd30104f2a4acfca13401086163636f756e74730000020001007f000001d482020100011c7468652070656572207365\
        6e74206e6f2063657274696669636174650000d1750c62616e6b2e6578616d706c650462616e6b0102766d05302e312e30010c636f72652d62616e6b696e67020370\
        69690966696e616e6369616c00";

    #[test]
    fn what_was_written_before_is_still_read() {
        let digits: Vec<char> = BEFORE.chars().collect();
        let byte = |two: &[char]| u8::from_str_radix(&two.iter().collect::<String>(), 16).unwrap();
        let bytes: Vec<u8> = digits.chunks(2).map(byte).collect();
        let back = read_bytes(&bytes).expect("a record of version 2");
        let ocsf = back.ocsf();
        let own = &ocsf["unmapped"]["bartizan"];
        assert_eq!(
            (&own["kind"], &own["service"], &own["reason"]),
            (&"handshake".into(), &"accounts".into(), &"no_certificate".into())
        );
        assert_eq!((&own["owner"], &own["data"]), (&"core-banking".into(), &serde_json::json!(["pii", "financial"])));
        assert!(own["version"].is_null() && own["image"].is_null(), "{own}");
        assert!(
            back.is_of(None, None) && !back.is_of(Some("1.10"), None) && !back.is_of(None, Some("r.test/accounts"))
        );
        assert_eq!(read_bytes(&bytes[..bytes.len() - 1]), None, "cut short");
    }

    #[test]
    fn what_another_version_wrote_is_said_to_be() {
        let (event, fleet) = scene();
        let mut other = write(event, &fleet, None);
        other.record[0] = 9;
        assert_eq!(read(&other), None, "another version");
        assert!(line(&other).contains("another version"));
        other.record.clear();
        assert_eq!(read(&other), None);
    }
}
