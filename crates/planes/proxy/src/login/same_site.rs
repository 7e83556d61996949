//! Whether a request that acts for somebody comes from a page of ours, by what browsers say of it and no page can change (Fetch Metadata,
//! `Origin`). Another site can make a browser send a request with our cookie; it cannot make it say that it came from us.

use crate::message::Fields;
use http::Method;

/// Checks a request that came with a session to `origin`. Reading (GET, HEAD, OPTIONS) is free but for a switch to WebSocket, which
/// no browser asks about beforehand.
///
/// # Errors
/// What is wrong, for the operator.
pub fn check(method: &Method, upgrade: bool, fields: &Fields, origin: &str) -> Result<(), &'static str> {
    let safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if safe && !upgrade {
        return Ok(());
    }
    let says = |name: &'static str| match fields.contains(name) {
        false => Ok(None),
        true => fields.only(name).map(Some).ok_or("what it says of where it comes from is there twice, or no text"),
    };
    let (from, site) = (says("origin")?, says("sec-fetch-site")?);
    if from.is_some_and(|from| from != origin) {
        return Err("it comes from a page of another site");
    }
    match site {
        // `none`: nobody's page made it, but the person at the browser.
        Some("same-origin" | "none") => {}
        Some(_) => return Err("the browser says that it comes from another site"),
        None if from.is_none() => return Err("it does not say where it comes from (`Origin` or `Sec-Fetch-Site`)"),
        None => {}
    }
    // Not every browser says `Sec-Fetch-Site` of it, and each says `Origin`.
    if upgrade && from.is_none() {
        return Err("it asks for WebSocket and does not say where it comes from (`Origin`)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_acts_has_to_come_from_a_page_of_ours() {
        let ours = "https://bank.test";
        for (method, upgrade, headers, good) in [
            ("GET", false, &[][..], true),
            ("GET", false, &[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")], true),
            ("HEAD", false, &[], true),
            ("POST", false, &[], false),
            ("POST", false, &[("origin", ours)], true),
            ("POST", false, &[("sec-fetch-site", "same-origin")], true),
            ("POST", false, &[("sec-fetch-site", "none")], true),
            ("POST", false, &[("origin", ours), ("sec-fetch-site", "same-origin")], true),
            ("DELETE", false, &[("origin", "https://evil.test")], false),
            ("POST", false, &[("origin", "null")], false),
            ("POST", false, &[("origin", "null"), ("sec-fetch-site", "same-origin")], false),
            ("POST", false, &[("origin", "http://bank.test")], false),
            ("POST", false, &[("origin", "https://bank.test:8443")], false),
            ("POST", false, &[("origin", "https://bank.test.evil.test")], false),
            ("POST", false, &[("origin", ours), ("sec-fetch-site", "cross-site")], false),
            ("PUT", false, &[("sec-fetch-site", "same-site")], false),
            ("PUT", false, &[("sec-fetch-site", "cross-site")], false),
            ("PUT", false, &[("sec-fetch-site", "")], false),
            ("POST", false, &[("origin", ours), ("origin", "https://evil.test")], false),
            (
                "POST",
                false,
                &[("origin", ours), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            ("PROPFIND", false, &[], false),
            ("GET", true, &[], false),
            ("GET", true, &[("origin", ours)], true),
            ("GET", true, &[("sec-fetch-site", "same-origin")], false),
            ("GET", true, &[("origin", "https://evil.test"), ("sec-fetch-site", "same-origin")], false),
            ("GET", true, &[("origin", ours), ("sec-fetch-site", "cross-site")], false),
        ] {
            let mut fields = Fields::default();
            headers.iter().for_each(|(name, value): &(&str, &str)| fields.append(name, value.as_bytes()));
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(check(&method, upgrade, &fields, ours).is_ok(), good, "{method} {upgrade} {headers:?}");
        }
    }
}
