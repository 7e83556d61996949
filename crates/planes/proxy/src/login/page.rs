//! What people see where the gateway answers a browser itself: a small page with a reference, and nothing that runs.

use bartizan_core::RequestId;

/// What such a page may do: nothing but send its one form, in the clothes that it brings. On the way on from there the provider signs
/// somebody out.
pub const POLICY: &str = "default-src 'none'; style-src 'sha256-q02lA86efyuljIPrSb1WhfcgVS9Dh2gU0HKFG+26EgY='; \
    form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'";

/// Those of the pages at which people sign in, as far as they are needed here. Whoever changes them changes the hash above.
const STYLE: &str = ":root{color-scheme:light dark}body{margin:0;box-sizing:border-box;min-height:100vh;display:grid;align-items:start;just\
    ify-items:center;padding:clamp(1rem,8vh,5rem) 1rem 2rem;background:#f5f5f2;color:#1b1d1f;font:1rem/1.5 system-ui,sans-\
    serif}main{box-sizing:border-box;width:100%;max-width:25rem;padding:1.75rem;background:#fff;border:1px solid #d5d7d3;b\
    order-radius:.5rem}h1{margin:0 0 1rem;font-size:1.375rem;line-height:1.25;font-weight:600}p,form{margin:0 0 1rem}main>\
    :last-child{margin-bottom:0}a{color:#1f4f46}code{font-size:.875rem;overflow-wrap:anywhere}button{display:block;width:1\
    00%;padding:.625rem 1rem;font:inherit;font-weight:600;color:#fff;background:#1f4f46;border:1px solid #1f4f46;border-ra\
    dius:.375rem;cursor:pointer}@media(prefers-color-scheme:dark){body{background:#15171a;color:#e7e9ea}main{background:#1\
    d2024;border-color:#363b41}a{color:#8fcabd}button{color:#10211d;background:#8fcabd;border-color:#8fcabd}}";

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// What it is about.
    pub title: &'static str,
    /// What it says.
    pub text: &'static str,
    /// The one thing that can be done.
    pub then: Then,
}

/// What can be done on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// Go somewhere: a path here, and what is said of it.
    Go(Box<str>, &'static str),
    /// Send a form without content: a path here, and what is said of it.
    Send(&'static str, &'static str),
}

impl Page {
    /// As HTML.
    pub fn html(&self, request: RequestId, is_failure: bool) -> String {
        let then = match &self.then {
            Then::Nothing => String::new(),
            Then::Go(path, text) => format!("<p><a href=\"{}\">{text}</a></p>\n", escaped(path)),
            Then::Send(path, text) => {
                format!("<form method=\"post\" action=\"{path}\"><button>{text}</button></form>\n")
            }
        };
        let reference = if is_failure { format!("<p>Reference: <code>{request}</code></p>\n") } else { String::new() };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{0}</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{0}</h1>\n<p>{1}</p>\n{then}{reference}</main>\n</body>\n</html>\n",
            self.title, self.text
        )
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use bartizan_crypto::{base64, hash};

    #[test]
    fn the_policy_lets_the_style_that_is_there_and_no_other() {
        let hash = base64::encode(&hash::sha256(STYLE.as_bytes()));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}';")), "{hash}");
        assert!(!STYLE.contains('<'), "it cannot end early");
    }

    #[test]
    fn nothing_that_came_with_a_request_becomes_markup() {
        let then = Then::Go("/a\"><script>alert('1')&x=".into(), "On");
        let html = Page { title: "T", text: "x", then }.html(RequestId::from_random([7; 16]), true);
        assert!(
            !html.contains("<script>") && html.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&amp;x="),
            "{html}"
        );
        assert!(html.contains("Reference: "), "{html}");
    }
}
