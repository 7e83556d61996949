//! One record of the journal as it lies on disk: length (four bytes, little endian), the first eight bytes of the SHA-256 of
//! what follows, then a version byte and the record in postcard.

use crate::limits::ISSUED_BYTES_MAX;
use bartizan_core::issued::Issued;
use bartizan_crypto::hash;

/// First bytes of every segment.
pub(super) const MAGIC: &[u8; 8] = b"BZISSUE1";
/// Another number means that another version of this program wrote the record.
const VERSION: u8 = 1;
const LENGTH: usize = 4;
const CHECKSUM: usize = 8;

/// The frame of a record; `None` where it is longer than any that is read back.
pub fn encode(issued: &Issued) -> Option<Vec<u8>> {
    let body = postcard::to_extend(issued, vec![VERSION]).ok().filter(|body| body.len() <= ISSUED_BYTES_MAX)?;
    let mut frame = Vec::with_capacity(LENGTH + CHECKSUM + body.len());
    frame.extend_from_slice(&u32::try_from(body.len()).ok()?.to_le_bytes());
    frame.extend_from_slice(&hash::sha256(&body)[..CHECKSUM]);
    frame.extend_from_slice(&body);
    Some(frame)
}

/// The whole records at the beginning of `bytes`, and how many bytes they take. What follows them is torn, altered, or not
/// all there.
pub fn decode(bytes: &[u8]) -> (Vec<Issued>, usize) {
    let (mut records, mut taken) = (Vec::new(), 0);
    while let Some((issued, length)) = one(&bytes[taken..]) {
        records.push(issued);
        taken += length;
    }
    (records, taken)
}

fn one(bytes: &[u8]) -> Option<(Issued, usize)> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= ISSUED_BYTES_MAX)?;
    let (checksum, rest) = rest.split_first_chunk::<CHECKSUM>()?;
    let body = rest.get(..length)?;
    if hash::sha256(body)[..CHECKSUM] != *checksum {
        return None;
    }
    let (&version, record) = body.split_first()?;
    match postcard::take_from_bytes(record) {
        Ok((issued, [])) if version == VERSION => Some((issued, LENGTH + CHECKSUM + length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::issued::IssuedKind;
    use bartizan_core::{ServiceName, SpiffeId, Timestamp};
    use proptest::prelude::*;

    fn issued(n: u64, node: bool) -> Issued {
        Issued {
            at: Timestamp::from_millis(n),
            kind: IssuedKind::ALL[(n % 6) as usize],
            id: SpiffeId::parse(&format!("spiffe://bank.test/svc/s{n}")).unwrap(),
            serial: format!("{n:032x}"),
            key: "ab".repeat(32),
            node: node.then(|| ServiceName::parse("local").unwrap()),
            not_after: Timestamp::from_secs(n),
            issuer: "cd".repeat(32),
        }
    }

    #[test]
    fn what_is_too_long_or_of_another_version_is_refused() {
        let long = Issued { serial: "0".repeat(ISSUED_BYTES_MAX), ..issued(1, true) };
        assert!(encode(&long).is_none());
        let frame = encode(&issued(1, true)).unwrap();
        let mut later = frame[LENGTH + CHECKSUM..].to_vec();
        later[0] = 2;
        let checksum = &hash::sha256(&later)[..CHECKSUM];
        let later = [&frame[..LENGTH], checksum, &later].concat();
        assert_eq!(decode(&later), (Vec::new(), 0), "another version");
        assert_eq!(decode(&[0xff; 64]).1, 0, "a length beyond the limit");
    }

    proptest! {
        #[test]
        fn a_torn_or_altered_tail_costs_what_it_touches(n in 1u64..20, cut in 0usize..6_000, flip in 0usize..6_000) {
            let all: Vec<Issued> = (0..n).map(|n| issued(n, n % 2 == 0)).collect();
            let frames: Vec<Vec<u8>> = all.iter().map(|it| encode(it).unwrap()).collect();
            let whole = frames.concat();
            prop_assert_eq!(decode(&whole), (all.clone(), whole.len()));

            let cut = cut.min(whole.len());
            let (held, taken) = decode(&whole[..cut]);
            prop_assert!(taken <= cut && all.starts_with(&held));
            let ends = frames.iter().scan(0, |at, frame| { *at += frame.len(); Some(*at) });
            prop_assert_eq!(held.len(), ends.filter(|end| *end <= cut).count(), "no whole record is lost");

            let at = flip % whole.len();
            let mut altered = whole.clone();
            altered[at] ^= 1;
            let (held, taken) = decode(&altered);
            prop_assert!(all.starts_with(&held) && taken <= at);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let (held, taken) = decode(&bytes);
            prop_assert!(taken <= bytes.len());
            prop_assert_eq!(taken == 0, held.is_empty());
        }
    }
}
