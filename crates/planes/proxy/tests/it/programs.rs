//! Plain programs that know nothing of their sidecar.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Body = BoxBody<Bytes, Infallible>;

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

/// HTTP/1.1: says back what it got, line by line; echoes after a switch to WebSocket.
pub async fn http() -> SocketAddr {
    let (listener, addr) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = hyper::server::conn::http1::Builder::new();
                let _ = server
                    .half_close(true)
                    .serve_connection(TokioIo::new(stream), service_fn(echo))
                    .with_upgrades()
                    .await;
            });
        }
    });
    addr
}

/// HTTP/2 with prior knowledge: the body back, then a trailer.
pub async fn http2() -> SocketAddr {
    let (listener, addr) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service_fn(echo_with_trailer)).await;
            });
        }
    });
    addr
}

/// Bytes: reads to the end, then answers, which only works where half-closing does.
pub async fn tcp() -> SocketAddr {
    let (listener, addr) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&[b"heard: ", all.as_slice()].concat()).await.unwrap();
            });
        }
    });
    addr
}

/// Bytes: speaks first, as databases do, then echoes.
pub async fn tcp_that_greets() -> SocketAddr {
    let (listener, addr) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.write_all(b"hello\n").await.unwrap();
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    addr
}

/// Accepts and does `act` with each connection.
pub async fn custom<F, Fut>(act: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (listener, addr) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(act(stream));
        }
    });
    addr
}

fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).boxed()
}

async fn echo(mut request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    if request.headers().get(header::UPGRADE).is_some_and(|u| u == "websocket") {
        let upgraded = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
            let _ = tokio::io::copy(&mut read, &mut write).await;
        });
        let mut response = Response::new(full(String::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        response.headers_mut().insert("sec-websocket-accept", HeaderValue::from_static("yes"));
        return Ok(response);
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut text = format!("{} {}\n", head.method, head.uri);
    for (name, value) in &head.headers {
        text += &format!("{name}: {}\n", value.to_str().unwrap_or("?"));
    }
    text += &format!("\n{}", String::from_utf8_lossy(&body));
    Ok(Response::new(full(text)))
}

async fn echo_with_trailer(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let te = request.headers().get(header::TE).cloned();
    let body = request.into_body().collect().await?.to_bytes();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = [Ok(Frame::data(body)), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(tokio_stream::iter(frames))));
    if let Some(te) = te {
        response.headers_mut().insert("x-te", te);
    }
    Ok(response)
}
