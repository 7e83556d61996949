//! Interim responses (RFC 9110 section 15.2), such as 103 with its hints: from whoever answers to whoever asked, ahead of the
//! response. 100 is each hop's own, and 101 ends HTTP; neither goes this way.

use crate::filter;
use crate::message::ResponseHead;
use crate::{http1, http2, leg, limits};
use http::StatusCode;
use std::task::Context;

/// Where those of one request go, and how many more may.
#[derive(Clone, Debug, Default)]
pub struct Interims {
    to: To,
    passed: usize,
}

/// Who asked.
#[derive(Clone, Debug, Default)]
enum To {
    /// Somebody who knows none of them, or cannot be told.
    #[default]
    Nobody,
    Http1(http1::Ahead),
    Http2(http2::Ahead),
    Leg(leg::Ahead),
}

impl Interims {
    /// To a client of HTTP/1.1.
    pub fn to_http1(ahead: http1::Ahead) -> Self {
        Self { to: To::Http1(ahead), passed: 0 }
    }

    /// To a client of HTTP/2.
    pub fn to_http2(ahead: http2::Ahead) -> Self {
        Self { to: To::Http2(ahead), passed: 0 }
    }

    /// To another guard.
    pub fn to_leg(ahead: leg::Ahead) -> Self {
        Self { to: To::Leg(ahead), passed: 0 }
    }

    /// Passes one on; one of more than [`limits::INTERIM_BYTES_MAX`], and each beyond [`limits::INTERIM_MAX`], is dropped.
    pub fn pass(&mut self, mut head: ResponseHead, cx: &mut Context<'_>) {
        let passes = head.status.is_informational()
            && ![StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS].contains(&head.status)
            && self.passed < limits::INTERIM_MAX
            && bytes_of(&head) <= limits::INTERIM_BYTES_MAX;
        if !passes || matches!(self.to, To::Nobody) {
            return;
        }
        self.passed += 1;
        filter::strip_response(&mut head.fields, false);
        head.fields.remove("content-length"); // it has no content (RFC 9110 section 8.6)
        match &self.to {
            To::Nobody => {}
            To::Http1(ahead) => ahead.write(&head, cx),
            To::Http2(ahead) => ahead.write(&head),
            To::Leg(ahead) => ahead.write(&head),
        }
    }
}

/// Of names and values.
fn bytes_of(head: &ResponseHead) -> usize {
    head.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}
