//! Forms that nobody else can send for somebody: each holds a mark that fits the browser's own cookie and this one form, and
//! what the browser says of where it came from has to be here.

use super::cookies;
use super::gate::Visit;
use super::markup::hidden;
use super::pages::Problem;
use crate::limits::PAGE_FORM_BYTES_MAX;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bartizan_crypto::{base64, hash, random};
use bartizan_tokens::form::Form;

const TYPE: &str = "application/x-www-form-urlencoded";
/// The field with the mark.
const MARK: &str = "mark";
/// A browser's word for where a request came from (Fetch Metadata); no page can set it.
const SITE: &str = "sec-fetch-site";

/// What a form needs.
pub(crate) struct Mark {
    /// A hidden field.
    pub(crate) field: String,
    /// A cookie for the mark to fit, where the browser has none.
    pub(crate) cookie: Option<HeaderValue>,
    /// Its value, for another form of the same page.
    pub(super) cookie_value: Option<String>,
}

/// The mark of the form that is sent to `path`.
pub(crate) fn mark(visit: &Visit, headers: &HeaderMap, path: &str) -> Mark {
    let of = |cookie: &str| hidden(MARK, &visit.desk.keys.form(path, cookie));
    if let Some(cookie) = bound_to(headers) {
        return Mark { field: of(cookie), cookie: None, cookie_value: None };
    }
    let value = base64::encode_url(&random::bytes::<32>());
    let cookie = Some(cookies::set(cookies::FORM, &value, None));
    Mark { field: of(&value), cookie, cookie_value: Some(value) }
}

/// The mark of a second form on a page whose first one set `cookie`, where it did.
pub(super) fn second_mark(visit: &Visit, headers: &HeaderMap, path: &str, cookie: Option<&str>) -> String {
    match cookie {
        Some(cookie) => hidden(MARK, &visit.desk.keys.form(path, cookie)),
        None => mark(visit, headers, path).field,
    }
}

/// The cookie that forms are bound to: that of the session, where there is one.
fn bound_to(headers: &HeaderMap) -> Option<&str> {
    cookies::get(headers, cookies::SESSION).or_else(|| cookies::get(headers, cookies::FORM))
}

/// Reads what the form at `path` of this browser sent, cheapest check first.
pub(crate) async fn read(visit: &Visit, path: &str, request: Request) -> Result<(HeaderMap, Form), Problem> {
    let (head, body) = request.into_parts();
    let headers = head.headers;
    check_origin(&headers, &visit.origin)?;
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(TYPE) {
        return Err(Problem::bad("form_type: another content type"));
    }
    let cookie = bound_to(&headers).ok_or_else(|| Problem::bad("form_cookie: there is none"))?;
    let expected = visit.desk.keys.form(path, cookie);
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "That was too long.", "form_length");
    let body = to_bytes(body, PAGE_FORM_BYTES_MAX).await.map_err(|_| too_long())?;
    let form = Form::parse(&body).map_err(|why| Problem::bad(format!("form: {why}")))?;
    let shown = form.get(MARK).unwrap_or_default();
    if !hash::equal(shown.as_bytes(), expected.as_bytes()) {
        return Err(Problem::foreign("form_mark: it does not fit the browser's cookie"));
    }
    Ok((headers, form))
}

/// Whether a page of ours sent it, by the browser's own word. One that says nothing has to have the mark all the same.
pub(super) fn check_origin(headers: &HeaderMap, own: &str) -> Result<(), Problem> {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str().unwrap_or_default());
        if values.next().is_some() { Some("") } else { first }
    };
    match one(SITE) {
        None | Some("same-origin") => {}
        Some(site) => return Err(Problem::foreign(format!("form_site: sent from `{}`", shown(site)))),
    }
    match one(ORIGIN.as_str()) {
        None => Ok(()),
        Some(origin) if origin == own => Ok(()),
        Some(origin) => Err(Problem::foreign(format!("form_origin: sent from `{}`", shown(origin)))),
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_graphic()).take(100).collect()
}

/// What stands in the address.
pub(crate) fn query(request: &Request) -> Result<Form, Problem> {
    let query = request.uri().query().unwrap_or_default();
    Form::parse(query.as_bytes()).map_err(|why| Problem::bad(format!("query: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_site_sends_is_refused() {
        let own = "https://auth.shop.test";
        let headers = |fields: &[(&'static str, &'static str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            fields.collect::<HeaderMap>()
        };
        for fields in [
            &[("origin", "https://evil.test")][..],
            &[("origin", "null")],
            &[("origin", "http://auth.shop.test")],
            &[("origin", "https://auth.shop.test:444")],
            &[("origin", "https://auth.shop.test"), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://auth.shop.test"), ("origin", "https://auth.shop.test")],
        ] {
            assert!(check_origin(&headers(fields), own).is_err(), "{fields:?}");
        }
        for fields in [&[][..], &[("origin", "https://auth.shop.test"), ("sec-fetch-site", "same-origin")]] {
            assert!(check_origin(&headers(fields), own).is_ok(), "{fields:?}");
        }
    }
}
