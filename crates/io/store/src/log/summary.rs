//! What is kept in memory of a block, so that most searches read few of them.

use super::block::{Header, Key};
use crate::event::Filter;
use crate::limits::REQUEST_BITS;
use bartizan_core::{RequestId, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};

/// What lies in a block.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Where it begins in its file, in bytes.
    pub(crate) offset: u64,
    pub(crate) header: Header,
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    denied: bool,
    /// One bit for each service, by a hash of its name.
    services: u64,
    /// A Bloom filter of the requests (Bloom 1970), [`REQUEST_BITS`] bits for each.
    requests: Box<[u64]>,
}

impl Summary {
    /// Of a block that begins at byte `offset` and holds `keys`.
    pub(crate) fn of(offset: u64, header: Header, keys: &[Key]) -> Self {
        let times = || keys.iter().map(|key| key.at);
        let requests = || keys.iter().filter_map(|key| key.request);
        // A request has several events; those of one hop mostly stand in one block.
        let words = (requests().count() * REQUEST_BITS).div_ceil(64);
        let mut bits = vec![0u64; words].into_boxed_slice();
        requests().for_each(|request| places(request, words).for_each(|(word, bit)| bits[word] |= bit));
        Self {
            offset,
            header,
            first_at: times().min().unwrap_or(Timestamp::from_millis(0)),
            last_at: times().max().unwrap_or(Timestamp::from_millis(0)),
            denied: keys.iter().any(|key| key.denied),
            services: keys.iter().filter_map(|key| key.service.as_ref()).map(service_bit).fold(0, |all, bit| all | bit),
            requests: bits,
        }
    }

    /// Whether there may be an event in it that `filter` asks for.
    pub(crate) fn may_hold(&self, filter: &Filter) -> bool {
        filter.until.is_none_or(|until| self.first_at < until)
            && filter.since.is_none_or(|since| self.last_at >= since)
            && (!filter.denied || self.denied)
            && filter.service.as_ref().is_none_or(|service| self.services & service_bit(service) != 0)
            && filter.request.is_none_or(|request| self.may_hold_request(request))
    }

    fn may_hold_request(&self, request: RequestId) -> bool {
        let words = self.requests.len();
        words > 0 && places(request, words).all(|(word, bit)| self.requests[word] & bit != 0)
    }
}

/// One bit of 64. Services that share one cost a block that is read for nothing.
fn service_bit(name: &ServiceName) -> u64 {
    let hash = name.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| mix(hash ^ u64::from(byte)));
    1 << (hash >> 58)
}

/// The bits of a request: four, by double hashing (Kirsch and Mitzenmacher 2006).
fn places(request: RequestId, words: usize) -> impl Iterator<Item = (usize, u64)> {
    let whole = u128::from_be_bytes(request.bytes());
    let (first, second) = (mix((whole >> 64) as u64 ^ mix(whole as u64)), mix(whole as u64) | 1);
    let bits = words as u64 * 64;
    (0..4u64).map(move |n| {
        let bit = first.wrapping_add(n.wrapping_mul(second)) % bits;
        ((bit / 64) as usize, 1 << (bit % 64))
    })
}

/// The finalizer of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::StoredEvent;
    use crate::log::block::{self, HEADER_BYTES};
    use bartizan_core::event::EventId;

    fn request(n: u64) -> RequestId {
        RequestId::parse(&format!("{:032x}", n + 1)).unwrap()
    }

    fn summary(of: std::ops::Range<u64>) -> Summary {
        let event = |n| StoredEvent {
            id: EventId(1, n),
            at: Timestamp::from_millis(n),
            service: Some(ServiceName::parse("accounts").unwrap()),
            request: Some(request(n)),
            denied: false,
            record: Vec::new(),
        };
        let block = block::encode(&of.map(event).collect::<Vec<_>>()).unwrap();
        let header = Header::read(&block).unwrap();
        let keys = block::keys(&header, &block[HEADER_BYTES..]).unwrap();
        Summary::of(0, header, &keys)
    }

    #[test]
    fn it_never_hides_what_is_there_and_rarely_shows_what_is_not() {
        let it = summary(0..500);
        let asks = |n| it.may_hold(&Filter { request: Some(request(n)), ..Filter::default() });
        assert!((0..500).all(asks));
        let wrong = (500..10_500).filter(|n| asks(*n)).count();
        assert!(wrong < 300, "{wrong} of 10,000: about 1.2 % are expected");
        assert!(!summary(0..0).may_hold(&Filter { request: Some(request(1)), ..Filter::default() }));
    }

    #[test]
    fn each_filter_leaves_blocks_out() {
        let it = summary(10..20);
        let ms = |n| Some(Timestamp::from_millis(n));
        let service = |name| Some(ServiceName::parse(name).unwrap());
        for (filter, expected) in [
            (Filter::default(), true),
            (Filter { denied: true, ..Filter::default() }, false),
            (Filter { since: ms(19), until: ms(20), ..Filter::default() }, true),
            (Filter { since: ms(20), ..Filter::default() }, false),
            (Filter { until: ms(10), ..Filter::default() }, false),
            (Filter { service: service("accounts"), ..Filter::default() }, true),
            (Filter { service: service("ledger"), ..Filter::default() }, false),
        ] {
            assert_eq!(it.may_hold(&filter), expected, "{filter:?}");
        }
    }
}
