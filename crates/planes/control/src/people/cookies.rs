//! Cookies: of this host alone, over TLS alone, for no script, and for no request that another site sends.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// What the session is found by.
pub(super) const SESSION: &str = "__Host-session";
/// What the forms of somebody who is not signed in are bound to.
pub(super) const FORM: &str = "__Host-form";

/// Whose password was right a moment ago.
pub(super) const STEP: &str = "__Host-step";
/// What is carried while somebody is at another provider.
pub(super) const ELSEWHERE: &str = "__Host-elsewhere";
/// By which a browser is known as one in which somebody signed in before.
pub(super) const KNOWN: &str = "__Host-known";

/// The value of a cookie. `None` where it is not there, or there twice: which of the two counts would be a guess.
pub(super) fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim_ascii().split_once('='));
    let mut values = pairs.filter(|(it, _)| *it == name).map(|(_, value)| value);
    values.next().filter(|value| !value.is_empty() && values.next().is_none())
}

/// A field that sets a cookie, for `life`, or until the browser is closed.
pub(super) fn set(name: &str, value: &str, life: Option<Duration>) -> HeaderValue {
    let life = life.map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default();
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{life}");
    // Names are ours and values base64; where not, there is no cookie.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// A field that takes a cookie away.
pub(super) fn clear(name: &str) -> HeaderValue {
    set(name, "", Some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_is_there_twice_does_not_count() {
        let headers = |fields: &[&'static str]| {
            fields.iter().map(|field| (COOKIE, HeaderValue::from_static(field))).collect::<HeaderMap>()
        };
        assert_eq!(get(&headers(&["a=1; __Host-session=x; b=2"]), SESSION), Some("x"));
        assert_eq!(get(&headers(&["a=1", "__Host-session=x"]), SESSION), Some("x"));
        for twice in [&["__Host-session=x; __Host-session=y"][..], &["__Host-session=x", "__Host-session=x"]] {
            assert_eq!(get(&headers(twice), SESSION), None);
        }
        for other in ["__Host-sessions=x", "session=x", "__Host-session=", "__host-session=x", ""] {
            assert_eq!(get(&headers(&[other]), SESSION), None, "{other}");
        }
    }

    #[test]
    fn no_script_and_no_other_host_gets_it() {
        let field = set(SESSION, "x", Some(Duration::from_secs(60)));
        assert_eq!(field, "__Host-session=x; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=60");
    }
}
