//! What people see where the gateway answers a browser itself: a small page with a reference, and nothing that runs.

use bartizan_core::RequestId;

/// What such a page may do: nothing but send its one form. On the way on from there the provider signs somebody out.
pub const POLICY: &str = "default-src 'none'; form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'";

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
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n</head>\n<body>\n\
             <h1>{0}</h1>\n<p>{1}</p>\n{then}{reference}</body>\n</html>\n",
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
