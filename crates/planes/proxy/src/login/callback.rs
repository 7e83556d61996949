//! Back from the provider: whether it is the browser that was sent, with an answer to what was asked, and who it is.

use super::begin::{Begun, cookie_of, unable};
use super::cookies::{self, Own};
use super::errand::Errand;
use super::page::{Page, Then};
use super::sealed::Carried;
use super::{CookieKeys, Session, origin};
use crate::answer::Answer;
use crate::limits::{LOGIN_CODE_BYTES_MAX, LOGIN_STATE_BYTES_MAX};
use crate::live::Proxy;
use crate::message::RequestHead;
use bartizan_core::Timestamp;
use bartizan_core::login::{self, Ask, LoginSide, Redeem, SESSION_COOKIE};
use bartizan_core::user::User;
use bartizan_crypto::hash;
use bartizan_runtime::clock;
use bartizan_tokens::form::Form;
use std::sync::Arc;

/// A browser that is back, with a code.
#[derive(Debug)]
pub struct Back {
    begun: Begun,
    cookie: String,
    code: String,
}

/// Checks what came, cheapest first: nothing of it goes to control that this browser was not sent for.
pub(super) fn read(
    side: &LoginSide,
    keys: &CookieKeys,
    head: &RequestHead,
    came: &Own,
    now: Timestamp,
) -> Result<Errand, Answer> {
    let refused = |word, text| Err(failed(403, word, text, "/"));
    let Ok(form) = Form::parse(head.query().unwrap_or_default().as_bytes()) else {
        return refused("login_form", "What came back cannot be read.");
    };
    let state = form.get("state").filter(|state| state.len() <= LOGIN_STATE_BYTES_MAX);
    let Some((state, cookie)) = state.and_then(|state| Some((state, cookie_of(state)?))) else {
        return refused("login_state", "This is the end of a log-in that did not begin here.");
    };
    let begun = came.get(&cookie).and_then(|sealed| Begun::open(keys, sealed, now));
    let Some(begun) = begun.filter(|begun| hash::equal(begun.state.as_bytes(), state.as_bytes())) else {
        return refused("login_state", "This log-in did not begin in this browser, or it is over.");
    };
    let clear = |answer: Answer| answer.saying(vec![cookies::clear(&cookie)]);
    let to = begun.to.as_str();
    if now >= begun.until {
        return Err(clear(failed(403, "login_late", "The log-in took too long.", to)));
    }
    if origin(side, head) != Some(begun.origin.as_str()) {
        return Err(clear(failed(403, "login_origin", "This log-in began under another name of the site.", to)));
    }
    // RFC 9207: another provider's answer, led here, is not taken for that of the one that was asked.
    let names_itself = side.provider.as_ref().is_some_and(|provider| provider.names_itself);
    match form.get("iss") {
        Some(iss) if iss == side.said.issuer => {}
        None if !names_itself => {}
        _ => return Err(clear(failed(403, "login_issuer", "Somebody else answered than was asked.", to))),
    }
    if form.get("error").is_some() {
        return Err(clear(failed(403, "login_declined", "The provider did not log you in.", to)));
    }
    match form.get("code") {
        Some(code) if !code.is_empty() && code.len() <= LOGIN_CODE_BYTES_MAX => {
            Ok(Errand::Callback(Back { code: code.to_owned(), begun, cookie }))
        }
        _ => Err(clear(failed(403, "login_code", "What came back cannot be used.", to))),
    }
}

/// Has the code redeemed, and begins a session; whose it is.
pub(super) async fn finish(proxy: &Arc<Proxy>, back: Back) -> (Answer, Option<User>) {
    let Back { begun, cookie, code } = back;
    let redirect_uri = begun.redirect_uri();
    let asked = Redeem { code, verifier: begun.verifier, nonce: begun.nonce, redirect_uri };
    let answered = proxy.login.ask(Ask::Redeem(asked)).await;
    let (now, live) = (clock::now(), proxy.live());
    let (to, clear) = (begun.to.as_str(), cookies::clear(&cookie));
    let logged_in = match answered {
        Some(login::Answer::LoggedIn(logged_in)) => *logged_in,
        Some(login::Answer::Refused(why)) => {
            tracing::warn!(why, "a log-in was refused");
            return (failed(403, "login_refused", "The log-in is not accepted.", to).saying(vec![clear]), None);
        }
        _ => return (unable(to).saying(vec![clear]), None),
    };
    let user = logged_in.user.clone();
    let session = Session::begin(logged_in, now);
    let sealed = live.cookie_keys.as_ref().and_then(|keys| session.seal(keys, now));
    let Some(sealed) = sealed else {
        let text = "More is said of you than a cookie holds.";
        return (failed(403, "login_too_long", text, to).saying(vec![clear]), Some(user));
    };
    // The whole address: a path such as `//other.test` would be one of another host.
    let address = format!("{}{to}", begun.origin);
    let said = vec![("location", address.into()), cookies::set(SESSION_COOKIE, &sealed, None), clear];
    (Answer::new(303, "logged_in", "logged in").saying(said), Some(user))
}

fn failed(status: u16, word: &str, text: &'static str, to: &str) -> Answer {
    let page = Page { title: "Not logged in", text, then: Then::Go(to.into(), "Try again") };
    Answer::new(status, word, text).with_page(page)
}
