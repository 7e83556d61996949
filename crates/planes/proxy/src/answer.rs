//! Answers that the proxy gives itself: one small JSON object with the request id, and never more than the caller may know.

use crate::framing::Rule;
use crate::limiting::Told;
use crate::login::{POLICY, Page};
use crate::message::Fields;
use bartizan_core::{Decision, RequestId};
use http::StatusCode;
use std::sync::Arc;

/// Name of the header that carries the request id to the client.
pub const REQUEST_ID_HEADER: &str = "x-request-id";

/// Why the proxy answers in place of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// A short word, for events and for callers that switch on it.
    pub word: Arc<str>,
    /// What it means, for people.
    pub text: &'static str,
    /// What policy says to the caller.
    pub reason: Option<Arc<str>>,
    /// The framing rule that was broken: then there was no request, and the event says so.
    pub rule: Option<Rule>,
    /// The connection is not to be used again.
    pub close: bool,
    /// How the caller may get in (`WWW-Authenticate`, RFC 9110 section 11.6.1).
    pub challenge: Option<Box<str>>,
    /// The request never reached the program: another guard may send it elsewhere, whatever it is.
    pub unsent: bool,
    /// What is wrong with the request, in words for its author (RFC 9457).
    pub problem: Option<Box<Explained>>,
    /// It came too often.
    pub limited: Option<Box<Limited>>,
    /// Further header fields.
    pub said: Box<[(&'static str, Box<str>)]>,
    /// It is for somebody at a browser.
    pub page: Option<Box<Page>>,
}

/// What is said to whoever came too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Seconds after which it may come again (`Retry-After`, RFC 9110 section 10.2.3).
    pub wait_s: u64,
    /// How its limit stands.
    pub told: Told,
    /// The status for who speaks gRPC, and looks for it there.
    pub grpc: Option<&'static str>,
}

/// What is said to the author of a request that is not as an API describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Where and why.
    pub detail: String,
    /// The methods that there are (`Allow`, RFC 9110 section 10.2.1).
    pub allow: Option<String>,
}

/// The status of gRPC for whoever came too often.
pub const RESOURCE_EXHAUSTED: &str = "8";
/// The status of gRPC where there is too much for the moment.
pub const UNAVAILABLE: &str = "14";

/// Says to another guard that its request did not reach the program. Programs cannot say it: it is taken off their responses.
pub const UNSENT_HEADER: &str = "x-bartizan-unsent";

impl Answer {
    /// With a status, a word and a text.
    pub fn new(status: u16, word: &str, text: &'static str) -> Self {
        Self {
            status,
            word: word.into(),
            text,
            reason: None,
            rule: None,
            close: false,
            challenge: None,
            unsent: false,
            problem: None,
            limited: None,
            said: Box::default(),
            page: None,
        }
    }

    /// With further header fields.
    #[must_use]
    pub fn saying(self, said: Vec<(&'static str, Box<str>)>) -> Self {
        Self { said: said.into(), ..self }
    }

    /// As a page, for somebody at a browser.
    #[must_use]
    pub fn with_page(self, page: Page) -> Self {
        Self { page: Some(Box::new(page)), ..self }
    }

    /// The request broke a framing rule.
    pub fn refused(rule: Rule) -> Self {
        let text = match rule.status() {
            405 => "this method is not allowed here",
            408 => "the request took too long to arrive",
            414 | 431 => "the request head is too large",
            505 => "this version of HTTP is not spoken here",
            _ => "the request is not well-formed",
        };
        Self { rule: Some(rule), close: true, ..Self::new(rule.status(), rule.word(), text) }
    }

    /// Policy said no. Callers are told what policy authors wrote for them, and nothing of how it was decided.
    pub fn denied(decision: &Decision) -> Self {
        let reason = decision.reason.clone().filter(|_| decision.public).unwrap_or_else(|| "not permitted".into());
        Self { reason: Some(reason), ..Self::new(403, "denied", "denied by policy") }
    }

    /// The connection is not to be used again.
    #[must_use]
    pub fn and_close(self) -> Self {
        Self { close: true, ..self }
    }

    /// Says how the caller may get in.
    #[must_use]
    pub fn with_challenge(self, challenge: String) -> Self {
        Self { challenge: Some(challenge.into()), ..self }
    }

    /// Says where and why the request is wrong.
    #[must_use]
    pub fn with_problem(self, detail: &str, allow: Option<String>) -> Self {
        Self { problem: Some(Box::new(Explained { detail: detail.to_owned(), allow })), ..self }
    }

    /// Says when it may come again.
    #[must_use]
    pub fn over(self, limited: Limited) -> Self {
        Self { limited: Some(Box::new(limited)), ..self }
    }

    /// The response, with the id under which the event can be found: status, fields and body.
    pub fn response(&self, request: RequestId) -> (StatusCode, Fields, String) {
        if let Some((limited, status)) = self.limited.as_ref().and_then(|limited| Some((limited, limited.grpc?))) {
            return self.grpc(limited, status, request);
        }
        if self.status == 204 {
            let mut fields = Fields::with_capacity(240, 8);
            fields.append(REQUEST_ID_HEADER, request.to_string().as_bytes());
            return (StatusCode::NO_CONTENT, fields, String::new());
        }
        if let Some(page) = &self.page {
            return self.page(page, request);
        }
        let (reason, id) = (self.reason.as_deref().unwrap_or(&self.word), request.to_string());
        let mut fields = Fields::with_capacity(160, 6);
        let body = match &self.problem {
            None => {
                fields.append("content-type", b"application/json");
                serde_json::json!({ "error": self.text, "reason": reason, "request_id": id })
            }
            Some(problem) => {
                fields.append("content-type", b"application/problem+json");
                let detail = &problem.detail;
                serde_json::json!({ "title": self.text, "status": self.status, "detail": detail, "reason": reason, "request_id": id })
            }
        };
        fields.append("cache-control", b"no-store");
        fields.append(REQUEST_ID_HEADER, id.as_bytes());
        if let Some(challenge) = &self.challenge {
            fields.append("www-authenticate", challenge.as_bytes());
        }
        if let Some(allow) = self.problem.as_ref().and_then(|problem| problem.allow.as_ref()) {
            fields.append("allow", allow.as_bytes());
        }
        if self.unsent {
            fields.append(UNSENT_HEADER, b"1");
        }
        if let Some(limited) = &self.limited {
            fields.append("retry-after", limited.wait_s.to_string().as_bytes());
            limited.told.write(&mut fields);
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, fields, format!("{body}\n"))
    }

    /// The same for somebody at a browser.
    fn page(&self, page: &Page, request: RequestId) -> (StatusCode, Fields, String) {
        let mut fields = Fields::with_capacity(480, 10);
        fields.append("content-type", b"text/html; charset=utf-8");
        fields.append("content-security-policy", POLICY.as_bytes());
        fields.append("x-content-type-options", b"nosniff");
        // With `no-referrer`, browsers send the page's own form as from nowhere (`Origin: null`).
        fields.append("referrer-policy", b"same-origin");
        fields.append("cache-control", b"no-store");
        fields.append(REQUEST_ID_HEADER, request.to_string().as_bytes());
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, fields, page.html(request, self.status >= 400))
    }

    /// The same for a client that speaks gRPC: a head that is trailers too, with the status and when to try again.
    fn grpc(&self, limited: &Limited, status: &str, request: RequestId) -> (StatusCode, Fields, String) {
        let mut fields = Fields::with_capacity(240, 8);
        fields.append("content-type", b"application/grpc");
        fields.append(REQUEST_ID_HEADER, request.to_string().as_bytes());
        fields.append("grpc-status", status.as_bytes());
        fields.append("grpc-message", self.text.as_bytes());
        fields.append("grpc-retry-pushback-ms", limited.wait_s.saturating_mul(1000).to_string().as_bytes());
        limited.told.write(&mut fields);
        (StatusCode::OK, fields, String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_core::snapshot::Epoch;
    use bartizan_core::{Denial, Verdict};

    fn body(answer: &Answer) -> String {
        answer.response(RequestId::from_random([7; 16])).2
    }

    #[test]
    fn a_denial_shows_the_reason_of_the_policy_and_nothing_else_of_it() {
        let mut decision = Decision {
            verdict: Verdict::Deny,
            policies: vec!["secret-policy-name".into()],
            reason: None,
            public: true,
            denial: Denial::Unexpected,
            epoch: Epoch(4),
        };
        let silent = body(&Answer::denied(&decision));
        assert!(silent.contains("not permitted") && !silent.contains("secret-policy-name"), "{silent}");
        decision.reason = Some("only at \"night\"".into());
        assert!(body(&Answer::denied(&decision)).contains(r#"only at \"night\""#));
        decision.public = false;
        assert!(!body(&Answer::denied(&decision)).contains("night"), "how it was decided is not for callers");
    }

    #[test]
    fn a_refusal_closes_the_connection_and_carries_its_id() {
        let answer = Answer::refused(Rule::BareLf);
        let id = RequestId::from_random([7; 16]);
        assert!(answer.close);
        assert_eq!(answer.response(id).1.get_str(REQUEST_ID_HEADER), Some(id.to_string().as_str()));
    }
}
