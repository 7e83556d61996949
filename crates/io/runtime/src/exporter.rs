//! Metrics over plain HTTP/1.1, for a Prometheus that scrapes them: `GET /metrics`, and nothing else.

use crate::limits;
use bytes::Bytes;
use http_body_util::Full;
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

/// Judges a token that was shown.
pub type May = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Serves what `text` gives until `stop` fires; where that fails, its words with status 503. Where `may` is there, it judges
/// the bearer token that has to come along.
pub async fn serve<F>(
    listener: TcpListener,
    text: impl Fn() -> F + Clone + Send + Sync + 'static,
    may: Option<Arc<May>>,
    stop: CancellationToken,
) where
    F: Future<Output = Result<String, String>> + Send + 'static,
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

async fn one<F>(stream: TcpStream, text: impl Fn() -> F + Clone + Send + Sync + 'static, may: Option<Arc<May>>)
where
    F: Future<Output = Result<String, String>> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (text, may) = (text.clone(), may.clone());
        async move {
            let answer = match refusal(&request, may.as_deref()) {
                Some((status, why)) => answer(status, why.to_owned()),
                None => match text().await {
                    Ok(text) => answer(StatusCode::OK, text),
                    Err(why) => answer(StatusCode::SERVICE_UNAVAILABLE, why),
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
    if request.uri().path() != "/metrics" {
        return Some((StatusCode::NOT_FOUND, "only /metrics is here\n"));
    }
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    (!is_get).then_some((StatusCode::METHOD_NOT_ALLOWED, "only GET\n"))
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

    #[test]
    fn refuses_other_paths_methods_and_tokens() {
        let here = ("host", "127.0.0.1:9464");
        assert_eq!(status(&request("GET", "/", &[here]), None), 404);
        assert_eq!(status(&request("POST", "/metrics", &[here]), None), 405);
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
