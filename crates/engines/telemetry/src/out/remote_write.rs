//! `WriteRequest` of Prometheus' remote write, version 1: series with one sample each, in protobuf, compressed as one block of Snappy.
//!
//! Source: prometheus.io, "Prometheus Remote-Write 1.0 specification".

use crate::wire::{put_bytes, put_fixed64, put_varint};

/// The fields of the request, beside its body.
pub const FIELDS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

/// The message, as it is sent: for each series its labels, sorted by name as the specification asks, and the value at that moment
/// (milliseconds since 1970).
///
/// # Errors
/// Where it is longer than a block of Snappy can be: 4 GiB.
pub fn message<'a, L>(at_ms: i64, samples: impl IntoIterator<Item = (L, f64)>) -> Result<Vec<u8>, String>
where
    L: IntoIterator<Item = (&'a str, &'a str)>,
{
    let mut out = Vec::new();
    for (labels, value) in samples {
        let mut series = Vec::new();
        for (name, value) in labels {
            let mut label = Vec::new();
            put_bytes(&mut label, 1, name.as_bytes());
            put_bytes(&mut label, 2, value.as_bytes());
            put_bytes(&mut series, 1, &label);
        }
        let mut sample = Vec::new();
        put_fixed64(&mut sample, 1, value.to_bits());
        // As protobuf has it, what is negative has ten bytes.
        put_varint(&mut sample, 2, at_ms as u64);
        put_bytes(&mut series, 2, &sample);
        put_bytes(&mut out, 1, &series);
    }
    snap::raw::Encoder::new().compress_vec(&out).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Field, Reader};
    use proptest::prelude::*;

    type Read = Vec<(Vec<(String, String)>, u64, i64)>;

    fn text(field: &Field<'_>) -> String {
        let Field::Bytes(bytes) = field else { panic!("{field:?}") };
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn parts<'a>(field: &Field<'a>) -> Vec<(u32, Field<'a>)> {
        let Field::Bytes(bytes) = field else { panic!("{field:?}") };
        Reader::new(bytes).map(Result::unwrap).collect()
    }

    fn read(body: &[u8]) -> Read {
        let plain = snap::raw::Decoder::new().decompress_vec(body).unwrap();
        let series = parts(&Field::Bytes(&plain)).into_iter().map(|(_, series)| {
            let (mut labels, mut value, mut at) = (Vec::new(), 0, 0);
            for (number, field) in parts(&series) {
                let inner = parts(&field);
                if number == 1 {
                    let of = |wanted: u32| inner.iter().find(|(number, _)| *number == wanted).map(|(_, it)| text(it));
                    labels.push((of(1).unwrap_or_default(), of(2).unwrap_or_default()));
                    continue;
                }
                for (number, field) in inner {
                    match (number, field) {
                        (1, Field::Fixed64(bits)) => value = bits,
                        (2, Field::Number(ms)) => at = ms as i64,
                        other => panic!("{other:?}"),
                    }
                }
            }
            (labels, value, at)
        });
        series.collect()
    }

    #[test]
    fn the_end_of_a_series_is_sent_bit_by_bit() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let body = message(-5, [([("__name__", "up"), ("at", "a")], stale), ([("__name__", "x"), ("at", "")], 0.0)]);
        let read = read(&body.unwrap());
        assert_eq!((read[0].1, read[0].2), (0x7ff0_0000_0000_0002, -5));
        assert_eq!(read[0].0, [("__name__".into(), "up".into()), ("at".into(), "a".into())]);
        assert_eq!(read[1].1, 0);
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read(all in proptest::collection::vec((proptest::collection::vec(("[a-z]{1,5}", ".{0,9}"), 1..4), any::<u64>()), 0..20), at_ms in 1_i64..4_000_000_000_000) {
            let samples = all.iter().map(|(labels, bits)| {
                (labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), f64::from_bits(*bits))
            });
            let expected: Read = all.iter().map(|(labels, bits)| (labels.clone(), *bits, at_ms)).collect();
            prop_assert_eq!(read(&message(at_ms, samples).unwrap()), expected);
        }
    }
}
