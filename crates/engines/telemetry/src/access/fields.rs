//! Lines of JSON: Envoy and Istio by their operators' names, Linkerd, nginx, and what programs log by the words of OpenTelemetry and ECS.

use super::{Access, address, said, short};
use bartizan_core::event::Telemetry;
use std::sync::Arc;

/// Names under which each part goes; the first that is there counts.
const METHOD: &[&str] = &["http.request.method", "http.method", "method", "request_method", "verb"];
const PATH: &[&str] =
    &["url.path", "http.target", "url.original", "path", "request_uri", "uri", "http.url", "url.full"];
const QUERY: &[&str] = &["url.query", "query_string", "args"];
const STATUS: &[&str] = &["http.response.status_code", "http.status_code", "response_code", "status", "status_code"];
/// `GET /a HTTP/1.1` in one.
const REQUEST: &[&str] = &["request", "request_line"];
/// The nearest to the beginning first.
const CLIENT: &[&str] = &[
    "client.address",
    "client.ip",
    "source.ip",
    "x_forwarded_for",
    "x-forwarded-for",
    "http_x_forwarded_for",
    "remote_addr",
    "client.addr",
    "downstream_remote_address",
    "net.peer.ip",
    "remote_ip",
    "client_ip",
    "ip",
];
const USER: &[&str] = &["user.name", "enduser.id", "user.id", "remote_user", "user", "username"];
/// Who called, by its certificate or its own word.
const FROM: &[&str] =
    &["source.service", "downstream_peer_uri_san", "downstream_peer", "client.id", "source_principal"];
const TO: &[&str] = &["destination.service", "upstream_cluster", "authority", "host", "server.address", "http.host"];
const SENT: &[&str] =
    &["http.response.body.size", "bytes_sent", "body_bytes_sent", "response_bytes", "http.response.body.bytes", "size"];
const RECEIVED: &[&str] =
    &["http.request.body.size", "bytes_received", "request_length", "request_bytes", "http.request.body.bytes"];
const AGENT: &[&str] = &["user_agent.original", "user_agent", "http_user_agent", "http.user_agent", "user-agent"];
/// What repeats a query or names where somebody came from.
const DROPPED: &[&str] = &[
    "referer",
    "http_referer",
    "http.request.referrer",
    "referrer",
    "event.original",
    "x_envoy_original_path",
    "x-envoy-original-path",
];

/// The request that a record's attributes tell of; they are taken out of it.
pub(super) fn read(it: &mut Telemetry) -> Option<Access> {
    let value = |keys: &[&str]| keys.iter().find_map(|key| it.attribute(key)).and_then(said);
    let mut access = Access::default();
    match (value(METHOD), value(PATH)) {
        (Some(method), Some(target)) => {
            access.method = method.to_ascii_uppercase();
            access.target(&target);
        }
        _ => access.request(&value(REQUEST)?)?,
    }
    access.query = access.query.or_else(|| value(QUERY));
    access.status = value(STATUS)?.parse().ok()?;
    access.client = CLIENT.iter().filter_map(|key| it.attribute(key)).find_map(address).unwrap_or_default();
    access.user = value(USER);
    access.from = value(FROM).and_then(|text| short(&text));
    access.to = TO.iter().filter_map(|key| it.attribute(key)).find_map(short);
    (access.sent, access.received) =
        (value(SENT).and_then(|n| n.parse().ok()), value(RECEIVED).and_then(|n| n.parse().ok()));
    access.agent = value(AGENT);
    let taken = [METHOD, PATH, QUERY, STATUS, REQUEST, CLIENT, USER, FROM, TO, SENT, RECEIVED, AGENT, DROPPED].concat();
    let is_taken = |key: &Arc<str>| taken.contains(&&**key);
    // Under whatever name it stands there once more.
    it.attributes.retain(|(key, value)| !is_taken(key) && !access.repeats_query(value));
    it.attributes.iter_mut().for_each(|(_, value)| cut_query(value));
    Some(access)
}

/// Cuts the query off what is a path or an address: of before it was rewritten, or of something else that was asked for.
fn cut_query(value: &mut Arc<str>) {
    let is_target = value.starts_with('/') || value.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(' '));
    if let Some((target, _)) = value.split_once('?').filter(|_| is_target) {
        *value = target.into();
    }
}
