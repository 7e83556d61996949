//! What is asked below `/.bartizan/`, where the gateway answers itself. What needs control is done after the filters, which do not wait.

use super::callback::{self, Back};
use super::logout::{self, Leaving};
use super::{Session, back_channel, cookies};
use crate::answer::Answer;
use crate::conn::Conn;
use crate::live::Live;
use crate::message::{Body, RequestHead};
use crate::record::Record;
use crate::respond::Download;
use bartizan_core::Timestamp;
use bartizan_core::login::{BACK_CHANNEL, CALLBACK, LOGGED_OUT, LOGOUT, LoginSide, SESSION_COOKIE};
use http::Method;

/// Something to be done that takes a while.
#[derive(Debug)]
pub enum Errand {
    /// A browser is back from the provider.
    Callback(Back),
    /// Somebody logs out.
    Logout(Leaving),
    /// The provider says that a session is over, in the body.
    BackChannel,
}

/// What a request to one of our own paths comes to; what can be said at once is the error.
///
/// # Errors
/// The [`Answer`].
pub fn errand(
    side: &LoginSide,
    live: &Live,
    head: &RequestHead,
    path: &str,
    came: &cookies::Own,
    now: Timestamp,
) -> Result<Errand, Answer> {
    if path == BACK_CHANNEL {
        return back_channel::read(head);
    }
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    if path == LOGGED_OUT && reads {
        return Err(logout::logged_out(side, head));
    }
    let not_ready = || Answer::new(503, "not_ready", "this proxy has no keys of sessions yet");
    match path {
        CALLBACK if head.method == Method::GET => {
            let keys = live.cookie_keys.as_ref().ok_or_else(not_ready)?;
            callback::read(side, keys, head, came, now)
        }
        LOGOUT => {
            let keys = live.cookie_keys.as_ref().ok_or_else(not_ready)?;
            let session = came.get(SESSION_COOKIE).and_then(|text| Session::open(keys, text, &side.said, now));
            let revoked =
                |it: &Session| live.users.as_ref().is_none_or(|users| it.judge(users.trust().revocations).is_err());
            logout::read(side, head, session.filter(|session| !revoked(session)))
        }
        _ => Err(Answer::new(404, "no_route", "there is nothing here")),
    }
}

/// Does it, and answers.
///
/// Dropping the future gives up the answer; what was asked of control may be done.
pub async fn run(conn: &Conn, errand: Errand, body: Body, mut record: Record) -> Download {
    let proxy = conn.proxy();
    let answer = match errand {
        Errand::BackChannel => back_channel::finish(proxy, body).await,
        Errand::Callback(back) => {
            leave(conn, body);
            let (answer, user) = callback::finish(proxy, back).await;
            record.is_for(user.as_ref());
            answer
        }
        Errand::Logout(leaving) => {
            leave(conn, body);
            logout::finish(proxy, leaving).await
        }
    };
    Download::own(&answer, record)
}

/// A body that nobody reads: dropped before the answer went out, it would reset a stream of HTTP/2.
fn leave(conn: &Conn, body: Body) {
    if conn.is_shared() && !body.is_empty() {
        body.drain();
    }
}
