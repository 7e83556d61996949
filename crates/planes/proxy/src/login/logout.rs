//! Somebody logs out: asked where a link led here, done where a form of ours was sent.

use super::errand::Errand;
use super::page::{Page, Then};
use super::{Session, check_same_site, cookies, origin};
use crate::answer::Answer;
use crate::live::Proxy;
use crate::message::RequestHead;
use bartizan_core::login::{self, Ask, End, LOGGED_OUT, LOGOUT, LoginSide, SESSION_COOKIE};
use http::Method;
use std::sync::Arc;

/// Somebody who logs out.
#[derive(Debug)]
pub struct Leaving {
    session: Box<Session>,
    origin: String,
    after: String,
}

/// What is answered, or to be done.
pub(super) fn read(side: &LoginSide, head: &RequestHead, session: Option<Session>) -> Result<Errand, Answer> {
    let Some(origin) = origin(side, head) else {
        return Err(Answer::new(421, "login_origin", "nobody can log in under this name of the site"));
    };
    let Some(session) = session else {
        return Err(gone(&format!("{origin}{}", side.said.after_logout)));
    };
    match head.method {
        Method::GET | Method::HEAD => {
            let text = "You are logged in here.";
            let page = Page { title: "Log out?", text, then: Then::Send(LOGOUT, "Log out") };
            Err(Answer::new(200, "log_out", text).with_page(page))
        }
        // Another site could have sent it.
        Method::POST => match check_same_site(&head.method, false, &head.fields, origin) {
            Ok(()) => {
                let (origin, after) = (origin.to_owned(), side.said.after_logout.clone());
                Ok(Errand::Logout(Leaving { session: Box::new(session), origin, after }))
            }
            Err(_) => Err(Answer::new(403, "cross_site", "this was sent by another site")),
        },
        _ => Err(Answer::new(405, "method", "this method is not allowed here")),
    }
}

/// Ends the session everywhere; the browser goes on to the provider.
pub(super) async fn finish(proxy: &Arc<Proxy>, leaving: Leaving) -> Answer {
    let Leaving { session, origin, after } = leaving;
    let Session { name, user, sid, family, .. } = *session;
    let back_to = format!("{origin}{LOGGED_OUT}");
    let ask = Ask::End(End { session: name, subject: user.subject, sid, family, back_to });
    match proxy.login.ask(ask).await {
        Some(login::Answer::Ended(Some(page))) => gone(&page),
        Some(login::Answer::Ended(None)) => gone(&format!("{origin}{after}")),
        _ => {
            // The cookie stays: somebody who is told that it did not work can try again.
            let text = "You are still logged in: it cannot be ended at the moment.";
            let page = Page { title: "Not logged out", text, then: Then::Send(LOGOUT, "Try again") };
            Answer::new(503, "logout_unable", text).with_page(page)
        }
    }
}

/// Where the provider sends a browser once it signed somebody out.
pub(super) fn logged_out(side: &LoginSide, head: &RequestHead) -> Answer {
    if side.said.after_logout != LOGGED_OUT
        && let Some(origin) = origin(side, head)
    {
        let address = format!("{origin}{}", side.said.after_logout);
        return Answer::new(303, "logged_out", "logged out").saying(vec![("location", address.into())]);
    }
    let text = "You are logged out.";
    Answer::new(200, "logged_out", text).with_page(Page { title: "Logged out", text, then: Then::Nothing })
}

fn gone(to: &str) -> Answer {
    let said = vec![("location", to.into()), cookies::clear(SESSION_COOKIE)];
    Answer::new(303, "logged_out", "logged out").saying(said)
}
