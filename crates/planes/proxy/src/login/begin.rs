//! Off to the provider: what is asked there, and what the browser carries meanwhile, sealed. Nothing is remembered of strangers.

use super::cookies::{self, Own};
use super::page::{Page, Then};
use super::sealed::Carried;
use super::{CookieKeys, origin};
use crate::answer::Answer;
use crate::limits::{LOGIN_STATES_MAX, LOGIN_TO_BYTES_MAX, LOGIN_WITHIN};
use crate::message::RequestHead;
use bartizan_core::Timestamp;
use bartizan_core::login::{CALLBACK, LoginSide, STATE_COOKIE};
use bartizan_crypto::{base64, hash, random};
use bartizan_tokens::request::with_parameters;
use http::Method;
use serde::{Deserialize, Serialize};

/// Letters of the state that name its cookie, a count.
const NAME_LETTERS: usize = 8;

/// A log-in that is under way in a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Comes back as it went.
    pub(super) state: String,
    /// Comes back in the ID token.
    pub(super) nonce: String,
    /// Whoever redeems the code shows it (PKCE).
    pub(super) verifier: String,
    /// Where the browser is.
    pub(super) origin: String,
    /// Path and query that it goes back to.
    pub(super) to: String,
    pub(super) until: Timestamp,
}

impl Carried for Begun {
    const WHAT: &'static str = "login 1";
}

impl Begun {
    fn new(origin: &str, to: &str, now: Timestamp) -> Self {
        let secret = || base64::encode_url(&random::bytes::<32>());
        let (state, nonce, verifier) = (secret(), secret(), secret());
        let (origin, to) = (origin.to_owned(), to.to_owned());
        Self { state, nonce, verifier, origin, to, until: now.plus(LOGIN_WITHIN) }
    }

    /// Where the browser comes back to.
    pub(super) fn redirect_uri(&self) -> String {
        format!("{}{CALLBACK}", self.origin)
    }
}

/// The name of the cookie of a log-in: each tab has one of its own.
pub(super) fn cookie_of(state: &str) -> Option<String> {
    let name = state.get(..NAME_LETTERS)?;
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.bytes().all(good).then(|| format!("{STATE_COOKIE}{name}"))
}

/// Whether somebody went to a page with a browser, who can be sent elsewhere. A script that asks, or a frame, cannot.
pub fn is_navigation(head: &RequestHead, upgrade: bool) -> bool {
    if head.method != Method::GET || upgrade {
        return false;
    }
    match (head.fields.only("sec-fetch-mode"), head.fields.only("sec-fetch-dest")) {
        (Some(mode), Some(dest)) => mode == "navigate" && dest == "document",
        (Some(mode), None) => mode == "navigate",
        (None, _) => head.fields.get_str("accept").is_some_and(|accept| accept.contains("text/html")),
    }
}

/// Sends a browser to the provider. `came` are the cookies of ours that it has.
pub fn begin(side: &LoginSide, keys: &CookieKeys, head: &RequestHead, came: &Own, now: Timestamp) -> Answer {
    let Some(origin) = origin(side, head) else { return elsewhere() };
    // What is too long to be carried is left out: somebody begins at the path then.
    let to = [head.target(), head.path(), "/"].into_iter().find(|to| to.len() <= LOGIN_TO_BYTES_MAX).unwrap_or("/");
    let begun = Begun::new(origin, to, now);
    let (Some(provider), Some(sealed), Some(name)) = (&side.provider, begun.seal(keys, now), cookie_of(&begun.state))
    else {
        return unable(to);
    };
    let challenge = base64::encode_url(&hash::sha256(begun.verifier.as_bytes()));
    let scopes = side.said.scopes.join(" ");
    let address = with_parameters(
        &provider.authorize,
        &[
            ("response_type", "code"),
            ("client_id", &side.said.client),
            ("redirect_uri", &begun.redirect_uri()),
            ("scope", &scopes),
            ("state", &begun.state),
            ("nonce", &begun.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ],
    );
    let mut said = vec![("location", address.into()), cookies::set(&name, &sealed, Some(LOGIN_WITHIN))];
    // Log-ins that nobody finished must not fill the browser's head of each request.
    let others: Vec<_> = came.beginning(STATE_COOKIE).collect();
    if others.len() >= LOGIN_STATES_MAX {
        said.extend(others.into_iter().filter(|other| **other != *name).map(cookies::clear));
    }
    Answer::new(303, "log_in", "log in first").saying(said)
}

fn elsewhere() -> Answer {
    let page =
        Page { title: "Wrong address", text: "Nobody can log in under this name of the site.", then: Then::Nothing };
    Answer::new(421, "login_origin", "nobody can log in under this name of the site").with_page(page)
}

/// The provider is not known yet, or there is no key for cookies.
pub(super) fn unable(to: &str) -> Answer {
    let page =
        Page { title: "Not now", text: "Nobody can log in at the moment.", then: Then::Go(to.into(), "Try again") };
    Answer::new(503, "login_unable", "nobody can log in at the moment").with_page(page)
}
