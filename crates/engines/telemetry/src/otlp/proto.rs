//! The protobuf form. Numbers of fields are those of opentelemetry-proto.

use super::{Happened, Kind, Shared, add_events, span_kind};
use crate::any::{Any, Budget, utf8};
use crate::draft::Draft;
use crate::handed::{Handed, Malformed, Scene, Taken};
use crate::limits::SPAN_EVENTS_MAX;
use crate::wire::{Field, Reader};
use bartizan_core::RequestId;
use bartizan_core::event::Signal;

pub(super) fn read(kind: Kind, message: &[u8], scene: &Scene) -> Result<Taken, Malformed> {
    let mut taken = Taken::default();
    for part in Reader::new(message) {
        if let (1, Field::Bytes(of_resource)) = part? {
            resource(kind, of_resource, scene, &mut taken)?;
        }
    }
    Ok(taken)
}

/// `ResourceLogs`, `ResourceSpans`, `ResourceMetrics`: the resource (1), then scopes (2).
fn resource(kind: Kind, message: &[u8], scene: &Scene, taken: &mut Taken) -> Result<(), Malformed> {
    let mut shared = Shared::default();
    // The resource may come behind what it is about.
    for part in Reader::new(message) {
        if let (1, Field::Bytes(resource)) = part? {
            let mut budget = Budget::new();
            for attribute in Reader::new(resource) {
                if let (1, Field::Bytes(entry)) = attribute?
                    && let Ok((key, value)) = Any::key_value(entry, &mut budget)
                {
                    shared.add(&key, &value);
                }
            }
        }
    }
    for part in Reader::new(message) {
        let (2, Field::Bytes(of_scope)) = part? else { continue };
        for record in Reader::new(of_scope) {
            let (2, Field::Bytes(record)) = record? else { continue };
            if taken.is_full() {
                taken.refuse_surplus();
                continue;
            }
            match kind {
                Kind::Logs => taken.take(log(record, scene, &shared)),
                Kind::Traces => taken.take(span(record, scene, &shared)),
                Kind::Metrics => metric(record, scene, &shared, taken),
            }
        }
    }
    Ok(())
}

/// `LogRecord`.
fn log(record: &[u8], scene: &Scene, shared: &Shared) -> Result<Handed, Malformed> {
    let mut draft = Draft::new(Signal::Log, scene, shared.emitter.clone());
    let mut budget = Budget::new();
    let mut observed = 0;
    for field in Reader::new(record) {
        match field? {
            (1, Field::Fixed64(ns)) => draft.said_at_ns(ns),
            (2, Field::Number(severity)) => draft.it.severity = u8::try_from(severity).unwrap_or_default().min(24),
            (3, Field::Bytes(text)) => draft.attribute("severity_text", utf8(text)?),
            (5, Field::Bytes(value)) => draft.body(&Any::of_proto(value, &mut budget)?.to_text()),
            (6, Field::Bytes(entry)) => attribute(&mut draft, entry, &mut budget)?,
            (9, Field::Bytes(id)) => draft.request = trace_id(id)?,
            (10, Field::Bytes(id)) => draft.it.parent_span = span_id(id)?,
            (11, Field::Fixed64(ns)) => observed = ns,
            (12, Field::Bytes(name)) => draft.name(utf8(name)?),
            _ => {}
        }
    }
    if draft.it.said_at.is_none() {
        draft.said_at_ns(observed);
    }
    draft.shared(&shared.attributes);
    Ok(draft.finish())
}

/// `Span`.
fn span(record: &[u8], scene: &Scene, shared: &Shared) -> Result<Handed, Malformed> {
    let mut draft = Draft::new(Signal::Span, scene, shared.emitter.clone());
    let mut budget = Budget::new();
    let (mut start, mut end, mut events) = (0, 0, Vec::new());
    for field in Reader::new(record) {
        match field? {
            (1, Field::Bytes(id)) => draft.request = trace_id(id)?,
            (2, Field::Bytes(id)) => draft.it.span = span_id(id)?,
            (4, Field::Bytes(id)) => draft.it.parent_span = span_id(id)?,
            (5, Field::Bytes(name)) => draft.name(utf8(name)?),
            (6, Field::Number(kind)) => {
                if let Some(kind) = span_kind(kind) {
                    draft.attribute("span.kind", kind);
                }
            }
            (7, Field::Fixed64(ns)) => start = ns,
            (8, Field::Fixed64(ns)) => end = ns,
            (9, Field::Bytes(entry)) => attribute(&mut draft, entry, &mut budget)?,
            (11, Field::Bytes(event)) if events.len() < SPAN_EVENTS_MAX => events.push(happened(event, &mut budget)?),
            (11 | 13, _) => draft.it.cut += 1,
            (15, Field::Bytes(status)) => span_status(&mut draft, status)?,
            _ => {}
        }
    }
    if draft.request.is_none() || draft.it.span == 0 {
        return Err(Malformed("a span without trace id or span id"));
    }
    draft.said_at_ns(end);
    draft.it.took_us = end.saturating_sub(start) / 1_000;
    add_events(&mut draft, events);
    draft.shared(&shared.attributes);
    Ok(draft.finish())
}

fn span_status(draft: &mut Draft, status: &[u8]) -> Result<(), Malformed> {
    for field in Reader::new(status) {
        match field? {
            (2, Field::Bytes(message)) => draft.body(utf8(message)?),
            (3, Field::Number(code)) => draft.it.failed = code == 2,
            _ => {}
        }
    }
    Ok(())
}

/// `Span.Event`.
fn happened<'a>(event: &'a [u8], budget: &mut Budget) -> Result<Happened<'a>, Malformed> {
    let mut it = Happened { name: "".into(), attributes: Vec::new() };
    for field in Reader::new(event) {
        match field? {
            (2, Field::Bytes(name)) => it.name = utf8(name)?.into(),
            (3, Field::Bytes(entry)) => it.attributes.push(Any::key_value(entry, budget)?),
            _ => {}
        }
    }
    Ok(it)
}

/// `Metric`: each of its points is a record.
fn metric(record: &[u8], scene: &Scene, shared: &Shared, taken: &mut Taken) {
    match metric_points(record) {
        Err(malformed) => taken.take(Err(malformed)),
        Ok((name, unit, points)) => {
            for (kind, bytes) in points {
                match taken.is_full() {
                    true => taken.refuse_surplus(),
                    false => taken.take(point(kind, bytes, (name, unit), scene, shared)),
                }
            }
        }
    }
}

/// What a point is one of; fields differ.
#[derive(Clone, Copy)]
enum Points {
    Numbers,
    Histogram,
    ExponentialHistogram,
    Summary,
}

type Metric<'a> = (&'a str, &'a str, Vec<(Points, &'a [u8])>);

fn metric_points(record: &[u8]) -> Result<Metric<'_>, Malformed> {
    let (mut name, mut unit, mut points) = ("", "", Vec::new());
    for field in Reader::new(record) {
        let (kind, of_kind) = match field? {
            (1, Field::Bytes(text)) => {
                name = utf8(text)?;
                continue;
            }
            (3, Field::Bytes(text)) => {
                unit = utf8(text)?;
                continue;
            }
            (5 | 7, Field::Bytes(it)) => (Points::Numbers, it),
            (9, Field::Bytes(it)) => (Points::Histogram, it),
            (10, Field::Bytes(it)) => (Points::ExponentialHistogram, it),
            (11, Field::Bytes(it)) => (Points::Summary, it),
            _ => continue,
        };
        for field in Reader::new(of_kind) {
            if let (1, Field::Bytes(point)) = field? {
                points.push((kind, point));
            }
        }
    }
    Ok((name, unit, points))
}

fn point(
    kind: Points,
    record: &[u8],
    (name, unit): (&str, &str),
    scene: &Scene,
    shared: &Shared,
) -> Result<Handed, Malformed> {
    let mut draft = Draft::new(Signal::Metric, scene, shared.emitter.clone());
    let mut budget = Budget::new();
    draft.name(name);
    let (mut value, mut count, mut sum) = (None, None, None);
    for field in Reader::new(record) {
        match (kind, field?) {
            (_, (3, Field::Fixed64(ns))) => draft.said_at_ns(ns),
            (Points::Numbers, (4, Field::Fixed64(bits))) => value = Some(f64::from_bits(bits).to_string()),
            (Points::Numbers, (6, Field::Fixed64(bits))) => value = Some(bits.cast_signed().to_string()),
            (Points::Histogram | Points::ExponentialHistogram | Points::Summary, (4, Field::Fixed64(n))) => {
                count = Some(n);
            }
            (Points::Histogram | Points::ExponentialHistogram | Points::Summary, (5, Field::Fixed64(bits))) => {
                sum = Some(f64::from_bits(bits));
            }
            (Points::Numbers | Points::Summary, (7, Field::Bytes(entry)))
            | (Points::Histogram, (9, Field::Bytes(entry)))
            | (Points::ExponentialHistogram, (1, Field::Bytes(entry))) => {
                attribute(&mut draft, entry, &mut budget)?;
            }
            _ => {}
        }
    }
    super::json::set_point(&mut draft, unit, value, count, sum);
    draft.shared(&shared.attributes);
    Ok(draft.finish())
}

fn attribute(draft: &mut Draft, entry: &[u8], budget: &mut Budget) -> Result<(), Malformed> {
    let (key, value) = Any::key_value(entry, budget)?;
    draft.value(&key, &value);
    Ok(())
}

fn trace_id(bytes: &[u8]) -> Result<Option<RequestId>, Malformed> {
    match bytes.len() {
        0 => Ok(None),
        16 => Ok(bytes.try_into().ok().and_then(RequestId::from_bytes)),
        _ => Err(Malformed("a trace id that has not 16 bytes")),
    }
}

fn span_id(bytes: &[u8]) -> Result<u64, Malformed> {
    match bytes.len() {
        0 => Ok(0),
        8 => Ok(bytes.iter().fold(0, |id, byte| id << 8 | u64::from(*byte))),
        _ => Err(Malformed("a span id that has not 8 bytes")),
    }
}
