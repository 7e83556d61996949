//! Where somebody came from, and goes back to: a path of this server, sealed, so that no link can lead elsewhere.

use super::desk::Desk;
use super::pages::see_other;
use super::paths;
use crate::app::App;
use crate::error::chain;
use crate::limits::{WAY_BYTES_MAX, WAY_TTL};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bartizan_core::Timestamp;
use bartizan_runtime::clock;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const USE: &str = "way";

/// Where somebody is to go, and what has to be shown before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Way {
    /// A path of this server with its query.
    pub(crate) to: String,
    /// Whether a session that is there already does not do (`prompt=login`, `max_age`). Whoever is at `to` has to see by
    /// `auth_time` that it was done, or take that wish out of `to`, or it goes round for ever.
    pub(crate) fresh: bool,
    /// Whether a second factor has to be shown ([`super::ACR_TWO_FACTORS`]).
    pub(crate) second_factor: bool,
}

impl Way {
    /// Back to `to`, with whatever session there is.
    pub(crate) fn to(to: impl Into<String>) -> Self {
        Self { to: to.into(), fresh: false, second_factor: false }
    }

    /// As text for an address or a form. `None` where it leads out of this server, or is too long.
    pub(super) fn seal(&self, desk: &Desk, now: Timestamp) -> Option<String> {
        is_local(&self.to).then(|| seal(desk, USE, self, now))
    }

    /// What [`Self::seal`] made, a while ago at most; to the account where there is nothing.
    pub(super) fn open(desk: &Desk, text: Option<&str>, now: Timestamp) -> Option<Self> {
        let Some(text) = text else { return Some(Self::to(paths::ACCOUNT)) };
        open(desk, USE, text, now).filter(|way: &Self| is_local(&way.to))
    }
}

/// Leads somebody to the sign-in, and back to where `way` says. Answers 500 to a way that is none: our own callers made it.
pub(crate) async fn to_sign_in(app: &App, way: &Way) -> Response {
    let desk = match app.people.desk(app).await {
        Ok(Some(desk)) => desk,
        Ok(None) => return (StatusCode::NOT_FOUND, "nobody signs in here\n").into_response(),
        Err(error) => {
            tracing::error!(why = chain(&error), "nobody can sign in");
            return (StatusCode::SERVICE_UNAVAILABLE, "try again\n").into_response();
        }
    };
    match way.seal(&desk, clock::now()) {
        Some(sealed) => see_other(&format!("{}?way={sealed}", paths::SIGN_IN)),
        None => (StatusCode::INTERNAL_SERVER_ERROR, "this request is too long to come back to\n").into_response(),
    }
}

/// Whether a browser that is sent to `text` stays here: an absolute path, which is not read as another host's name.
fn is_local(text: &str) -> bool {
    let bytes = text.as_bytes();
    let begins = bytes.first() == Some(&b'/') && !matches!(bytes.get(1), Some(b'/' | b'\\'));
    begins && bytes.len() <= WAY_BYTES_MAX && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\')
}

#[derive(Serialize, Deserialize)]
struct Sealed<T> {
    until: Timestamp,
    what: T,
}

/// Seals something for as long as a form is good.
pub(super) fn seal<T: Serialize>(desk: &Desk, use_: &str, what: T, now: Timestamp) -> String {
    seal_until(desk, use_, what, now.plus(WAY_TTL))
}

/// Seals something until then.
pub(super) fn seal_until<T: Serialize>(desk: &Desk, use_: &str, what: T, until: Timestamp) -> String {
    let sealed = Sealed { until, what };
    let plain = postcard::to_allocvec(&sealed).expect("it is plain data, and memory is there");
    desk.keys.seal(use_, &plain)
}

/// What [`seal`] made for the same use and is not too old.
pub(super) fn open<T: DeserializeOwned>(desk: &Desk, use_: &str, text: &str, now: Timestamp) -> Option<T> {
    let plain = desk.keys.open_sealed(use_, text)?;
    let sealed: Sealed<T> = postcard::from_bytes(&plain).ok()?;
    (now < sealed.until).then_some(sealed.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_leads_out() {
        for text in [
            "",
            "x",
            "//evil.test",
            "/\\evil.test",
            "/a\\b",
            "https://evil.test/",
            "/a b",
            "/\t/evil.test",
            "/\n/evil.test",
            "javascript:alert(1)",
            "?x",
            "/\u{e9}",
            &format!("/{}", "a".repeat(WAY_BYTES_MAX)),
        ] {
            assert!(!is_local(text), "{text:?}");
        }
        for text in ["/", "/authorize?redirect_uri=https%3A%2F%2Fapp.test%2F&x=//y", "/a//b"] {
            assert!(is_local(text), "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_way_counts_as_it_was_made_and_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::open(dir.path()).await.unwrap();
        let now = Timestamp::from_secs(1_790_000_000);
        let way = Way { fresh: true, ..Way::to("/authorize?x=1") };
        let sealed = way.seal(&desk, now).unwrap();
        assert_eq!(Way::open(&desk, Some(&sealed), now), Some(way.clone()));
        assert_eq!(Way::open(&desk, Some(&sealed), now.plus(WAY_TTL)), None, "too old");
        assert_eq!(Way::open(&desk, Some(&sealed[1..]), now), None);
        assert_eq!(Way::open(&desk, Some("/account"), now), None, "not sealed");
        assert_eq!(Way::open(&desk, Some(&seal(&desk, "other", &way, now)), now), None, "for another use");
        assert_eq!(Way::open(&desk, Some(&seal(&desk, USE, Way::to("//evil.test"), now)), now), None);
        assert_eq!(Way::open(&desk, None, now), Some(Way::to("/account")));
        assert_eq!(Way::to("//evil.test").seal(&desk, now), None);
    }
}
