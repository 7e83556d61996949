//! Metrics over plain HTTP/1.1: `GET /metrics` for a Prometheus that scrapes them, `/api/v1/…` for whoever asks as one asks a Prometheus, and
//! nothing else.

use crate::limits;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The media type of the text format.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Where metrics are.
const METRICS: &str = "/metrics";
/// Below which queries are.
const QUERIES: &str = "/api/v1/";

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The page of metrics.
    Metrics,
    /// Something of the API, by its path and its parameters; those of a form are the same as those of an address.
    Query {
        /// With `/api/v1/` before it.
        path: String,
        /// As they came, encoded.
        parameters: String,
    },
}

/// Judges a token that was shown.
pub type May = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Serves what `text` gives until `stop` fires; where that fails, its words with its status. Where `may` is there, it judges
/// the bearer token that has to come along.
pub async fn serve<F>(
    listener: TcpListener,
    text: impl Fn(Asked) -> F + Clone + Send + Sync + 'static,
    may: Option<Arc<May>>,
    stop: CancellationToken,
) where
    F: Future<Output = Result<String, (u16, String)>> + Send + 'static,
{
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(limits::DOCUMENT_CONNECTIONS_MAX)));
    while let Some(slot) = stop.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else { break };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(limits::ACCEPT_PAUSE).await;
            continue;
        };
        let (text, may, stop) = (text.clone(), may.clone(), stop.clone());
        connections.spawn(async move {
            let serving = tokio::time::timeout(limits::DOCUMENT_WITHIN, one(stream, text, may));
            let _ = stop.run_until_cancelled(serving).await; // how a connection ends is the client's business
            drop(slot);
        });
    }
    connections.close();
    connections.wait().await;
}

async fn one<F>(stream: TcpStream, text: impl Fn(Asked) -> F + Clone + Send + Sync + 'static, may: Option<Arc<May>>)
where
    F: Future<Output = Result<String, (u16, String)>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (text, may) = (text.clone(), may.clone());
        async move {
            let answer = match refusal(&request, may.as_deref()) {
                Some((status, why)) => answer(status, why.to_owned()),
                None => match asked(request).await {
                    Ok(asked) => {
                        let kind = if asked == Asked::Metrics { TEXT } else { JSON };
                        match text(asked).await {
                            Ok(text) => typed(answer(StatusCode::OK, text), kind),
                            Err((status, why)) => {
                                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                                typed(answer(status, why), kind)
                            }
                        }
                    }
                    Err((status, why)) => answer(status, why.to_owned()),
                },
            };
            Ok::<_, Infallible>(answer)
        }
    });
    // Each scrape on a connection of its own: there is one in fifteen seconds.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::LOCAL_HEAD_WITHIN)
        .max_buf_size(limits::LOCAL_HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn refusal<B>(request: &Request<B>, may: Option<&May>) -> Option<(StatusCode, &'static str)> {
    match may {
        Some(may) if !bearer(request.headers()).is_some_and(may) => {
            return Some((StatusCode::UNAUTHORIZED, "a bearer token has to come along\n"));
        }
        // A page that a browser shows could have its name point here, and read along.
        None if !is_by_address(request.headers()) => {
            return Some((StatusCode::FORBIDDEN, "ask by address, or have a token asked for\n"));
        }
        _ => {}
    }
    let is_query = request.uri().path().starts_with(QUERIES);
    if !is_query && request.uri().path() != METRICS {
        return Some((StatusCode::NOT_FOUND, "only /metrics and /api/v1/ are here\n"));
    }
    let fits = matches!(*request.method(), Method::GET | Method::HEAD) || is_query && *request.method() == Method::POST;
    (!fits).then_some((StatusCode::METHOD_NOT_ALLOWED, "only GET\n"))
}

/// What a request that was let in asks for.
async fn asked<B>(request: Request<B>) -> Result<Asked, (StatusCode, &'static str)>
where
    B: hyper::body::Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().path() == METRICS {
        return Ok(Asked::Metrics);
    }
    let path = request.uri().path().to_owned();
    let mut parameters = request.uri().query().unwrap_or_default().to_owned();
    if *request.method() == Method::POST {
        let is_form = |kind: &HeaderValue| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded");
        if !request.headers().get(CONTENT_TYPE).is_some_and(is_form) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "a form is expected\n"));
        }
        let body = Limited::new(request.into_body(), limits::QUERY_FORM_BYTES_MAX).collect().await;
        let body =
            body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "the form is too long, or did not come whole\n"))?;
        let form = String::from_utf8(body.to_bytes().into()).ok();
        // What goes on is a part of an address.
        let form = form.filter(|form| form.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        let form = form.ok_or((StatusCode::BAD_REQUEST, "the form is not encoded\n"))?;
        parameters = if parameters.is_empty() { form } else { format!("{parameters}&{form}") };
    }
    Ok(Asked::Query { path, parameters })
}

fn typed(mut answer: Response<Full<Bytes>>, kind: HeaderValue) -> Response<Full<Bytes>> {
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

/// The bearer token that came along.
pub fn bearer(fields: &HeaderMap) -> Option<&[u8]> {
    let (way, token) = fields.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    way.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Whether whoever asks names an address: a page that a browser shows could have its name point here.
pub fn is_by_address(fields: &HeaderMap) -> bool {
    let Some(host) = fields.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || host.parse::<SocketAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
        || name.parse::<IpAddr>().is_ok()
}

fn answer(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, TEXT);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn status(request: &Request<()>, may: Option<&May>) -> u16 {
        refusal(request, may).map_or(200, |(status, _)| status.as_u16())
    }

    #[test]
    fn refuses_names_that_somebody_else_may_have_chosen() {
        for (host, expected) in [
            ("rebound.example:9464", 403),
            ("localhost.evil.test", 403),
            ("127.0.0.1.evil.test:9464", 403),
            ("127.0.0.1:9464", 200),
            ("127.0.0.1", 200),
            ("[::1]:9464", 200),
            ("localhost:9464", 200),
        ] {
            assert_eq!(status(&request("GET", "/metrics", &[("host", host)]), None), expected, "{host}");
        }
        assert_eq!(status(&request("GET", "/metrics", &[]), None), 403);
    }

    #[tokio::test]
    async fn what_is_asked_for_is_a_page_or_a_query_of_bounded_length() {
        let form = "application/x-www-form-urlencoded";
        let post = |kind: &str, body: &str| {
            let request = Request::builder().method("POST").uri("/api/v1/query?time=5").header("content-type", kind);
            request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
        };
        let query = |parameters: &str| Asked::Query { path: "/api/v1/query".into(), parameters: parameters.into() };
        assert_eq!(asked(post(form, "query=up")).await, Ok(query("time=5&query=up")));
        let long = format!("query={}", "a".repeat(limits::QUERY_FORM_BYTES_MAX));
        for (kind, body, status) in [
            ("text/plain", "query=up", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            (form, "query=a b", StatusCode::BAD_REQUEST),
            (form, "query=a\r\nx: y", StatusCode::BAD_REQUEST),
            (form, "query=a#b", StatusCode::BAD_REQUEST),
            (form, "query=é", StatusCode::BAD_REQUEST),
            (form, long.as_str(), StatusCode::PAYLOAD_TOO_LARGE),
        ] {
            assert_eq!(asked(post(kind, body)).await.map_err(|(status, _)| status), Err(status), "{kind} {body:.20}");
        }
        let get = Request::builder().uri("/metrics").body(Full::new(Bytes::new())).unwrap();
        assert_eq!(asked(get).await, Ok(Asked::Metrics));
    }

    #[test]
    fn refuses_other_paths_methods_and_tokens() {
        let here = ("host", "127.0.0.1:9464");
        assert_eq!(status(&request("GET", "/", &[here]), None), 404);
        assert_eq!(status(&request("POST", "/metrics", &[here]), None), 405);
        assert_eq!(status(&request("POST", "/api/v1/query", &[here]), None), 200);
        assert_eq!(status(&request("PUT", "/api/v1/query", &[here]), None), 405);
        assert_eq!(status(&request("GET", "/api/v2/query", &[here]), None), 404);
        assert_eq!(status(&request("POST", "/api/v1/query", &[("host", "rebound.example:9464")]), None), 403);
        let may: &May = &|token| token == b"sesame";
        for (shown, expected) in [
            ("Bearer sesame", 200),
            ("bearer sesame", 200),
            ("Bearer sesam", 401),
            ("Basic sesame", 401),
            ("Bearer", 401),
        ] {
            let fields = [("host", "metrics.bank.test"), ("authorization", shown)];
            assert_eq!(status(&request("GET", "/metrics", &fields), Some(may)), expected, "{shown}");
        }
        assert_eq!(status(&request("GET", "/", &[here]), Some(may)), 401, "without a token not even what is where");
    }
}
