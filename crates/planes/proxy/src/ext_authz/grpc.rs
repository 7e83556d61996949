//! Questions over gRPC: `envoy.service.auth.v3.Authorization/Check`.

use super::ask::{Asked, Wants};
use super::judge::judge;
use super::plain::{PEER_HEADER, REASON_HEADER};
use super::{Desk, plain};
use crate::answer::{Answer, REQUEST_ID_HEADER};
use bartizan_core::RequestId;
use bartizan_runtime::ext_authz_v3::check_response::HttpResponse;
use bartizan_runtime::ext_authz_v3::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValue, HeaderValueOption, HttpStatus,
    OkHttpResponse, Peer, Status,
};
use std::net::SocketAddr;

/// `google.rpc.Code`: let in.
const OK: i32 = 0;
/// `google.rpc.Code`: denied.
const PERMISSION_DENIED: i32 = 7;
/// `HeaderAppendAction`: takes the place of what is there.
const OVERWRITE: i32 = 2;

pub(super) fn answer(desk: &Desk, question: &CheckRequest) -> CheckResponse {
    let nothing = AttributeContext::default();
    let attributes = question.attributes.as_ref().unwrap_or(&nothing);
    let nobody = Peer::default();
    let source = attributes.source.as_ref().unwrap_or(&nobody);
    let http = attributes.request.as_ref().and_then(|request| request.http.as_ref());
    let traceparent = http.and_then(|http| http.headers.get("traceparent")).map(String::as_str);
    let (trace, parent_span) = plain::trace(traceparent);
    let wants = http.map_or(Wants::Connection, |http| Wants::Request { method: &http.method, target: &http.path });
    let asked = Asked {
        principal: &source.principal,
        certificate: &source.certificate,
        remote: address(source),
        wants,
        trace,
        parent_span,
    };
    match judge(desk, &asked) {
        Ok(admitted) => let_in(vec![
            set("traceparent", String::from_utf8_lossy(&trace.header()).into_owned()),
            set(PEER_HEADER, admitted.id.to_string()),
        ]),
        Err(refusal) => denied(&refusal, trace.request),
    }
}

fn let_in(headers: Vec<HeaderValueOption>) -> CheckResponse {
    let http_response = Some(HttpResponse::OkResponse(OkHttpResponse { headers }));
    CheckResponse { status: Some(Status { code: OK, message: String::new() }), http_response }
}

fn denied(refusal: &Answer, request: RequestId) -> CheckResponse {
    let answer = DeniedHttpResponse {
        status: Some(HttpStatus { code: refusal.status.into() }),
        headers: vec![
            set("content-type", "application/json".to_owned()),
            set(REQUEST_ID_HEADER, request.to_string()),
            set(REASON_HEADER, refusal.word.to_string()),
        ],
        body: refusal.response(request).2,
    };
    let status = Some(Status { code: PERMISSION_DENIED, message: refusal.word.to_string() });
    CheckResponse { status, http_response: Some(HttpResponse::DeniedResponse(answer)) }
}

fn set(key: &str, value: String) -> HeaderValueOption {
    HeaderValueOption { header: Some(HeaderValue { key: key.to_owned(), value }), append_action: OVERWRITE }
}

fn address(peer: &Peer) -> Option<SocketAddr> {
    let at = peer.address.as_ref()?.socket_address.as_ref()?;
    Some(SocketAddr::new(at.address.parse().ok()?, u16::try_from(at.port_value).ok()?))
}
