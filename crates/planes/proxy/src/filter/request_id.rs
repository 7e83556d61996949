//! The thread through all hops: W3C `traceparent`, kept where it is valid and made where it is not.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::message::Fields;
use bartizan_core::{RequestId, TraceContext};
use bartizan_crypto::random;

pub(super) const IT: Filter = Filter { name: "request_id", run };

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    if received(&x.head.fields).is_none() {
        x.head.fields.remove(TRACESTATE); // it belongs to a trace that ends here
    }
    x.head.fields.set(TRACEPARENT, &x.trace.header());
    Ok(())
}

/// This hop's place in the trace: the request's own id, or a new one, under a new span; and the span of the hop before, 0 where
/// there was none.
pub fn read(fields: &Fields) -> (TraceContext, u64) {
    let span = random::name().max(1);
    match received(fields) {
        Some(before) => (TraceContext { span, ..before }, before.span),
        None => (TraceContext { request: new_id(), span, flags: 0 }, 0),
    }
}

/// An id for a request that brought none. It is looked up by it, and nothing is protected by it.
pub fn new_id() -> RequestId {
    let (high, low) = (random::name().to_be_bytes(), random::name().to_be_bytes());
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high);
    bytes[8..].copy_from_slice(&low);
    RequestId::from_random(bytes)
}

/// Two of them are none: which one would the next hop take?
fn received(fields: &Fields) -> Option<TraceContext> {
    TraceContext::parse(fields.only(TRACEPARENT)?)
}
