//! HTTP that the guard reads: each request is judged alone, dialled alone, and goes out under the name that was judged.

use super::body::{OutBody, Passed};
use super::credential;
use super::dial::dial;
use super::judge::{Asked, Leave, judge, still};
use super::metered::{Bytes as Counted, Metered};
use super::serve::{answer, refusal};
use super::trip::Trip;
use super::way::Way;
use crate::framing::check_method;
use crate::limits;
use bartizan_core::egress::{Outside, Refusal};
use bartizan_core::path;
use bartizan_runtime::clock;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

/// Headers of one hop (RFC 9110 section 7.6.1), those of proxies, and lengths: hyper writes them anew from the body it sends.
const HOP: &[&str] = &[
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "proxy-authorization",
    "proxy-authenticate",
    "expect",
];
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// What a request is for.
struct Wish {
    asked: Asked,
    port: u16,
    target: PathAndQuery,
}

/// Answers one request; `captured` is where its connection was on its way to, where it was captured.
pub(super) async fn forward(
    way: Rc<Way>,
    request: Request<Incoming>,
    captured: Option<SocketAddr>,
) -> Response<OutBody> {
    let wish = match wish(&request, captured) {
        Ok(wish) => wish,
        Err(why) => {
            Trip::to(&way, captured.map(|at| Asked::Address(at.ip())), captured.map_or(0, |at| at.port()), "http")
                .refused(why, None);
            return refusal(why);
        }
    };
    let trip = Trip::to(&way, Some(wish.asked.clone()), wish.port, "http");
    let dialled = captured.map(|at| at.ip());
    let leave = Box::pin(judge(&way, &wish.asked, wish.port, &[Outside::Http], dialled)).await;
    let prepared = leave.and_then(|leave| prepare(&way, request, &wish, &leave).map(|request| (request, leave)));
    match prepared {
        Ok((request, leave)) => Box::pin(send(way, trip, request, wish.asked, leave)).await,
        Err(why) => {
            trip.refused(why, None);
            refusal(why)
        }
    }
}

/// Who is meant, from everything that says so; two answers are none.
fn wish(request: &Request<Incoming>, captured: Option<SocketAddr>) -> Result<Wish, Refusal> {
    check_method(request.method().as_str().as_bytes()).map_err(|_| Refusal::BadRequest)?;
    let uri = request.uri();
    let target = uri.path_and_query().filter(|it| it.path().starts_with('/')).cloned().ok_or(Refusal::BadRequest)?;
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(host.to_str().map_err(|_| Refusal::HostMismatch)?),
        (Some(_), Some(_)) => return Err(Refusal::HostMismatch),
    };
    let host = host.map(|host| place(host).ok_or(Refusal::HostMismatch)).transpose()?;
    let absolute = match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => Some(place(authority.as_str()).ok_or(Refusal::BadRequest)?),
        (None, None) => None,
        _ => return Err(Refusal::BadRequest),
    };
    let said = match (absolute, host) {
        (Some(absolute), Some(host)) if absolute != host => return Err(Refusal::HostMismatch),
        (Some(said), _) => said,
        // In origin form somebody has to say who is meant, and it is captured: a forward proxy is asked in absolute form.
        (None, Some(said)) if captured.is_some() => said,
        (None, None) if captured.is_some() => return Err(Refusal::HostMismatch),
        (None, _) => return Err(Refusal::BadRequest),
    };
    let (asked, port) = said;
    match captured {
        Some(at) if port.unwrap_or(HTTP_PORT) != at.port() && port.is_some() => Err(Refusal::HostMismatch),
        Some(at) => Ok(Wish { asked, port: at.port(), target }),
        None => Ok(Wish { asked, port: port.unwrap_or(HTTP_PORT), target }),
    }
}

/// Host and port of an authority; `None` where it holds anything else.
fn place(authority: &str) -> Option<(Asked, Option<u16>)> {
    let bracket = authority.rfind(']').unwrap_or(0);
    let colon = authority[bracket..].rfind(':').map(|at| at + bracket);
    let (host, port) = match colon {
        None => (authority, None),
        Some(at) => {
            let port = authority[at + 1..].parse::<u16>().ok().filter(|port| *port != 0)?;
            (&authority[..at], Some(port))
        }
    };
    Some((Asked::parse(host)?, port.filter(|port| *port != HTTP_PORT)))
}

/// The request as it goes out.
fn prepare(way: &Way, request: Request<Incoming>, wish: &Wish, leave: &Leave) -> Result<Request<Incoming>, Refusal> {
    let (mut head, body) = request.into_parts();
    let outside = leave.to.first().map_or(wish.port, SocketAddr::port);
    strip(&mut head.headers);
    head.headers.remove(header::CONTENT_LENGTH);
    let mut plain_port = HTTP_PORT;
    if let Some(rule) = &leave.rule {
        let asks = !rule.http.paths.is_empty();
        if (asks && path::check(wish.target.path()).is_err())
            || !rule.http.admits(head.method.as_str(), &path::canonical(wish.target.path()))
        {
            return Err(Refusal::MethodOrPath);
        }
        if let Some(originate) = &rule.http.originate {
            plain_port = HTTPS_PORT;
            if let Some(from) = &originate.header {
                credential::add(&mut head.headers, from)?;
            }
            if let Some(token) = &originate.token {
                way.proxy.tokens.add(&mut head.headers, token, clock::now())?;
            }
        }
    }
    let host = match &wish.asked {
        Asked::Address(std::net::IpAddr::V6(v6)) => format!("[{v6}]"),
        asked => asked.text(),
    };
    let host = if outside == plain_port { host } else { format!("{host}:{outside}") };
    head.headers.insert(header::HOST, HeaderValue::from_str(&host).map_err(|_| Refusal::HostMismatch)?);
    head.uri = Uri::from(wish.target.clone());
    head.version = http::Version::HTTP_11;
    Ok(Request::from_parts(head, body))
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    HOP.iter().for_each(|name| drop(headers.remove(*name)));
}

async fn send(way: Rc<Way>, trip: Trip, request: Request<Incoming>, asked: Asked, leave: Leave) -> Response<OutBody> {
    let (stream, at) = match dial(&leave.to).await {
        Ok(dialled) => dialled,
        Err(error) => return unreachable(trip, &error.to_string()),
    };
    let bytes = Counted::default();
    let stream = Metered { inner: stream, bytes: bytes.clone() };
    let originate = leave.rule.as_ref().and_then(|rule| rule.http.originate.as_ref());
    let Some(originate) = originate else {
        return Box::pin(exchange(way, trip, request, stream, bytes, at, asked, leave.rule.is_none())).await;
    };
    let client = match way.roots.client(originate.roots.as_deref()) {
        Ok(client) => client,
        Err(why) => {
            trip.refused(why, Some("no roots of the web that could be used"));
            return refusal(why);
        }
    };
    match Box::pin(client.connect(stream, &asked.text(), limits::HANDSHAKE_TIME)).await {
        Ok(stream) => Box::pin(exchange(way, trip, request, stream, bytes, at, asked, false)).await,
        Err(error) => unreachable(trip, &error.to_string()),
    }
}

#[allow(clippy::too_many_arguments, reason = "all of it is what one exchange consists of")]
async fn exchange<S>(
    way: Rc<Way>,
    mut trip: Trip,
    request: Request<Incoming>,
    stream: S,
    bytes: Counted,
    at: SocketAddr,
    asked: Asked,
    learned: bool,
) -> Response<OutBody>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    trip.opened(at, learned);
    let mut builder = http1::Builder::new();
    builder.max_buf_size(limits::RESPONSE_HEAD_BYTES_MAX).max_headers(limits::HEADERS_MAX);
    let (mut sender, connection) = match builder.handshake(TokioIo::new(stream)).await {
        Ok(pair) => pair,
        Err(error) => return unreachable(trip, &error.to_string()),
    };
    drop(way.tasks.spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the outside ended");
        }
    }));
    let answered = timeout(limits::EGRESS_ANSWER_TIME, sender.send_request(request)).await;
    let response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return broken(trip, &bytes, &error.to_string()),
        Err(_) => return broken(trip, &bytes, "no answer in time"),
    };
    let (mut head, body) = response.into_parts();
    strip(&mut head.headers);
    let over = async move { way.until_over(|side| still(&side.rules, &asked, Outside::Http, at, learned)).await };
    Response::from_parts(head, OutBody::Passed(Box::new(Passed::new(body, bytes, trip, over))))
}

fn unreachable(trip: Trip, error: &str) -> Response<OutBody> {
    trip.failed(error);
    answer(StatusCode::BAD_GATEWAY, "nobody answers there", "unreachable")
}

fn broken(trip: Trip, bytes: &Counted, error: &str) -> Response<OutBody> {
    trip.closed(bytes.up(), bytes.down(), Some(error));
    answer(StatusCode::BAD_GATEWAY, "the answer broke off", "broken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for (text, expected) in [
            ("api.test", Some(None)),
            ("api.test:80", Some(None)),
            ("api.test:8080", Some(Some(8080))),
            ("[2001:db8::7]:8080", Some(Some(8080))),
            ("[2001:db8::7]", Some(None)),
            ("api.test:", None),
            ("api.test:0", None),
            ("api.test:99999", None),
            ("user@api.test", None),
            ("api.test:80:90", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(place(text).map(|(_, port)| port), expected, "{text}");
        }
    }

    #[test]
    fn what_is_for_one_hop_stays_here() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Mine"),
            ("x-mine", "1"),
            ("proxy-authorization", "Basic x"),
            ("transfer-encoding", "chunked"),
            ("x-kept", "1"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }
}
