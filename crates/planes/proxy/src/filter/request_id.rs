//! The thread through all hops: W3C `traceparent`, kept where it is valid and made where it is not.

use super::{Exchange, Filter};
use crate::answer::Answer;
use bartizan_core::{RequestId, TraceContext};
use bartizan_crypto::random;
use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const IT: Filter = Filter { name: "request_id", run };

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if received(&x.head.headers).is_none() {
        x.head.headers.remove(TRACESTATE); // it belongs to a trace that ends here
    }
    let value = HeaderValue::try_from(x.trace.header()).expect("hex digits and dashes are a header value");
    x.head.headers.insert(TRACEPARENT, value);
    Ok(())
}

/// This hop's place in the trace: the request's own id, or a new one, under a new span.
pub fn read(headers: &HeaderMap) -> TraceContext {
    let span = random::u64().max(1);
    match received(headers) {
        Some(before) => TraceContext { span, ..before },
        None => TraceContext { request: RequestId::from_random(random::bytes()), span, flags: 0 },
    }
}

/// The span of the hop before, 0 where there was none.
pub fn parent_span(headers: &HeaderMap) -> u64 {
    received(headers).map_or(0, |before| before.span)
}

/// Two of them are none: which one would the next hop take?
fn received(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => TraceContext::parse(value.to_str().ok()?),
        _ => None,
    }
}
