//! What the sign-in page offers beside name and password.

use super::super::forms::second_mark;
use super::super::gate::Visit;
use super::super::markup::{escape, hidden};
use super::super::paths;
use axum::http::HeaderMap;

/// A button for each provider that answers, a word about each that does not, with the sealed way back; `cookie` as for [`second_mark`].
pub(in crate::people) fn buttons(visit: &Visit, headers: &HeaderMap, way: &str, cookie: Option<&str>) -> String {
    let (mut out, mut away) = (String::new(), String::new());
    for (name, said) in &visit.rules.providers {
        let title = escape(&said.title);
        if !visit.desk.upstreams.answers(said, visit.now) {
            away += &format!("<p class=\"quiet\">{title} cannot be reached now.</p>\n");
            continue;
        }
        out += &format!(
            "<form method=\"post\" action=\"{}\">\n{}{}{}<button class=\"plain\">Continue with {title}</button>\n</form>\n",
            paths::WITH,
            second_mark(visit, headers, paths::WITH, cookie),
            hidden("way", way),
            hidden("provider", name.as_str()),
        );
    }
    out + &away
}
