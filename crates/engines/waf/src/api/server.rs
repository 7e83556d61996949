//! Where a document says that its paths begin: the path of each server's URL.

use crate::report::Report;
use bartizan_core::document::Document;

/// What stands before each path, without a `/` at its end; `override_with` in place of what the document says.
pub(super) fn bases(root: &Document, report: &mut Report, override_with: Option<&str>) -> Vec<Box<str>> {
    if let Some(base) = override_with {
        return vec![base.trim_end_matches('/').into()];
    }
    let servers = root.get("servers").and_then(Document::items).unwrap_or_default();
    let mut bases: Vec<Box<str>> = Vec::new();
    for (i, server) in servers.iter().enumerate() {
        let at = format!("/servers/{i}/url");
        let Some(url) = server.get("url").and_then(Document::text) else {
            report.refuse(server.place, &at, "is missing", "write `url: /` where paths begin at the root");
            continue;
        };
        match base(&filled(url, server)) {
            Ok(base) if !bases.contains(&base) => bases.push(base),
            Ok(_) => {}
            Err(why) => {
                report.refuse(server.place, &at, why, "write the path that clients of the gateway see, such as `/v1`");
            }
        }
    }
    if bases.is_empty() {
        bases.push(Box::default());
    }
    bases
}

/// Variables as their `default` has them.
fn filled(url: &str, server: &Document) -> String {
    let variables = server.get("variables").map(Document::entries).unwrap_or_default();
    variables.iter().fold(url.to_owned(), |url, (name, variable)| {
        let default = variable.get("default").and_then(Document::text).unwrap_or_default();
        url.replace(&format!("{{{}}}", name.text), default)
    })
}

fn base(url: &str) -> Result<Box<str>, String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    let path = rest.trim_end_matches('/');
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.contains(['{', '}']) {
        return Err("a variable without a default".into());
    }
    if path.is_empty() {
        return Ok(Box::default());
    }
    match bartizan_core::path::check(path) {
        Ok(()) => Ok(bartizan_core::path::canonical(path).into()),
        Err(error) => Err(error.to_string()),
    }
}
