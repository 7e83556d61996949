//! Who is behind a browser's request, by the cookie of its session. At the gateway, where the fleet file says how people log in.
//!
//! Somebody who is not logged in and goes to a page is sent to the provider; a script gets 401. A session is no way in for other sites:
//! whatever acts, and a switch to WebSocket, has to come from a page of ours. Our cookies stay here, on every route.

use super::{Exchange, Filter};
use crate::answer::Answer;
use crate::conn::Side;
use crate::login::{self, CookieKeys, Session, begin, check_same_site, cookies, is_navigation};
use crate::reply::Cookies;
use bartizan_core::login::{LoginSide, SESSION_COOKIE};
use bartizan_core::{Decision, Denial, Verdict};
use std::sync::Arc;

pub(super) const IT: Filter = Filter { name: "login", run };

/// What stands for the policies where a session is refused: no policy was asked.
const BY: &str = "fleet:login";

fn run(x: &mut Exchange<'_>) -> Result<(), Answer> {
    let live = x.live;
    let Some(side) = login::side(live).filter(|_| x.conn.side == Side::Gateway) else { return Ok(()) };
    let came = x.came.take().unwrap_or_default();
    let takes = x.edge_route.is_some_and(|route| route.said.login);
    // Whoever shows a token or a key is known by that.
    if !takes || x.user.is_some() || x.head.fields.contains("authorization") {
        return Ok(());
    }
    let Some(keys) = live.cookie_keys.clone() else {
        return match came.get(SESSION_COOKIE) {
            Some(_) => Err(Answer::new(503, "not_ready", "this proxy has no keys of sessions yet")),
            None if is_navigation(x.head, x.upgrade) => Err(begin(side, &CookieKeys::default(), x.head, &came, x.now)),
            None => Ok(()),
        };
    };
    let session = came.get(SESSION_COOKIE).and_then(|text| Session::open(&keys, text, &side.said, x.now));
    let session = session.map(|session| judge(x, session)).transpose();
    match session {
        Ok(Some(session)) => go_on(x, side, &keys, session),
        _ if is_navigation(x.head, x.upgrade) => {
            x.decision = None;
            Err(begin(side, &keys, x.head, &came, x.now))
        }
        Ok(None) if came.get(SESSION_COOKIE).is_none() => Ok(()), // `user` says how to get in
        Ok(None) => Err(over()),
        Err(answer) => Err(answer),
    }
}

/// A session that was not taken back.
fn judge(x: &mut Exchange<'_>, session: Session) -> Result<Session, Answer> {
    let users = x.live.users.clone().ok_or_else(|| Answer::new(503, "not_ready", "nobody is known here yet"))?;
    match session.judge(users.trust().revocations) {
        Ok(()) => Ok(session),
        Err(error) => {
            deny(x, format!("the session of {}: {error}", session.user));
            Err(over())
        }
    }
}

fn over() -> Answer {
    let answer = Answer::new(401, "session_over", "the session is over; log in again");
    answer.with_challenge("Bearer".to_owned()).saying(vec![cookies::clear(SESSION_COOKIE)])
}

fn go_on(x: &mut Exchange<'_>, side: &LoginSide, keys: &Arc<CookieKeys>, session: Session) -> Result<(), Answer> {
    let origin = login::origin(side, x.head);
    let same = origin.map_or(Err("it came under a name of the site under which nobody logs in"), |origin| {
        check_same_site(&x.head.method, x.upgrade, &x.head.fields, origin)
    });
    if let Err(why) = same {
        deny(x, format!("a request with the session of {}: {why}", session.user));
        return Err(Answer::new(403, "cross_site", "this was sent by another site"));
    }
    let session = kept_up(x, side, keys, session);
    let Some(route) = x.edge_route.map(|route| route.said) else { return Ok(()) };
    if let Some(missing) = route.scopes.iter().find(|scope| !session.user.scopes.contains(scope)) {
        deny(x, format!("the session of {} has no scope `{missing}`", session.user));
        return Err(Answer::new(403, "scope_missing", "you may not do this here"));
    }
    let mut user = session.user;
    if let Some(users) = &x.live.users {
        users.fit(&mut user);
    }
    x.user = Some(Arc::new(user));
    Ok(())
}

/// The session with what is to be said of its user now, in another cookie where it is time for one.
fn kept_up(x: &mut Exchange<'_>, side: &LoginSide, keys: &Arc<CookieKeys>, mut session: Session) -> Session {
    let due = session.renew.is_some_and(|renew| renew <= x.now);
    let fresh = if due { x.conn.proxy().login.fresh(&session.name, x.now) } else { None };
    let is_news = fresh.is_some();
    if let Some(fresh) = fresh {
        session.take_up(fresh);
    }
    let again = is_news || session.is_to_be_sealed_again(&side.said, x.now);
    let sealed = if again { session.used(x.now).seal(keys, x.now) } else { None };
    let set = sealed.map(|sealed| cookies::set(SESSION_COOKIE, &sealed, None).1);
    x.cookies = Some(Cookies { set, private: true });
    session
}

fn deny(x: &mut Exchange<'_>, why: String) {
    x.decision = Some(Arc::new(Decision {
        verdict: Verdict::Deny,
        policies: vec![BY.into()],
        reason: Some(why.into()),
        public: false,
        denial: Denial::Unexpected,
        epoch: x.live.policies.as_ref().map(|policies| policies.epoch()).unwrap_or_default(),
    }));
}
