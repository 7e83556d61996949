//! The JSON form: names in lower camel case, ids as hex digits, 64-bit numbers as texts, enumerations as numbers (some write their names).

use super::{Happened, Kind, Shared, add_events, span_kind};
use crate::any::{Any, Budget};
use crate::draft::Draft;
use crate::handed::{Handed, Malformed, Scene, Taken};
use crate::limits::SPAN_EVENTS_MAX;
use bartizan_core::RequestId;
use bartizan_core::event::Signal;
use serde_json::Value;

pub(super) fn read(kind: Kind, message: &[u8], scene: &Scene) -> Result<Taken, Malformed> {
    let message: Value = serde_json::from_slice(message).map_err(|_| Malformed("not JSON"))?;
    let (resources, scopes, records) = match kind {
        Kind::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
        Kind::Traces => ("resourceSpans", "scopeSpans", "spans"),
        Kind::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
    };
    if !message.is_object() {
        return Err(Malformed("the message is no object"));
    }
    let mut taken = Taken::default();
    for resource in list(&message, resources)? {
        let mut shared = Shared::default();
        let mut budget = Budget::new();
        for entry in resource.get("resource").map_or(Ok(&[][..]), |it| list(it, "attributes"))? {
            if let Ok((key, value)) = Any::otlp_entry(entry, &mut budget) {
                shared.add(&key, &value);
            }
        }
        for scope in list(resource, scopes)? {
            for record in list(scope, records)? {
                if taken.is_full() {
                    taken.refuse_surplus();
                    continue;
                }
                match kind {
                    Kind::Logs => taken.take(log(record, scene, &shared)),
                    Kind::Traces => taken.take(span(record, scene, &shared)),
                    Kind::Metrics => metric(record, scene, &shared, &mut taken),
                }
            }
        }
    }
    Ok(taken)
}

fn log(record: &Value, scene: &Scene, shared: &Shared) -> Result<Handed, Malformed> {
    let mut draft = Draft::new(Signal::Log, scene, shared.emitter.clone());
    let mut budget = Budget::new();
    let said = number(record, "timeUnixNano")?;
    draft.said_at_ns(if said == 0 { number(record, "observedTimeUnixNano")? } else { said });
    draft.it.severity = match record.get("severityNumber") {
        Some(Value::String(name)) => severity(name).ok_or(Malformed("a severity of no known name"))?,
        Some(it) => u8::try_from(it.as_u64().unwrap_or_default()).unwrap_or_default().min(24),
        None => 0,
    };
    if let Some(text) = text(record, "severityText") {
        draft.attribute("severity_text", text);
    }
    if let Some(body) = record.get("body").filter(|body| !body.is_null()) {
        draft.body(&Any::of_otlp_json(body, &mut budget)?.to_text());
    }
    draft.name(text(record, "eventName").unwrap_or_default());
    attributes(&mut draft, record, &mut budget)?;
    draft.request = trace_id(record)?.or(draft.request);
    draft.it.parent_span = span_id(record, "spanId")?;
    draft.shared(&shared.attributes);
    Ok(draft.finish())
}

fn span(record: &Value, scene: &Scene, shared: &Shared) -> Result<Handed, Malformed> {
    let mut draft = Draft::new(Signal::Span, scene, shared.emitter.clone());
    let mut budget = Budget::new();
    draft.request = trace_id(record)?;
    draft.it.span = span_id(record, "spanId")?;
    draft.it.parent_span = span_id(record, "parentSpanId")?;
    if draft.request.is_none() || draft.it.span == 0 {
        return Err(Malformed("a span without trace id or span id"));
    }
    draft.name(text(record, "name").unwrap_or_default());
    let kind = match record.get("kind") {
        Some(Value::String(name)) => name.strip_prefix("SPAN_KIND_").map(str::to_ascii_lowercase),
        Some(number) => span_kind(number.as_u64().unwrap_or_default()).map(str::to_owned),
        None => None,
    };
    if let Some(kind) = kind {
        draft.attribute("span.kind", &kind);
    }
    let (start, end) = (number(record, "startTimeUnixNano")?, number(record, "endTimeUnixNano")?);
    draft.said_at_ns(end);
    draft.it.took_us = end.saturating_sub(start) / 1_000;
    attributes(&mut draft, record, &mut budget)?;
    let all = list(record, "events")?;
    draft.it.cut += u32::try_from(all.len().saturating_sub(SPAN_EVENTS_MAX)).unwrap_or(u32::MAX);
    let mut events = Vec::new();
    for event in all.iter().take(SPAN_EVENTS_MAX) {
        let entries = list(event, "attributes")?.iter().map(|entry| Any::otlp_entry(entry, &mut budget));
        let attributes = entries.collect::<Result<_, _>>()?;
        events.push(Happened { name: text(event, "name").unwrap_or_default().into(), attributes });
    }
    add_events(&mut draft, events);
    if let Some(status) = record.get("status") {
        draft.it.failed = match status.get("code") {
            Some(Value::String(name)) => name == "STATUS_CODE_ERROR",
            code => code.and_then(Value::as_u64) == Some(2),
        };
        draft.body(text(status, "message").unwrap_or_default());
    }
    draft.shared(&shared.attributes);
    Ok(draft.finish())
}

fn metric(record: &Value, scene: &Scene, shared: &Shared, taken: &mut Taken) {
    let (name, unit) = (text(record, "name").unwrap_or_default(), text(record, "unit").unwrap_or_default());
    for kind in ["gauge", "sum", "histogram", "exponentialHistogram", "summary"] {
        let Some(of_kind) = record.get(kind) else { continue };
        match list(of_kind, "dataPoints") {
            Err(malformed) => taken.take(Err(malformed)),
            Ok(points) => {
                for it in points {
                    match taken.is_full() {
                        true => taken.refuse_surplus(),
                        false => taken.take(point(it, (name, unit), scene, shared)),
                    }
                }
            }
        }
    }
}

fn point(record: &Value, (name, unit): (&str, &str), scene: &Scene, shared: &Shared) -> Result<Handed, Malformed> {
    let mut draft = Draft::new(Signal::Metric, scene, shared.emitter.clone());
    let mut budget = Budget::new();
    draft.name(name);
    draft.said_at_ns(number(record, "timeUnixNano")?);
    let value = match (record.get("asInt"), record.get("asDouble")) {
        (Some(Value::String(text)), _) => {
            Some(text.parse::<i64>().map_err(|_| Malformed("`asInt` is no whole number"))?.to_string())
        }
        (Some(value), _) | (None, Some(value)) => Some(value.to_string()),
        (None, None) => None,
    };
    let count = record.get("count").map(|_| number(record, "count")).transpose()?;
    attributes(&mut draft, record, &mut budget)?;
    set_point(&mut draft, unit, value, count, record.get("sum").and_then(Value::as_f64));
    draft.shared(&shared.attributes);
    Ok(draft.finish())
}

/// What a point says, for people and for a search: `12.5 ms`, `count 3, sum 40`.
pub(super) fn set_point(draft: &mut Draft, unit: &str, value: Option<String>, count: Option<u64>, sum: Option<f64>) {
    let unit = if unit.is_empty() || unit == "1" { String::new() } else { format!(" {unit}") };
    let text = match (value, count, sum) {
        (Some(value), ..) => format!("{value}{unit}"),
        (None, Some(count), Some(sum)) => format!("count {count}, sum {sum}{unit}"),
        (None, Some(count), None) => format!("count {count}"),
        (None, None, _) => String::new(),
    };
    draft.body(&text);
}

fn attributes(draft: &mut Draft, record: &Value, budget: &mut Budget) -> Result<(), Malformed> {
    for entry in list(record, "attributes")? {
        let (key, value) = Any::otlp_entry(entry, budget)?;
        draft.value(&key, &value);
    }
    Ok(())
}

/// The list at `key`; an empty one where there is none.
fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], Malformed> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Malformed("a list was expected")),
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// A 64-bit number, as text or as number; 0 where there is none.
fn number(value: &Value, key: &str) -> Result<u64, Malformed> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::String(text)) => text.parse().map_err(|_| Malformed("not a whole number")),
        Some(number) => number.as_u64().ok_or(Malformed("not a whole number")),
    }
}

fn trace_id(record: &Value) -> Result<Option<RequestId>, Malformed> {
    match text(record, "traceId").unwrap_or_default() {
        "" | "00000000000000000000000000000000" => Ok(None),
        digits => RequestId::parse(&digits.to_ascii_lowercase())
            .map(Some)
            .ok_or(Malformed("a trace id that has not 32 hex digits")),
    }
}

fn span_id(record: &Value, key: &str) -> Result<u64, Malformed> {
    match text(record, key).unwrap_or_default() {
        "" => Ok(0),
        digits if digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).map_err(|_| Malformed("a span id that has not 16 hex digits"))
        }
        _ => Err(Malformed("a span id that has not 16 hex digits")),
    }
}

/// `SEVERITY_NUMBER_WARN2` is 14.
fn severity(name: &str) -> Option<u8> {
    let name = name.strip_prefix("SEVERITY_NUMBER_")?;
    if name == "UNSPECIFIED" {
        return Some(0);
    }
    let bases = [("TRACE", 1), ("DEBUG", 5), ("INFO", 9), ("WARN", 13), ("ERROR", 17), ("FATAL", 21)];
    let (rest, base) = bases.iter().find_map(|(word, base)| Some((name.strip_prefix(word)?, *base)))?;
    match rest {
        "" => Some(base),
        "2" => Some(base + 1),
        "3" => Some(base + 2),
        "4" => Some(base + 3),
        _ => None,
    }
}
