//! Search by text: a filter that tells blocks apart by what cannot be in them, and the search itself.
//!
//! The filter holds every three printable characters that stand beside each other in a record of the block, in lower case, as one bit of
//! a table (Bloom 1970 with a single hash). It is folded until it is dense enough to be worth its bytes.

use crate::bloom::mix;
use crate::limits::TEXT_BITS;
use memchr::memmem::Finder;
use std::ops::Range;

const GRAM: usize = 3;

/// Bits of the texts in records.
pub(crate) fn bits(records: &[u8]) -> Vec<u8> {
    let mut table = vec![0u8; TEXT_BITS.end() / 8];
    let mut set = 0usize;
    for gram in records.windows(GRAM).filter(|gram| is_text(gram)) {
        let at = place(gram, TEXT_BITS.end() / 8);
        set += usize::from(table[at.0] & at.1 == 0);
        table[at.0] |= at.1;
    }
    // One bit in eight at most, so that a text of four grams is missed in one block of 4,096.
    while set * 8 < table.len() * 4 && table.len() * 8 > *TEXT_BITS.start() {
        let upper = table.split_off(table.len() / 2);
        table.iter_mut().zip(upper).for_each(|(low, high)| *low |= high);
        set = table.iter().map(|byte| byte.count_ones() as usize).sum();
    }
    table
}

/// Where a gram stands in a table of so many bytes, a power of two.
fn place(gram: &[u8], bytes: usize) -> (usize, u8) {
    let number = gram.iter().fold(0u64, |all, byte| all << 8 | u64::from(byte.to_ascii_lowercase()));
    let hash = mix(number ^ 0x5bd1_e995);
    // The low bits, so that folding a table in half keeps each gram at its place modulo the new size.
    (hash as usize & (bytes - 1), 1 << (hash >> 61))
}

fn is_text(gram: &[u8]) -> bool {
    gram.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// A text to be searched for.
#[derive(Debug)]
pub(crate) struct Needle {
    lower: Vec<u8>,
    finder: Finder<'static>,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase().into_bytes();
        let finder = Finder::new(&lower).into_owned();
        Self { lower, finder }
    }

    /// Whether it may stand in a block of these bits; any may where there are none.
    pub(crate) fn may_be_in(&self, bits: &[u8]) -> bool {
        if !bits.len().is_power_of_two() {
            return true;
        }
        self.lower.windows(GRAM).filter(|gram| is_text(gram)).all(|gram| {
            let (byte, bit) = place(gram, bits.len());
            bits[byte] & bit != 0
        })
    }

    /// Whether it stands in a record.
    pub(crate) fn is_in(&self, record: &[u8]) -> bool {
        self.finder.find(&record.to_ascii_lowercase()).is_some()
    }

    /// Which of `wanted`, ranges of `records` in rising order, it stands in.
    pub(crate) fn among<'a>(&'a self, records: &[u8], wanted: &'a [Range<usize>]) -> impl Iterator<Item = usize> + 'a {
        let lower = records.to_ascii_lowercase();
        wanted
            .iter()
            .enumerate()
            .filter(move |(_, range)| self.finder.find(&lower[(*range).clone()]).is_some())
            .map(|(n, _)| n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_filter_leaves_out_most_that_is_not_there() {
        let records: Vec<u8> =
            (0..1_000).flat_map(|n| format!("\u{1}GET\u{9}/accounts/{n}/entries\u{0}{}", n * 7).into_bytes()).collect();
        let bits = bits(&records);
        assert!(Needle::new("/Accounts/77").may_be_in(&bits) && Needle::new("ab").may_be_in(&bits));
        let absent = (0..1_000).filter(|n| Needle::new(&format!("ledger-{n}x")).may_be_in(&bits)).count();
        assert!(absent < 20, "{absent} of 1,000 texts that are not there look as if they were");
        assert!(Needle::new("anything").may_be_in(&[]), "no filter, no promise");
    }

    proptest! {
        #[test]
        fn it_never_hides_what_is_there(records in proptest::collection::vec("[ -~\u{0}-\u{8}é]{0,40}", 1..60), n: usize, from: usize, length in 1usize..20) {
            let all: Vec<u8> = records.concat().into_bytes();
            let record = &records[n % records.len()];
            let chars: Vec<char> = record.chars().collect();
            let from = from % (chars.len() + 1);
            let text: String = chars[from..(from + length).min(chars.len())].iter().collect();
            let needle = Needle::new(&text.to_ascii_uppercase());
            prop_assert!(needle.may_be_in(&bits(&all)), "{:?}", text);
            prop_assert!(needle.is_in(record.as_bytes()));
            let (mut ranges, mut at) = (Vec::new(), 0);
            for record in &records {
                ranges.push(at..at + record.len());
                at += record.len();
            }
            let found: Vec<usize> = needle.among(&all, &ranges).collect();
            let expected: Vec<usize> = (0..records.len()).filter(|n| needle.is_in(records[*n].as_bytes())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
