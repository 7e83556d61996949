//! Lines of JSON as programs log them, with the names that are common for time, severity, text and service (ECS, Bunyan, zap, pino, Serilog,
//! the OpenTelemetry collector).

use crate::any::{Any, Budget};
use crate::draft::Draft;
use crate::handed::{Handed, Malformed, Scene, Taken};
use crate::limits::LINE_BYTES_MAX;
use crate::moment::rfc3339;
use bartizan_core::Timestamp;
use bartizan_core::event::Signal;
use serde_json::{Map, Value};

const TIMES: &[&str] = &["@timestamp", "timestamp", "time", "ts", "@t"];
const TEXTS: &[&str] = &["message", "msg", "@m", "body", "event"];
const SEVERITIES: &[&str] = &["log.level", "level", "severity", "@l", "levelname"];
const SERVICES: &[&str] = &["service.name", "service", "app", "application", "logger"];
const NAMES: &[&str] = &["event.action", "event.name"];

/// Lines, each an object. Empty ones are stepped over.
pub fn read(text: &[u8], scene: &Scene) -> Taken {
    let mut taken = Taken::default();
    for line in text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        match taken.is_full() {
            true => taken.refuse_surplus(),
            false => taken.take(read_line(line, scene)),
        }
    }
    taken
}

/// One line.
///
/// # Errors
/// [`Malformed`] where it is no JSON object, or too long.
pub fn read_line(line: &[u8], scene: &Scene) -> Result<Handed, Malformed> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Malformed("a line is too long"));
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(line) else {
        return Err(Malformed("a line is no JSON object"));
    };
    let mut draft = Draft::new(Signal::Log, scene, None);
    draft.it.said_at = take(&mut fields, TIMES, time);
    draft.it.severity = take(&mut fields, SEVERITIES, severity).unwrap_or_default();
    if let Some(text) = take(&mut fields, TEXTS, |value| value.as_str().map(str::to_owned)) {
        draft.body(&text);
    }
    if let Some(name) = take(&mut fields, NAMES, |value| value.as_str().map(str::to_owned)) {
        draft.name(&name);
    }
    let named = |value: &Value| value.as_str().or_else(|| value.get("name")?.as_str()).map(str::to_owned);
    if let Some(service) = take(&mut fields, SERVICES, named) {
        draft.emitter(&service);
    }
    let mut budget = Budget::new();
    for (key, value) in &fields {
        draft.value(key, &Any::of_json(value, &mut budget)?);
    }
    Ok(draft.finish())
}

/// The first of `keys` that says something; it is taken out. `a.b` is also found as `b` in `a`.
fn take<T>(fields: &mut Map<String, Value>, keys: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    for key in keys {
        if let Some(found) = fields.get(*key).and_then(&read) {
            fields.remove(*key);
            return Some(found);
        }
        if let Some((outer, inner)) = key.split_once('.')
            && let Some(found) = fields.get(outer).and_then(|it| it.get(inner)).and_then(&read)
        {
            if let Some(Value::Object(it)) = fields.get_mut(outer) {
                it.remove(inner);
            }
            return Some(found);
        }
    }
    None
}

/// RFC 3339, or a number of seconds, milliseconds, microseconds or nanoseconds since 1970, whichever is of this century.
fn time(value: &Value) -> Option<Timestamp> {
    if let Some(text) = value.as_str() {
        return rfc3339(text);
    }
    let number = value.as_f64().filter(|number| *number >= 1e9)?;
    let ms = match number {
        ..1e11 => number * 1e3,
        ..1e14 => number,
        ..1e17 => number / 1e3,
        _ => number / 1e6,
    };
    Some(Timestamp::from_millis(ms as u64))
}

/// A word, or a number of Bunyan and pino.
fn severity(value: &Value) -> Option<u8> {
    if let Some(level) = value.as_u64() {
        return Some(match level {
            0..=10 => 1,
            11..=20 => 5,
            21..=30 => 9,
            31..=40 => 13,
            41..=50 => 17,
            _ => 21,
        });
    }
    Some(match value.as_str()?.to_ascii_lowercase().as_str() {
        "trace" | "verbose" => 1,
        "debug" => 5,
        "info" | "information" | "informational" => 9,
        "notice" => 10,
        "warn" | "warning" => 13,
        "error" | "err" => 17,
        "critical" | "crit" => 18,
        "alert" => 19,
        "fatal" | "emergency" | "emerg" | "panic" => 21,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scene() -> Scene {
        Scene { source: "ndjson".into(), from: "me".into(), now: Timestamp::from_secs(1_800_000_000) }
    }

    #[test]
    fn lines_that_are_none_are_counted() {
        let taken = read(b"{\"msg\":\"a\"}\n\nnot json\r\n[1]\n\"x\"\n{\"msg\":\"b\"}", &scene());
        assert_eq!((taken.records.len(), taken.malformed), (2, 3));
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100));
        assert!(read_line(deep.as_bytes(), &scene()).is_err());
        assert!(read_line(format!("{{\"a\":\"{}\"}}", "x".repeat(LINE_BYTES_MAX)).as_bytes(), &scene()).is_err());
    }

    #[test]
    fn common_names_are_understood() {
        let at = rfc3339("2026-11-27T13:43:29.5Z");
        for line in [
            r#"{"@timestamp":"2026-11-27T13:43:29.5Z","log.level":"ERROR","message":"no","service.name":"accounts","n":{"m":1}}"#,
            r#"{"time":1795787009500,"level":50,"msg":"no","service":{"name":"accounts"},"n.m":1}"#,
            r#"{"ts":1795787009.5,"level":"error","msg":"no","app":"accounts","n.m":1}"#,
            r#"{"timestamp":1795787009500000000,"severity":"err","body":"no","log":{},"service":{"name":"accounts"},"n":{"m":1}}"#,
        ] {
            let it = read_line(line.as_bytes(), &scene()).unwrap().telemetry;
            assert_eq!((it.said_at, it.severity, &*it.body), (at, 17, "no"), "{line}");
            assert_eq!((it.emitter.as_deref(), it.attribute("n.m")), (Some("accounts"), Some("1")), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_counted_line_by_line(bytes: Vec<u8>) {
            let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
            prop_assert_eq!(read(&bytes, &scene()).came(), lines as u64);
        }
    }
}
