//! Bodies that have to be read whole before they may go on, because the document of an API or limits of GraphQL say what they may be.

use crate::answer::Answer;
use crate::filter;
use crate::limits;
use crate::message::{Body, Chunk, Fields, RequestHead, Trouble};
use crate::upstream::Received;
use bartizan_core::api::{ApiCheck, GraphqlLimits, OnRequest, OnResponse, OnUnknown};
use bartizan_core::snapshot::Epoch;
use bartizan_core::{Decision, Denial, Verdict};
use bartizan_waf::Api;
use bartizan_waf::api::{self, Good, Problem, Reply};
use bartizan_waf::graphql::{self, Carried};
use bartizan_waf::schema::Unknown;
use bartizan_waf::unpack::{ACCEPTED, Coding, UnknownCoding, UnpackError};
use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What stands for the policies where a document refuses: no policy said no.
pub const BY: &str = "fleet:api";

/// What a request's content, and its response, are held against.
#[derive(Debug, Default)]
pub struct Inspection {
    /// The document.
    pub schema: Option<Schema>,
    /// The limits of a query of GraphQL.
    pub query: Option<Query>,
    /// What is to be said in the event of a request that goes on.
    pub note: Option<String>,
    /// How long it took until the content was there: the client's time, and not ours.
    pub waited: Duration,
}

/// A document, and where in it the request is.
#[derive(Debug)]
pub struct Schema {
    /// The document.
    pub api: Arc<Api>,
    /// What becomes of what differs.
    pub check: ApiCheck,
    /// The operation's number; `None` where there is none, which was reported.
    pub operation: Option<usize>,
    /// What the content has to be; `None` where the head differed already, which was reported.
    pub body: Option<api::Body>,
}

/// How a query comes in the content, and what it may be.
#[derive(Clone, Copy, Debug)]
pub struct Query {
    /// What it may be.
    pub limits: GraphqlLimits,
    /// Whether it comes as JSON.
    pub is_json: bool,
}

/// Why something does not go on.
#[derive(Debug)]
pub struct Stopped {
    /// What is answered.
    pub answer: Answer,
    /// What the operator learns.
    pub decision: Option<Arc<Decision>>,
}

impl Stopped {
    fn denied(answer: Answer, reason: &str) -> Self {
        Self { answer, decision: Some(Arc::new(denied(reason))) }
    }

    fn broken(answer: Answer) -> Self {
        Self { answer, decision: None }
    }
}

/// The decision of a document that says no.
pub fn denied(reason: &str) -> Decision {
    let reason = Some(reason.into());
    Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason,
        public: false,
        denial: Denial::Unexpected,
        epoch: Epoch::default(),
    }
}

/// What the operator learns of a problem: also where the document says so.
pub fn told(api: &Api, problem: &Problem) -> String {
    match problem.place.line {
        0 => format!("{problem} ({})", api.file()),
        line => format!("{problem} ({}:{line})", api.file()),
    }
}

/// What the client learns of it: the document is public, and so is what it says.
pub fn answer(problem: &Problem, allow: Option<String>) -> Answer {
    answer_of(problem.status, &problem.to_string(), allow)
}

/// The same in words.
pub fn answer_of(status: u16, detail: &str, allow: Option<String>) -> Answer {
    let word = match status {
        404 => "api_path",
        405 => "api_method",
        413 => "api_body_too_large",
        415 => "api_content_type",
        _ => "api_request",
    };
    let answer = Answer::new(status, word, "the request is not as this API describes it").with_problem(detail, allow);
    // What could be sent instead (RFC 9110 section 15.5.16).
    if status == 415 { answer.saying(vec![("accept-encoding", ACCEPTED.into())]) } else { answer }
}

/// What becomes of unknown members of requests, in the words of the engine.
pub fn unknown(check: &ApiCheck) -> Unknown {
    match check.unknown {
        OnUnknown::Refuse => Unknown::Refuse,
        OnUnknown::Strip => Unknown::Strip,
        OnUnknown::Allow => Unknown::Allow,
    }
}

/// How content is packed.
///
/// # Errors
/// [`UnknownCoding`]: it could not be looked into.
pub fn coding(fields: &Fields) -> Result<Option<Coding>, UnknownCoding> {
    Coding::of(fields.all("content-encoding"))
}

/// Content as it is looked into and sent on: unpacked. What is judged is then what is read, whatever the receiver's library makes of
/// packed content; `None` where it came like that.
fn unpacked(fields: &mut Fields, bytes: &[u8], bytes_max: usize) -> Result<Option<Bytes>, (u16, String)> {
    let Some(coding) = coding(fields).map_err(|unknown| (415, unknown.to_string()))? else { return Ok(None) };
    let opened = coding.unpack(bytes, bytes_max).map_err(|error| match error {
        UnpackError::TooLarge(_) | UnpackError::Ratio => (413, error.to_string()),
        UnpackError::Broken => (400, error.to_string()),
    })?;
    fields.remove("content-encoding");
    is_other_content(fields, opened.len());
    Ok(Some(opened.into()))
}

impl Inspection {
    /// Whether the content has to be read.
    pub fn reads_content(&self) -> bool {
        let looks = |schema: &Schema| schema.body.as_ref().is_some_and(api::Body::is_looked_into);
        self.query.is_some() || self.schema.as_ref().is_some_and(looks)
    }

    /// Whether what differs goes on all the same. Limits of GraphQL are always kept.
    fn is_only_reported(&self) -> bool {
        self.query.is_none() && self.schema.as_ref().is_some_and(|it| it.check.requests == OnRequest::Report)
    }

    /// Adds to what is said in the event.
    fn add(&mut self, note: String) {
        let before = self.note.take().map(|before| before + "; ");
        self.note = Some(before.unwrap_or_default() + &note);
    }

    /// Reads and judges the content of a request; what may go on comes back.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn content(&mut self, head: &mut RequestHead, body: Body) -> Result<Body, Stopped> {
        let began = Instant::now();
        let read = timeout(limits::API_BODY_TIME, whole(body, limits::API_REQUEST_BYTES_MAX, |_| true)).await;
        self.waited = began.elapsed();
        let bytes = match read {
            Ok(Whole::All(bytes)) => bytes,
            Ok(Whole::TooLarge(..)) => {
                let detail =
                    format!("body: has more than the {} bytes that are read here", limits::API_REQUEST_BYTES_MAX);
                return Err(Stopped::denied(answer_of(413, &detail, None).and_close(), &detail));
            }
            Ok(Whole::Broken(Trouble::TooLarge)) => return Err(Stopped::broken(filter::body_too_large())),
            Ok(Whole::Broken(Trouble::Broken) | Whole::NoRoom) => {
                let answer = Answer::new(400, "body_cut_short", "the request body ended too early");
                return Err(Stopped::broken(answer.and_close()));
            }
            Err(_) => {
                let answer = Answer::new(408, "body_timeout", "the request body took too long to arrive");
                return Err(Stopped::broken(answer.and_close()));
            }
        };
        let bytes = match unpacked(&mut head.fields, &bytes, limits::API_REQUEST_BYTES_MAX) {
            Ok(opened) => opened.unwrap_or(bytes),
            Err((_, why)) if self.is_only_reported() => {
                self.note = Some(format!("would be refused: body: {why}"));
                return Ok(Body::whole(bytes));
            }
            Err((status, why)) => {
                let detail = format!("body: {why}");
                return Err(Stopped::denied(answer_of(status, &detail, None), &detail));
            }
        };
        if let Some(Query { limits, is_json }) = self.query {
            let carried = if is_json { Carried::Json(&bytes) } else { Carried::Plain(&bytes) };
            graphql::check(carried, &limits)
                .map_err(|refusal| Stopped::denied(answer_of(400, &refusal.0, None), &format!("GraphQL: {refusal}")))?;
        }
        self.hold_against_schema(head, bytes)
    }

    fn hold_against_schema(&mut self, head: &mut RequestHead, bytes: Bytes) -> Result<Body, Stopped> {
        let Some(Schema { api, check, body: Some(body), .. }) = &self.schema else { return Ok(Body::whole(bytes)) };
        match api.check_body(body, &bytes, unknown(check)) {
            Ok(Good { instead: None, .. }) => Ok(Body::whole(bytes)),
            Ok(Good { instead: Some(instead), gone }) => {
                is_other_content(&mut head.fields, instead.len());
                self.note = Some(format!("taken out of the request: {}", gone.join(", ")));
                Ok(Body::whole(instead.into()))
            }
            Err(problem) if check.requests == OnRequest::Refuse => {
                Err(Stopped::denied(answer(&problem, None), &told(api, &problem)))
            }
            Err(problem) => {
                self.note = Some(format!("would be refused: {}", told(api, &problem)));
                Ok(Body::whole(bytes))
            }
        }
    }

    /// Judges a response, and changes it where something is to be taken out.
    ///
    /// # Errors
    /// [`Stopped`]; the service did its work, and its answer is not one that may go out.
    pub async fn response(&mut self, method: &Method, received: &mut Received) -> Result<(), Stopped> {
        let Some(Schema { api, check, operation: Some(number), .. }) = &self.schema else { return Ok(()) };
        let Some(operation) = api.operations().get(*number) else { return Ok(()) };
        let on = check.responses;
        if on == OnResponse::Off {
            return Ok(());
        }
        let status = received.head.status;
        let is_bare = *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let has_content = !is_bare && !received.body.is_over() && received.body.length() != Some(0);
        let content = received.head.fields.only("content-type");
        let looked = match api.reply(operation, (status.as_u16(), content, has_content)) {
            Ok(Reply::Opaque) => return Ok(()),
            Ok(Reply::Json(schema)) => look_into(api, schema, on, received).await,
            Err(problem) => Err(told(api, &problem)),
        };
        match looked {
            Ok(None) => Ok(()),
            Ok(Some(note)) => {
                self.add(note);
                Ok(())
            }
            Err(reason) if on == OnResponse::Report => {
                self.add(format!("the response would be stopped: {reason}"));
                Ok(())
            }
            Err(reason) => {
                let answer =
                    Answer::new(502, "api_response", "the service gave an answer that its API does not describe");
                Err(Stopped::denied(answer, &format!("response {reason}")))
            }
        }
    }
}

/// Reads the content of a response and holds it against its schema; what is worth saying.
async fn look_into(
    api: &Api,
    schema: bartizan_waf::schema::SchemaId,
    on: OnResponse,
    received: &mut Received,
) -> Result<Option<String>, String> {
    let body = std::mem::take(&mut received.body);
    let read = timeout(limits::API_BODY_TIME, whole(body, limits::API_RESPONSE_BYTES_MAX, |_| true)).await;
    received.received = Instant::now();
    let bytes = match read {
        Ok(Whole::All(bytes)) => bytes,
        Ok(Whole::TooLarge(read, rest)) => {
            received.body = Body::with_ahead(read, rest);
            return Err(format!(
                "content: has more than the {} bytes that are read here",
                limits::API_RESPONSE_BYTES_MAX
            ));
        }
        Ok(Whole::Broken(_) | Whole::NoRoom) => return Err("content: ended before its end".to_owned()),
        Err(_) => return Err("content: took too long to arrive".to_owned()),
    };
    let bytes = match unpacked(&mut received.head.fields, &bytes, limits::API_RESPONSE_BYTES_MAX) {
        Ok(None) => bytes,
        Ok(Some(opened)) => opened,
        Err((_, why)) => {
            received.body = Body::whole(bytes);
            return Err(format!("content: {why}"));
        }
    };
    let unknown = if on == OnResponse::Mask { Unknown::Strip } else { Unknown::Refuse };
    let judged = api.check_reply(schema, &bytes, unknown);
    received.body = Body::whole(bytes);
    match judged {
        Ok(Good { instead: None, .. }) => Ok(None),
        Ok(Good { instead: Some(instead), gone }) => {
            is_other_content(&mut received.head.fields, instead.len());
            received.body = Body::whole(instead.into());
            Ok(Some(format!("taken out of the response: {}", gone.join(", "))))
        }
        Err(problem) => Err(told(api, &problem)),
    }
}

/// What a body came to.
pub(crate) enum Whole {
    All(Bytes),
    /// What was read, and the rest.
    TooLarge(Bytes, Body),
    Broken(Trouble),
    /// Of all bodies together too much is held already.
    NoRoom,
}

/// Reads a body of at most so many bytes. `grow` is asked before more is held; a body that is here already is not copied.
pub(crate) async fn whole(body: Body, most: usize, mut grow: impl FnMut(usize) -> bool) -> Whole {
    if body.length().is_some_and(|length| length > most as u64) {
        return Whole::TooLarge(Bytes::new(), body);
    }
    let mut body = match body.try_whole() {
        Ok(bytes) if grow(bytes.len()) => return Whole::All(bytes),
        Ok(_) => return Whole::NoRoom,
        Err(body) => body,
    };
    let mut read = BytesMut::new();
    loop {
        match poll_fn(|cx| body.poll_chunk(cx)).await {
            Some(Ok(Chunk::Data(data))) => {
                if !grow(data.len()) {
                    return Whole::NoRoom;
                }
                read.extend_from_slice(&data);
                if read.len() > most {
                    return Whole::TooLarge(read.freeze(), body);
                }
            }
            // What follows content that is read whole, nobody waits for.
            Some(Ok(Chunk::Trailers(_))) => {}
            Some(Err(trouble)) => return Whole::Broken(trouble),
            None => return Whole::All(read.freeze()),
        }
    }
}

/// Content is not the same any more: what was said of it goes, and its length is another one.
fn is_other_content(fields: &mut Fields, length: usize) {
    ["etag", "content-md5", "digest", "content-digest", "repr-digest"].into_iter().for_each(|name| fields.remove(name));
    fields.set("content-length", length.to_string().as_bytes());
}
