//! What is posted: OTLP in protobuf and JSON, OTLP over gRPC, lines of JSON, audit records of Kubernetes.
//!
//! Every listener of HTTP takes all of them; the path says what it is. Pages in a browser get nowhere: what comes with `Origin`, or in a
//! media type that needs no leave to be sent, is refused.

use super::counts::{Door, Refused};
use super::desk::{Desk, Told};
use super::grpc::{self, Code};
use super::who::{Client, Tokens, over_http};
use crate::app::App;
use crate::stream::Peer;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ORIGIN, RETRY_AFTER};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::response::IntoResponse;
use axum::{Extension, Router};
use bartizan_runtime::https::Shown;
use bartizan_telemetry::limits::MESSAGE_BYTES_MAX;
use bartizan_telemetry::otlp::{self, Kind};
use bartizan_telemetry::unpack::{UnpackError, gunzip};
use bartizan_telemetry::{Malformed, Taken, audit, ndjson};
use std::sync::Arc;
use tokio::sync::Semaphore;

const NDJSON: &str = "/ndjson";
const AUDIT: &str = "/kubernetes/audit";
/// Seconds after which a client that found no room may come again.
const AGAIN_S: u64 = 1;

pub(super) struct Http {
    pub(super) app: Arc<App>,
    pub(super) desk: Arc<Desk>,
    pub(super) tokens: Arc<Tokens>,
    /// Messages that are read at once: each may take ten times its length while it is read.
    pub(super) reading: Semaphore,
}

pub(super) fn router(http: Arc<Http>) -> Router {
    Router::new().fallback(answer).with_state(http)
}

/// What a path is for.
#[derive(Clone, Copy)]
enum Asked {
    Http(Kind),
    Grpc(Kind),
    Lines,
    Audit,
}

impl Asked {
    fn of(path: &str) -> Option<Self> {
        match path {
            NDJSON => return Some(Self::Lines),
            AUDIT => return Some(Self::Audit),
            _ => {}
        }
        let of = |kind: Kind| {
            (path == kind.path()).then_some(Self::Http(kind)).or((path == kind.method()).then_some(Self::Grpc(kind)))
        };
        Kind::ALL.into_iter().find_map(of)
    }

    const fn door(self) -> Door {
        match self {
            Self::Http(_) => Door::OtlpHttp,
            Self::Grpc(_) => Door::OtlpGrpc,
            Self::Lines => Door::Posted,
            Self::Audit => Door::Kubernetes,
        }
    }
}

async fn answer(
    State(http): State<Arc<Http>>,
    Extension(shown): Extension<Shown<Peer>>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Some(asked) = Asked::of(head.uri.path()) else {
        return plain(StatusCode::NOT_FOUND, "nothing is taken here\n");
    };
    let is_grpc = matches!(asked, Asked::Grpc(_));
    if head.method != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only POST\n");
    }
    if head.headers.contains_key(ORIGIN) {
        return plain(StatusCode::FORBIDDEN, "not from pages in a browser\n");
    }
    let Some(client) = over_http(&http.app, &http.tokens, shown.peer.as_ref(), shown.remote, &head.headers) else {
        http.app.intake.refused(asked.door(), Refused::Stranger, 1);
        let why = "a token of `intake.tokens` or a certificate of the fleet has to be shown";
        return match is_grpc {
            true => grpc::refusal(Code::Unauthenticated, why),
            false => plain(StatusCode::UNAUTHORIZED, why),
        };
    };
    // Before the body is read: those who wait hold a connection and no memory.
    let _slot = http.reading.acquire().await;
    let bytes = match axum::body::to_bytes(body, MESSAGE_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(_) => {
            http.app.intake.refused(asked.door(), Refused::TooLong, 1);
            return too_long(is_grpc);
        }
    };
    match asked {
        Asked::Grpc(kind) => http.grpc(kind, &client, &head.headers, &bytes).await,
        Asked::Http(kind) => http.otlp(kind, &client, &head.headers, &bytes).await,
        Asked::Lines | Asked::Audit => http.posted(asked, &client, &head.headers, &bytes).await,
    }
}

impl Http {
    async fn otlp(&self, kind: Kind, client: &Client, fields: &HeaderMap, bytes: &[u8]) -> Response<Body> {
        let is_json = match media_type(fields) {
            Some("application/x-protobuf") => false,
            Some("application/json") => true,
            _ => return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/x-protobuf or application/json\n"),
        };
        let door = Door::OtlpHttp;
        let message = match self.unpacked(door, fields, bytes) {
            Ok(message) => message,
            Err(refusal) => return *refusal,
        };
        let scene = self.desk.scene(door, client);
        let read = if is_json { otlp::read_json } else { otlp::read_proto };
        match read(kind, message.as_deref().unwrap_or(bytes), &scene) {
            Err(malformed) => {
                self.desk.refuse(&self.app, door, malformed);
                otlp_refusal(is_json, StatusCode::BAD_REQUEST, Code::InvalidArgument, malformed.0)
            }
            Ok(taken) => {
                let told = self.desk.take(&self.app, door, client, taken).await;
                otlp_answer(kind, is_json, told)
            }
        }
    }

    async fn grpc(&self, kind: Kind, client: &Client, fields: &HeaderMap, bytes: &[u8]) -> Response<Body> {
        let door = Door::OtlpGrpc;
        if !media_type(fields).is_some_and(|it| it.starts_with("application/grpc")) {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/grpc\n");
        }
        let refuse = |why: &'static str| {
            self.desk.refuse(&self.app, door, Malformed(why));
            grpc::refusal(Code::InvalidArgument, why)
        };
        let (packed, message) = match grpc::message(bytes) {
            Ok(message) => message,
            Err(why) => return refuse(why),
        };
        let unpacked;
        let message = match (packed, fields.get("grpc-encoding").map(|it| it.as_bytes())) {
            (false, _) => message,
            (true, Some(b"gzip")) => match gunzip(message, MESSAGE_BYTES_MAX) {
                Ok(bytes) => {
                    unpacked = bytes;
                    &unpacked
                }
                Err(UnpackError::Broken) => return refuse("a message that is no gzip"),
                Err(UnpackError::TooLong) => {
                    self.app.intake.refused(door, Refused::TooLong, 1);
                    return too_long(true);
                }
            },
            (true, _) => return grpc::refusal(Code::Unimplemented, "gzip is the only encoding here"),
        };
        match otlp::read_proto(kind, message, &self.desk.scene(door, client)) {
            Err(Malformed(why)) => refuse(why),
            Ok(taken) => {
                let told = self.desk.take(&self.app, door, client, taken).await;
                match told.come_back {
                    true => grpc::refusal(Code::Unavailable, told.why),
                    false => grpc::answer(&otlp::answer_proto(told.rejected, told.why)),
                }
            }
        }
    }

    async fn posted(&self, asked: Asked, client: &Client, fields: &HeaderMap, bytes: &[u8]) -> Response<Body> {
        let door = asked.door();
        let known =
            matches!(media_type(fields), Some("application/json" | "application/x-ndjson" | "application/ndjson"));
        if !known {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/x-ndjson or application/json\n");
        }
        let message = match self.unpacked(door, fields, bytes) {
            Ok(message) => message,
            Err(refusal) => return *refusal,
        };
        let (bytes, scene) = (message.as_deref().unwrap_or(bytes), self.desk.scene(door, client));
        let taken = match asked {
            Asked::Audit => match audit::read(bytes, &scene) {
                Ok(taken) => taken,
                Err(malformed) => {
                    self.desk.refuse(&self.app, door, malformed);
                    return plain(StatusCode::BAD_REQUEST, malformed.0);
                }
            },
            _ => ndjson::read(bytes, &scene),
        };
        told(taken_nothing(&taken), self.desk.take(&self.app, door, client, taken).await)
    }

    /// What was packed; `None` where it was not.
    fn unpacked(&self, door: Door, fields: &HeaderMap, bytes: &[u8]) -> Result<Option<Vec<u8>>, Box<Response<Body>>> {
        match fields.get(CONTENT_ENCODING).map(|it| it.as_bytes()) {
            None | Some(b"identity") => Ok(None),
            Some(b"gzip") => match gunzip(bytes, MESSAGE_BYTES_MAX) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(UnpackError::TooLong) => {
                    self.app.intake.refused(door, Refused::TooLong, 1);
                    Err(Box::new(too_long(false)))
                }
                Err(UnpackError::Broken) => {
                    self.desk.refuse(&self.app, door, Malformed("not gzip"));
                    Err(Box::new(plain(StatusCode::BAD_REQUEST, "not gzip, or cut off\n")))
                }
            },
            Some(_) => Err(Box::new(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "gzip is the only encoding here\n"))),
        }
    }
}

fn taken_nothing(taken: &Taken) -> bool {
    taken.records.is_empty() && taken.came() > 0
}

/// The answer to lines and audit records: 400 where nothing could be made of any, else how many were not taken.
fn told(all_malformed: bool, told: Told) -> Response<Body> {
    let text = serde_json::json!({ "rejected": told.rejected, "why": told.why }).to_string();
    let json = [(CONTENT_TYPE, "application/json")];
    match (told.come_back, all_malformed) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, AGAIN_S)], json, text).into_response(),
        (false, true) => (StatusCode::BAD_REQUEST, json, text).into_response(),
        (false, false) => (StatusCode::OK, json, text).into_response(),
    }
}

fn otlp_answer(kind: Kind, is_json: bool, told: Told) -> Response<Body> {
    if told.come_back {
        let mut response = otlp_refusal(is_json, StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, told.why);
        response.headers_mut().insert(RETRY_AFTER, AGAIN_S.into());
        return response;
    }
    match is_json {
        true => {
            ([(CONTENT_TYPE, "application/json")], otlp::answer_json(kind, told.rejected, told.why)).into_response()
        }
        false => {
            let bytes = otlp::answer_proto(told.rejected, told.why);
            ([(CONTENT_TYPE, "application/x-protobuf")], bytes).into_response()
        }
    }
}

fn otlp_refusal(is_json: bool, status: StatusCode, code: Code, why: &str) -> Response<Body> {
    match is_json {
        true => {
            let text = serde_json::json!({ "code": code as u32, "message": why }).to_string();
            (status, [(CONTENT_TYPE, "application/json")], text).into_response()
        }
        false => {
            let bytes = otlp::refusal_proto(code as u32, why);
            (status, [(CONTENT_TYPE, "application/x-protobuf")], bytes).into_response()
        }
    }
}

fn too_long(is_grpc: bool) -> Response<Body> {
    match is_grpc {
        true => grpc::refusal(Code::ResourceExhausted, "a message is longer than 4 MiB"),
        false => plain(StatusCode::PAYLOAD_TOO_LARGE, "longer than 4 MiB\n"),
    }
}

fn media_type(fields: &HeaderMap) -> Option<&str> {
    fields.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    (status, text.to_owned()).into_response()
}
