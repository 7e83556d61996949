#![no_main]
//! What is handed in is read in bounds, whatever it is; the two forms of OTLP, syslog, lines, audit records and frames; and what a broker of Kafka answers.
use bartizan_core::Timestamp;
use bartizan_telemetry::frames::{Frame, first};
use bartizan_telemetry::limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX, BODY_BYTES_MAX, RECORDS_MAX};
use bartizan_telemetry::otlp::{self, Kind};
use bartizan_telemetry::out::kafka;
use bartizan_telemetry::{Handed, Scene, Taken, audit, ndjson, syslog};
use libfuzzer_sys::fuzz_target;

fn check(handed: &Handed) {
    let it = &handed.telemetry;
    assert!(it.body.len() <= BODY_BYTES_MAX && it.attributes.len() <= ATTRIBUTES_MAX);
    assert!(it.attributes.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= ATTRIBUTE_BYTES_MAX);
    assert!(handed.at() <= it.came_at);
}

fn check_all(taken: &Taken) {
    assert!(taken.records.len() <= RECORDS_MAX);
    taken.records.iter().for_each(check);
}

/// The one that an answer has to begin with.
fn number(bytes: &[u8]) -> i32 {
    bytes.first_chunk().map_or(0, |number| i32::from_be_bytes(*number))
}

fuzz_target!(|bytes: &[u8]| {
    let scene = Scene { source: "fuzz".into(), from: "me".into(), now: Timestamp::from_secs(1_800_000_000) };
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 12 {
        at @ 0..=2 => {
            if let Ok(taken) = otlp::read_proto(Kind::ALL[usize::from(at)], bytes, &scene) {
                check_all(&taken);
            }
        }
        at @ 3..=5 => {
            if let Ok(taken) = otlp::read_json(Kind::ALL[usize::from(at - 3)], bytes, &scene) {
                check_all(&taken);
            }
        }
        6 => {
            if let Ok(handed) = syslog::read(bytes, &scene) {
                check(&handed);
            }
        }
        7 => check_all(&ndjson::read(bytes, &scene)),
        8 => {
            if let Ok(taken) = audit::read(bytes, &scene) {
                check_all(&taken);
            }
        }
        9 => {
            if let Ok(topic) = kafka::read_where(bytes, number(bytes), "events") {
                assert!(topic.leaders.len() <= bytes.len());
            }
        }
        10 => {
            if let Ok(fates) = kafka::read_produced(bytes, number(bytes)) {
                assert!(fates.len() <= bytes.len());
            }
        }
        _ => {
            if let Frame::Whole { start, len, used } = first(bytes, which & 16 == 0, 64) {
                assert!(start + len <= used && used <= bytes.len() && len <= 64);
            }
        }
    }
});
