//! The pages, which are part of this program: what `console/dist` held when it was compiled.

use super::refusal::refuse;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bartizan_crypto::hash;

/// One file.
pub(super) struct File {
    /// Its path below the folder.
    name: &'static str,
    plain: &'static [u8],
    /// The same, compressed, where that is worth it.
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Whether they are in this build.
pub(super) const BUILT: bool = !FILES.is_empty();

/// What is there in their place.
const NOT_BUILT: File = File { name: "index.html", plain: include_bytes!("not_built.html"), gzip: None };
/// The page of all paths that no file has: what is shown there is for its script to say.
const INDEX: &str = "index.html";
/// Files below have names with a hash of what is in them.
const ASSETS: &str = "assets/";
/// A year, which is for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Kept, but asked about each time.
const ASK: &str = "no-cache";

/// Every path that is no endpoint.
pub(super) async fn answer(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "pages are only looked at");
    }
    let name = uri.path().trim_start_matches('/');
    if name.starts_with("sign-in/") {
        return refuse(StatusCode::NOT_FOUND, "there is nothing of that name");
    }
    match find(FILES, name) {
        Some(file) => send(file, &headers),
        None => refuse(StatusCode::NOT_FOUND, "there is nothing of that name"),
    }
}

/// The file of that name, else the page. A file with a hash in its name that is not there was of another version, and is no page.
fn find<'a>(files: &'a [File], name: &str) -> Option<&'a File> {
    let named = |name: &str| files.iter().find(|file| file.name == name);
    if files.is_empty() {
        return (!name.starts_with(ASSETS)).then_some(&NOT_BUILT);
    }
    named(name).or_else(|| (!name.starts_with(ASSETS)).then(|| named(INDEX)).flatten())
}

fn send(file: &File, asked: &HeaderMap) -> Response {
    let is_for_ever = file.name.starts_with(ASSETS);
    // Some microseconds for the largest, which browsers keep.
    let tag = format!("\"{}\"", hash::hex(&hash::sha256(file.plain)[..16]));
    let caching = HeaderValue::from_static(if is_for_ever { FOR_EVER } else { ASK });
    let tag = HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static(""));
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known
        .flat_map(|value| value.split(','))
        .any(|it| it.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes());
    let head = [(ETAG, tag), (CACHE_CONTROL, caching), (VARY, HeaderValue::from_static("accept-encoding"))];
    if known {
        return (StatusCode::NOT_MODIFIED, head).into_response();
    }
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(kind(file.name)))];
    match file.gzip.filter(|_| takes_gzip(asked)) {
        Some(packed) => (head, kind, [(CONTENT_ENCODING, HeaderValue::from_static("gzip"))], packed).into_response(),
        None => (head, kind, file.plain).into_response(),
    }
}

/// What a browser takes it for, which it is told not to guess.
fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn takes_gzip(asked: &HeaderMap) -> bool {
    let fields = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    fields.flat_map(|field| field.split(',')).any(|coding| {
        let mut parts = coding.split(';');
        let is_gzip = parts.next().is_some_and(|name| name.trim().eq_ignore_ascii_case("gzip"));
        let is_refused = parts.any(|part| matches!(part.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        is_gzip && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static SOME: &[File] = &[
        File { name: "assets/index-1a2b.js", plain: b"plain", gzip: Some(b"packed") },
        File { name: "index.html", plain: b"<p>", gzip: None },
        File { name: "robots.txt", plain: b"x", gzip: None },
    ];

    #[test]
    fn paths_of_pages_are_the_page_and_old_files_are_nothing() {
        let found = |name: &str| find(SOME, name).map(|file| file.name);
        assert_eq!(found(""), Some("index.html"));
        assert_eq!(found("services/ledger"), Some("index.html"));
        assert_eq!(found("robots.txt"), Some("robots.txt"));
        assert_eq!(found("assets/index-1a2b.js"), Some("assets/index-1a2b.js"));
        assert_eq!(found("assets/index-0000.js"), None);
        assert_eq!(found("../index.html").map(|_| ()), Some(()), "nothing but these files is ever read");
        let nothing = |name: &str| find(&[], name).map(|file| file.plain);
        assert_eq!(nothing("services"), Some(NOT_BUILT.plain));
        assert_eq!(nothing("assets/x.js"), None);
    }

    fn asked(headers: &[(&'static str, &str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
        answer.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn files_come_compressed_to_who_takes_that_and_are_kept() {
        for (taken, packed) in
            [("gzip, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0", false), ("br", false), ("xgzip", false)]
        {
            let answer = send(&SOME[0], &asked(&[("accept-encoding", taken)]));
            assert_eq!(header(&answer, "content-encoding"), packed.then_some("gzip"), "{taken}");
            assert_eq!(header(&answer, "cache-control"), Some(FOR_EVER));
            assert_eq!(header(&answer, "content-type"), Some("text/javascript; charset=utf-8"));
        }
        let page = send(&SOME[1], &HeaderMap::new());
        assert_eq!(
            (header(&page, "cache-control"), header(&page, "vary")),
            (Some("no-cache"), Some("accept-encoding"))
        );
        let tag = header(&page, "etag").unwrap().to_owned();
        for (shown, status) in [(tag.as_str(), 304), (&format!("W/{tag}, \"x\""), 304), ("\"x\"", 200), ("", 200)] {
            let again = send(&SOME[1], &asked(&[("if-none-match", shown)]));
            assert_eq!(again.status().as_u16(), status, "{shown}");
        }
    }
}
