//! Messages of Kafka's protocol, as many as a producer needs: where the partitions of a topic are, and records for them.
//!
//! Source: the protocol guide of Apache Kafka; Metadata in version 1, Produce in version 3 with batches of format 2. Brokers from 0.11 to
//! 4 understand both. Counts in an answer say nothing until as many entries were read: what is announced takes no memory.

use std::collections::BTreeMap;

/// Longest answer in bytes: a topic of some thousand partitions.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Bytes of a batch after which the next is begun; a topic takes a mebibyte where nobody changed that.
pub const BATCH_BYTES: usize = 512 << 10;
/// Partitions of a topic that are told apart, a count: as many as a cluster bears.
const PARTITIONS_MAX: usize = 100_000;
/// How long a broker waits for its replicas, in milliseconds.
const REPLICAS_WITHIN_MS: i32 = 10_000;
const CLIENT: &str = "bartizan";
/// All replicas in sync have it before the answer comes.
const ALL_REPLICAS: i16 = -1;

const PRODUCE: (i16, i16) = (0, 3);
const METADATA: (i16, i16) = (3, 1);

/// One record: whom it is about, and what.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What decides the partition: records with the same key keep their order.
    pub key: &'a str,
    /// The text.
    pub value: &'a [u8],
    /// When it happened, in milliseconds since 1970.
    pub at_ms: u64,
}

/// Where a topic is: of each partition the broker that takes its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topic {
    /// Host and port by partition; `None` while a partition has no leader.
    pub leaders: Vec<Option<(String, u16)>>,
}

/// Why an answer is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// It is not what was asked for.
    #[error("an answer that cannot be read")]
    Unreadable,
    /// The broker says no, by its number.
    #[error("the broker answers with error {0}{hint}", hint = hint(*.0))]
    Code(i16),
}

/// What the broker made of the records of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It has them.
    Taken,
    /// It will never take them.
    Never(i16),
}

/// Errors that come again with the same records: too large a record or batch, one that is against the topic's rules.
const NEVER: [i16; 4] = [10, 18, 32, 87];

fn hint(code: i16) -> &'static str {
    match code {
        3 => ": there is no such topic",
        5 => ": the partition has no leader now",
        6 => ": the partition has another leader now",
        7 => ": the replicas were too slow",
        10 | 18 => ": more bytes than the topic takes at once",
        17 => ": not a name of a topic",
        19 | 20 => ": there are too few replicas in sync",
        29 => ": we may not write to this topic",
        35 => ": it does not speak this version",
        _ => "",
    }
}

/// Asks where `topic` is.
pub fn ask_where(correlation: i32, topic: &str) -> Vec<u8> {
    let mut out = head(METADATA, correlation);
    put_i32(&mut out, 1);
    put_text(&mut out, topic);
    framed(out)
}

/// Reads the answer, without its length before it.
///
/// # Errors
/// [`KafkaError`].
pub fn read_where(answer: &[u8], correlation: i32, topic: &str) -> Result<Topic, KafkaError> {
    let mut reader = Reader::begin(answer, correlation)?;
    let mut brokers = BTreeMap::new();
    for _ in 0..reader.i32()? {
        let (node, host, port) = (reader.i32()?, reader.text()?, reader.i32()?);
        reader.nullable()?; // its rack
        brokers.insert(node, (host, u16::try_from(port).map_err(|_| KafkaError::Unreadable)?));
    }
    reader.i32()?; // the controller
    for _ in 0..reader.i32()? {
        let (code, name) = (reader.i16()?, reader.text()?);
        reader.take(1)?; // whether it is internal
        let mut leaders = BTreeMap::new();
        for _ in 0..reader.i32()? {
            let (_, partition, leader) = (reader.i16()?, reader.i32()?, reader.i32()?);
            for _ in 0..2 {
                let replicas = reader.i32()?;
                reader.take(usize::try_from(replicas).unwrap_or(0).checked_mul(4).ok_or(KafkaError::Unreadable)?)?;
            }
            let leader = brokers.get(&leader).map(|(host, port)| ((*host).to_owned(), *port));
            leaders.insert(usize::try_from(partition).map_err(|_| KafkaError::Unreadable)?, leader);
        }
        if name != topic {
            continue;
        }
        if code != 0 {
            return Err(KafkaError::Code(code));
        }
        // Partitions are numbered from nothing on, without gaps.
        let count = leaders.len();
        if count == 0 || count > PARTITIONS_MAX || leaders.keys().next_back() != Some(&(count - 1)) {
            return Err(KafkaError::Unreadable);
        }
        return Ok(Topic { leaders: leaders.into_values().collect() });
    }
    Err(KafkaError::Unreadable)
}

/// The partition of a key among `count`, as Kafka's own producer chooses it.
pub fn partition(key: &str, count: usize) -> usize {
    let hash = murmur2(key.as_bytes()) & 0x7fff_ffff;
    hash as usize % count.max(1)
}

/// Hands in one batch for each of `partitions`.
pub fn produce(correlation: i32, topic: &str, partitions: &[(usize, Vec<Record<'_>>)]) -> Vec<u8> {
    let mut out = head(PRODUCE, correlation);
    out.extend_from_slice(&(-1_i16).to_be_bytes()); // no transaction
    out.extend_from_slice(&ALL_REPLICAS.to_be_bytes());
    put_i32(&mut out, REPLICAS_WITHIN_MS);
    put_i32(&mut out, 1);
    put_text(&mut out, topic);
    put_i32(&mut out, count(partitions.len()));
    for (partition, records) in partitions {
        let batch = batch(records);
        put_i32(&mut out, count(*partition));
        put_i32(&mut out, count(batch.len()));
        out.extend_from_slice(&batch);
    }
    framed(out)
}

/// Reads the answer: what became of the records of each partition.
///
/// # Errors
/// [`KafkaError`], also where one partition may take its records later.
pub fn read_produced(answer: &[u8], correlation: i32) -> Result<BTreeMap<usize, Fate>, KafkaError> {
    let mut reader = Reader::begin(answer, correlation)?;
    let mut fates = BTreeMap::new();
    for _ in 0..reader.i32()? {
        reader.text()?;
        for _ in 0..reader.i32()? {
            let (partition, code) = (reader.i32()?, reader.i16()?);
            reader.take(16)?; // offset, time
            let fate = match code {
                0 => Fate::Taken,
                code if NEVER.contains(&code) => Fate::Never(code),
                code => return Err(KafkaError::Code(code)),
            };
            fates.insert(usize::try_from(partition).map_err(|_| KafkaError::Unreadable)?, fate);
        }
    }
    Ok(fates)
}

/// A batch of format 2, without compression.
fn batch(records: &[Record<'_>]) -> Vec<u8> {
    let first = records.first().map_or(0, |it| it.at_ms);
    let last = records.iter().map(|it| it.at_ms).max().unwrap_or(0);
    let mut checked = vec![0, 0]; // attributes: as it is
    put_i32(&mut checked, count(records.len()) - 1);
    for at in [first, last] {
        checked.extend_from_slice(&at.to_be_bytes());
    }
    checked.extend_from_slice(&[0xff; 14]); // no producer that is told again by numbers
    put_i32(&mut checked, count(records.len()));
    for (number, it) in records.iter().enumerate() {
        let mut record = vec![0];
        put_signed(&mut record, it.at_ms as i64 - first as i64);
        put_signed(&mut record, number as i64);
        for bytes in [it.key.as_bytes(), it.value] {
            put_signed(&mut record, bytes.len() as i64);
            record.extend_from_slice(bytes);
        }
        put_signed(&mut record, 0); // headers
        put_signed(&mut checked, record.len() as i64);
        checked.extend_from_slice(&record);
    }
    let mut out = vec![0; 8]; // the offset is the broker's to give
    put_i32(&mut out, count(checked.len() + 9));
    put_i32(&mut out, -1); // the leader's epoch is not known here
    out.push(2);
    out.extend_from_slice(&crc32c(&checked).to_be_bytes());
    out.extend_from_slice(&checked);
    out
}

fn head((key, version): (i16, i16), correlation: i32) -> Vec<u8> {
    let mut out = vec![0; 4]; // for the length
    out.extend_from_slice(&key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    put_i32(&mut out, correlation);
    put_text(&mut out, CLIENT);
    out
}

fn framed(mut message: Vec<u8>) -> Vec<u8> {
    let length = count(message.len() - 4).to_be_bytes();
    message[..4].copy_from_slice(&length);
    message
}

/// Lengths here are those of our own messages: some hundred events.
fn count(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}

fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&i16::try_from(text.len()).unwrap_or(i16::MAX).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// A number of seven bits a byte, its sign in the lowest.
fn put_signed(out: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

/// Takes an answer apart; nothing is longer than what is there.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn begin(answer: &'a [u8], correlation: i32) -> Result<Self, KafkaError> {
        let mut reader = Self(answer);
        if reader.i32()? == correlation { Ok(reader) } else { Err(KafkaError::Unreadable) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], KafkaError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(KafkaError::Unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], KafkaError> {
        self.take(N)?.try_into().map_err(|_| KafkaError::Unreadable)
    }

    fn i16(&mut self) -> Result<i16, KafkaError> {
        self.fixed().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, KafkaError> {
        self.fixed().map(i32::from_be_bytes)
    }

    fn nullable(&mut self) -> Result<Option<&'a str>, KafkaError> {
        let Ok(length) = usize::try_from(self.i16()?) else { return Ok(None) };
        std::str::from_utf8(self.take(length)?).map(Some).map_err(|_| KafkaError::Unreadable)
    }

    fn text(&mut self) -> Result<&'a str, KafkaError> {
        self.nullable()?.ok_or(KafkaError::Unreadable)
    }
}

/// Castagnoli's polynomial, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)])
}

/// MurmurHash2 of 32 bits with the seed of Kafka's own client.
fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put_text(&mut out, text);
        out
    }

    fn answer(code: i16, name: &str, partitions: &[(i32, i32)]) -> Vec<u8> {
        let mut out = 7_i32.to_be_bytes().to_vec();
        put_i32(&mut out, 1);
        put_i32(&mut out, 5);
        out.extend(text("kafka.test"));
        put_i32(&mut out, 9093);
        out.extend((-1_i16).to_be_bytes());
        put_i32(&mut out, 5);
        put_i32(&mut out, 1);
        out.extend(code.to_be_bytes());
        out.extend(text(name));
        out.push(0);
        put_i32(&mut out, count(partitions.len()));
        for (partition, leader) in partitions {
            out.extend([0, 0]);
            put_i32(&mut out, *partition);
            put_i32(&mut out, *leader);
            for _ in 0..2 {
                put_i32(&mut out, 1);
                put_i32(&mut out, 5);
            }
        }
        out
    }

    #[test]
    fn an_answer_that_says_not_where_is_refused() {
        let good = answer(0, "events", &[(0, 5), (1, 9)]);
        for (bytes, why) in [
            (answer(0, "other", &[(0, 5)]), "another topic"),
            (answer(0, "events", &[]), "no partition"),
            (answer(0, "events", &[(1, 5)]), "a gap"),
            (answer(0, "events", &[(-1, 5)]), "a number below nothing"),
            (good[..good.len() - 1].to_vec(), "cut off"),
            (Vec::new(), "nothing"),
        ] {
            assert_eq!(read_where(&bytes, 7, "events"), Err(KafkaError::Unreadable), "{why}");
        }
        assert_eq!(read_where(&good, 8, "events"), Err(KafkaError::Unreadable), "an answer to another question");
        let no = read_where(&answer(3, "events", &[]), 7, "events").unwrap_err();
        assert_eq!(no.to_string(), "the broker answers with error 3: there is no such topic");
        let leaders = vec![Some(("kafka.test".to_owned(), 9093)), None];
        assert_eq!(read_where(&good, 7, "events"), Ok(Topic { leaders }));
    }

    #[test]
    fn what_may_come_later_is_an_error_and_what_never_will_is_not() {
        let produced = |codes: &[i16]| {
            let mut out = 7_i32.to_be_bytes().to_vec();
            put_i32(&mut out, 1);
            out.extend(text("events"));
            put_i32(&mut out, count(codes.len()));
            for (partition, code) in codes.iter().enumerate() {
                put_i32(&mut out, count(partition));
                out.extend(code.to_be_bytes());
                out.extend([0; 16]);
            }
            put_i32(&mut out, 0);
            read_produced(&out, 7)
        };
        assert_eq!(produced(&[0, 6]), Err(KafkaError::Code(6)));
        assert_eq!(produced(&[0, 10]), Ok([(0, Fate::Taken), (1, Fate::Never(10))].into()));
        assert_eq!(read_produced(&[0, 0, 0, 7, 0, 0, 0, 9], 7), Err(KafkaError::Unreadable));
    }

    #[test]
    fn sums_and_partitions_are_those_of_others() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283, "RFC 3720 has it");
        // From the tests of Apache Kafka (`UtilsTest.testMurmur2`).
        for (key, hash) in [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
        {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
        assert_eq!(partition("accounts", 0), 0, "no division by nothing");
    }

    proptest! {
        #[test]
        fn no_answer_takes_more_than_it_has(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), number in any::<i32>()) {
            let _ = read_where(&bytes, number, "events");
            let _ = read_produced(&bytes, number);
            // Once more behind the right number, which random bytes do not hit.
            bytes.splice(0..0, number.to_be_bytes());
            if let Ok(topic) = read_where(&bytes, number, "events") {
                prop_assert!(topic.leaders.len() <= bytes.len());
            }
            if let Ok(fates) = read_produced(&bytes, number) {
                prop_assert!(fates.len() <= bytes.len());
            }
        }
    }
}
