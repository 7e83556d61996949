//! The provider says that a session is over (OpenID Connect Back-Channel Logout 1.0, section 2.5). Whether it is the provider is for control
//! to see, by its signature.

use super::errand::Errand;
use crate::answer::Answer;
use crate::limits::{LOGOUT_BODY_BYTES_MAX, LOGOUT_BODY_TIME};
use crate::live::Proxy;
use crate::message::{Body, Chunk, RequestHead};
use bartizan_core::login::{self, Ask};
use bartizan_tokens::form::Form;
use http::Method;
use std::future::poll_fn;
use std::sync::Arc;

const FORM: &str = "application/x-www-form-urlencoded";

pub(super) fn read(head: &RequestHead) -> Result<Errand, Answer> {
    let kind = head.fields.only("content-type").unwrap_or_default();
    let is_form = kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM));
    match head.method == Method::POST && is_form {
        true => Ok(Errand::BackChannel),
        false => Err(wrong("a logout token is posted in a form")),
    }
}

pub(super) async fn finish(proxy: &Arc<Proxy>, body: Body) -> Answer {
    let busy = || Answer::new(503, "logout_busy", "ask again in a moment").saying(vec![("retry-after", "1".into())]);
    let Ok(_place) = proxy.login.strangers.try_acquire() else { return busy() };
    let Ok(Some(bytes)) = tokio::time::timeout(LOGOUT_BODY_TIME, whole(body)).await else {
        return wrong("the body is too long, or did not come").and_close();
    };
    let form = Form::parse(&bytes).ok();
    let Some(token) = form.as_ref().and_then(|form| form.get("logout_token")) else {
        return wrong("`logout_token` is missing");
    };
    match proxy.login.ask(Ask::BackChannel { token: token.to_owned() }).await {
        Some(login::Answer::Ended(_)) => Answer::new(200, "logged_out", "the session is over"),
        Some(login::Answer::Refused(_)) => wrong("the logout token is not accepted"),
        _ => busy(),
    }
}

fn wrong(text: &'static str) -> Answer {
    Answer::new(400, "invalid_request", text)
}

async fn whole(mut body: Body) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = poll_fn(|cx| body.poll_chunk(cx)).await {
        match chunk {
            Ok(Chunk::Data(data)) if bytes.len() + data.len() <= LOGOUT_BODY_BYTES_MAX => {
                bytes.extend_from_slice(&data)
            }
            Ok(Chunk::Trailers(_)) => {}
            _ => return None,
        }
    }
    Some(bytes)
}
