//! What the events of a block are found by, column by column: what repeats stands together, and a search looks at the columns it needs.
//!
//! ```text
//! names, u16 | each: length, u16, and bytes | events, u32
//! | at, u64 each | process, u64 each | number, u64 each | request, 16 each | service, identity, user: number of a name, u16 each, thrice
//! | class, u8 each | flags, u8 each | end of its record, u32 each
//! ```

use crate::block::take;
use crate::event::{Filter, Order, StoredEvent};
use crate::limits::BLOCK_NAMES_MAX;
use bartizan_core::event::{Class, EventId, Upshot};
use bartizan_core::{RequestId, ServiceName, Timestamp};
use std::collections::HashMap;
use std::ops::Range;

/// In place of the number of a name: none.
const NO_NAME: u16 = u16::MAX;
const NO_CLASS: u8 = u8::MAX;
const UPSHOT: u8 = 0b11;
const HAS_REQUEST: u8 = 0b100;
/// Bytes of one event in all columns.
const KEY_BYTES: usize = 8 + 8 + 8 + 16 + 3 * 2 + 1 + 1 + 4;

/// How good an event is for an answer: those with a larger rank are taken first. The first part is the time, or its complement.
pub(crate) type Rank = (u64, u64, u64);

impl Order {
    pub(crate) fn rank(self, at: Timestamp, id: EventId) -> Rank {
        match self {
            Self::Newest => (at.as_millis(), id.0, id.1),
            Self::Oldest => (!at.as_millis(), !id.0, !id.1),
        }
    }
}

/// The keys of a batch; `None` where they have more or longer names than any that are read back.
pub(crate) fn encode(batch: &[StoredEvent]) -> Option<Vec<u8>> {
    let mut names = Names::default();
    let numbers: Vec<[u16; 3]> = batch
        .iter()
        .map(|event| {
            let service = event.service.as_ref().map(ServiceName::as_str);
            Some([
                names.number(service)?,
                names.number(event.identity.as_deref())?,
                names.number(event.user.as_deref())?,
            ])
        })
        .collect::<Option<_>>()?;
    let mut bytes = Vec::with_capacity(batch.len() * KEY_BYTES + names.texts.len() * 32 + 8);
    bytes.extend_from_slice(&u16::try_from(names.texts.len()).ok()?.to_le_bytes());
    for name in &names.texts {
        bytes.extend_from_slice(&u16::try_from(name.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    bytes.extend_from_slice(&u32::try_from(batch.len()).ok()?.to_le_bytes());
    batch.iter().for_each(|event| bytes.extend_from_slice(&event.at.as_millis().to_le_bytes()));
    batch.iter().for_each(|event| bytes.extend_from_slice(&event.id.0.to_le_bytes()));
    batch.iter().for_each(|event| bytes.extend_from_slice(&event.id.1.to_le_bytes()));
    batch.iter().for_each(|event| bytes.extend_from_slice(&event.request.map_or([0; 16], RequestId::bytes)));
    for column in 0..3 {
        numbers.iter().for_each(|of_event| bytes.extend_from_slice(&of_event[column].to_le_bytes()));
    }
    bytes.extend(batch.iter().map(|event| event.class.map_or(NO_CLASS, |class| class as u8)));
    bytes.extend(batch.iter().map(|event| event.upshot as u8 | if event.request.is_some() { HAS_REQUEST } else { 0 }));
    let mut end = 0;
    for event in batch {
        end += event.record.len();
        bytes.extend_from_slice(&u32::try_from(end).ok()?.to_le_bytes());
    }
    Some(bytes)
}

/// The table of names while it grows.
#[derive(Default)]
struct Names<'a> {
    texts: Vec<&'a str>,
    numbers: HashMap<&'a str, u16>,
}

impl<'a> Names<'a> {
    fn number(&mut self, name: Option<&'a str>) -> Option<u16> {
        let Some(name) = name else { return Some(NO_NAME) };
        if let Some(known) = self.numbers.get(name) {
            return Some(*known);
        }
        let number = u16::try_from(self.texts.len()).ok().filter(|number| usize::from(*number) < BLOCK_NAMES_MAX)?;
        self.texts.push(name);
        self.numbers.insert(name, number);
        Some(number)
    }
}

/// The keys of a block, as they lie in memory.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    names: Vec<&'a str>,
    at: &'a [[u8; 8]],
    process: &'a [[u8; 8]],
    number: &'a [[u8; 8]],
    request: &'a [[u8; 16]],
    service: &'a [[u8; 2]],
    identity: &'a [[u8; 2]],
    user: &'a [[u8; 2]],
    class: &'a [[u8; 1]],
    flags: &'a [[u8; 1]],
    end: &'a [[u8; 4]],
}

impl<'a> Keys<'a> {
    /// `None` where `bytes` are not what [`encode`] writes for records of that length.
    pub(crate) fn read(bytes: &'a [u8], records: usize) -> Option<Self> {
        let mut rest = bytes;
        let names = names(&mut rest)?;
        let count = u32::from_le_bytes(take(&mut rest)?) as usize;
        if count.checked_mul(KEY_BYTES) != Some(rest.len()) {
            return None;
        }
        let it = Self {
            names,
            at: column(&mut rest, count)?,
            process: column(&mut rest, count)?,
            number: column(&mut rest, count)?,
            request: column(&mut rest, count)?,
            service: column(&mut rest, count)?,
            identity: column(&mut rest, count)?,
            user: column(&mut rest, count)?,
            class: column(&mut rest, count)?,
            flags: column(&mut rest, count)?,
            end: column(&mut rest, count)?,
        };
        let ends = || it.end.iter().map(|end| u32::from_le_bytes(*end) as usize);
        (ends().is_sorted() && ends().next_back().unwrap_or(0) == records).then_some(it)
    }

    pub(crate) fn len(&self) -> usize {
        self.at.len()
    }

    pub(crate) fn at(&self, n: usize) -> Timestamp {
        Timestamp::from_millis(u64::from_le_bytes(self.at[n]))
    }

    pub(crate) fn id(&self, n: usize) -> EventId {
        EventId(u64::from_le_bytes(self.process[n]), u64::from_le_bytes(self.number[n]))
    }

    pub(crate) fn record(&self, n: usize) -> Range<usize> {
        let end = |n: usize| u32::from_le_bytes(self.end[n]) as usize;
        (if n == 0 { 0 } else { end(n - 1) })..end(n)
    }

    /// One event, with its record out of those of the block; `None` where a name is none.
    pub(crate) fn event(&self, n: usize, records: &[u8]) -> Option<StoredEvent> {
        let name = |number: [u8; 2]| match u16::from_le_bytes(number) {
            NO_NAME => Some(None),
            number => self.names.get(usize::from(number)).map(|name| Some(*name)),
        };
        let service = name(self.service[n])?.map(ServiceName::parse).transpose().ok()?;
        let [flags] = self.flags[n];
        let request = if flags & HAS_REQUEST == 0 { None } else { Some(RequestId::from_bytes(self.request[n])?) };
        Some(StoredEvent {
            id: self.id(n),
            at: self.at(n),
            service,
            identity: name(self.identity[n])?.map(Into::into),
            user: name(self.user[n])?.map(Into::into),
            request,
            class: Class::numbered(self.class[n][0]),
            upshot: Upshot::numbered(flags & UPSHOT)?,
            record: records.get(self.record(n))?.to_vec(),
        })
    }

    /// The places of those that fit, leaving their text aside, and whose rank is above `above` and below the filter's cursor.
    pub(crate) fn fitting(&self, filter: &Filter, above: Option<Rank>) -> Vec<usize> {
        let Some(names) = Wanted::of(filter, &self.names) else { return Vec::new() };
        let request = filter.request.map(RequestId::bytes);
        let below = filter.from.map(|from| filter.order.rank(from.at, from.id));
        let classes = filter.classes.iter().fold(0u32, |all, class| all | 1 << *class as u8);
        let upshots = filter.upshots.iter().fold(0u8, |all, upshot| all | 1 << *upshot as u8);
        let since = filter.since.map_or(0, Timestamp::as_millis);
        let until = filter.until.map_or(u64::MAX, Timestamp::as_millis);
        let fits = |n: &usize| {
            let n = *n;
            if request.is_some_and(|request| self.request[n] != request || self.flags[n][0] & HAS_REQUEST == 0) {
                return false;
            }
            if !names.fit(self.service[n], self.identity[n], self.user[n]) {
                return false;
            }
            if upshots != 0 && upshots >> (self.flags[n][0] & UPSHOT) & 1 == 0 {
                return false;
            }
            if classes != 0 && classes.checked_shr(self.class[n][0].into()).is_none_or(|at| at & 1 == 0) {
                return false;
            }
            let at = u64::from_le_bytes(self.at[n]);
            if at < since || filter.until.is_some() && at >= until {
                return false;
            }
            let rank = filter.order.rank(self.at(n), self.id(n));
            above.is_none_or(|above| rank > above) && below.is_none_or(|below| rank < below)
        };
        (0..self.len()).filter(fits).collect()
    }
}

/// The names that a filter asks for, as numbers of a block.
struct Wanted {
    service: Option<[u8; 2]>,
    identity: Option<[u8; 2]>,
}

impl Wanted {
    /// `None` where a name is asked for that the block does not have.
    fn of(filter: &Filter, names: &[&str]) -> Option<Self> {
        let number = |wanted: Option<&str>| -> Option<Option<[u8; 2]>> {
            let Some(wanted) = wanted else { return Some(None) };
            let number = names.iter().position(|name| *name == wanted)?;
            Some(Some(u16::try_from(number).ok()?.to_le_bytes()))
        };
        let service = number(filter.service.as_ref().map(ServiceName::as_str))?;
        Some(Self { service, identity: number(filter.identity.as_deref())? })
    }

    fn fit(&self, service: [u8; 2], identity: [u8; 2], user: [u8; 2]) -> bool {
        self.service.is_none_or(|wanted| service == wanted)
            && self.identity.is_none_or(|wanted| identity == wanted || user == wanted)
    }
}

fn names<'a>(rest: &mut &'a [u8]) -> Option<Vec<&'a str>> {
    let count = u16::from_le_bytes(take(rest)?) as usize;
    if count > BLOCK_NAMES_MAX {
        return None;
    }
    let name = |rest: &mut &'a [u8]| {
        let length = u16::from_le_bytes(take(rest)?);
        let (name, after) = rest.split_at_checked(usize::from(length))?;
        *rest = after;
        std::str::from_utf8(name).ok()
    };
    (0..count).map(|_| name(rest)).collect()
}

fn column<'a, const N: usize>(rest: &mut &'a [u8], count: usize) -> Option<&'a [[u8; N]]> {
    let (column, after) = rest.split_at_checked(count * N)?;
    *rest = after;
    let (chunks, []) = column.as_chunks::<N>() else { return None };
    Some(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::event;
    use proptest::prelude::*;

    fn filters() -> impl Strategy<Value = Filter> {
        let some = |n: u64| proptest::option::weighted(0.4, 0..n);
        (some(6), some(7), some(30), some(200), some(200), some(14), some(3), some(200), any::<bool>()).prop_map(
            |(service, identity, request, since, until, class, upshot, from, oldest)| Filter {
                service: service.map(|n| ServiceName::parse(&format!("s{n}")).unwrap()),
                identity: identity.map(|n| format!("spiffe://bank.test/svc/s{n}").into()),
                request: request.and_then(|n| event(n).request),
                since: since.map(Timestamp::from_millis),
                until: until.map(Timestamp::from_millis),
                classes: class.and_then(|n| Class::numbered(n as u8)).into_iter().collect(),
                upshots: upshot.and_then(|n| Upshot::numbered(n as u8)).into_iter().collect(),
                from: from.map(|n| event(n).cursor()),
                order: if oldest { Order::Oldest } else { Order::Newest },
                ..Filter::default()
            },
        )
    }

    proptest! {
        #[test]
        fn columns_and_events_agree_on_what_fits(filter in filters(), from in 0u64..100) {
            let batch: Vec<_> = (from..from + 40).map(event).collect();
            let bytes = encode(&batch).unwrap();
            let records = batch.iter().map(|event| event.record.len()).sum();
            let found = Keys::read(&bytes, records).unwrap().fitting(&filter, None);
            let after = |event: &StoredEvent| {
                let rank = |cursor: crate::Cursor| filter.order.rank(cursor.at, cursor.id);
                filter.from.is_none_or(|from| rank(event.cursor()) < rank(from))
            };
            let expected: Vec<usize> = (0..batch.len()).filter(|n| filter.fits(&batch[*n]) && after(&batch[*n])).collect();
            prop_assert_eq!(found, expected, "{:?}", filter);
        }
    }
}
