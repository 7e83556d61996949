//! Questions over plain HTTP: Envoy sends the head of the request itself, and who calls in a header that it sets.

use super::Desk;
use super::ask::{Asked, Wants};
use super::judge::judge;
use crate::filter;
use crate::message::Fields;
use bartizan_core::TraceContext;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};

/// Who calls, as Envoy verified it: `headers_to_add` with `%DOWNSTREAM_PEER_URI_SAN%`.
const PRINCIPAL: HeaderName = HeaderName::from_static("x-bartizan-principal");
/// In answers: who was let in, for the program.
pub(super) const PEER_HEADER: &str = "x-bartizan-peer";
/// In denials: why, in a word.
pub(super) const REASON_HEADER: &str = "x-bartizan-reason";

pub(super) fn answer(desk: &Desk, head: &Parts) -> Response<String> {
    let (trace, parent_span) = trace(only(&head.headers, &header::HeaderName::from_static("traceparent")));
    let asked = Asked {
        principal: only(&head.headers, &PRINCIPAL).unwrap_or_default(),
        certificate: "",
        remote: None,
        wants: Wants::Request {
            method: head.method.as_str(),
            target: head.uri.path_and_query().map_or("", |target| target.as_str()),
        },
        trace,
        parent_span,
    };
    let (mut response, reason) = match judge(desk, &asked) {
        Ok(admitted) => {
            let mut response = Response::new(String::new());
            let peer = HeaderValue::try_from(admitted.id.as_str()).expect("a SPIFFE ID is visible ASCII");
            response.headers_mut().insert(PEER_HEADER, peer);
            let next = HeaderValue::from_bytes(&trace.header()).expect("hex digits and dashes are a header value");
            response.headers_mut().insert("traceparent", next);
            (response, None)
        }
        Err(refusal) => {
            let reason = HeaderValue::try_from(&*refusal.word).ok();
            let (status, fields, text) = refusal.response(trace.request);
            let mut response = Response::new(text);
            (*response.status_mut(), *response.headers_mut()) = (status, fields.to_map());
            (response, reason)
        }
    };
    if let Some(reason) = reason {
        response.headers_mut().insert(REASON_HEADER, reason);
    }
    let id = HeaderValue::from_bytes(&trace.request.digits()).expect("hex digits are a header value");
    response.headers_mut().insert(crate::answer::REQUEST_ID_HEADER, id);
    response
}

/// The question's place in its trace, and the span of the hop before.
pub(super) fn trace(traceparent: Option<&str>) -> (TraceContext, u64) {
    let mut fields = Fields::default();
    if let Some(value) = traceparent {
        fields.append("traceparent", value.as_bytes());
    }
    filter::read_trace(&fields)
}

/// The value of a header that came exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}
