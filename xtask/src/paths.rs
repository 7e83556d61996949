//! Paths in documents are promises: each one that README and its neighbours name must exist.

use std::path::Path;

const DOCUMENTS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];

/// Complaints about paths that lead nowhere, and about documents that are missing.
pub(crate) fn live(root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for document in DOCUMENTS {
        let Ok(text) = std::fs::read_to_string(root.join(document)) else {
            complaints.push(format!("{document} is missing"));
            continue;
        };
        for named in named_paths(&text) {
            if !root.join(named).exists() {
                complaints.push(format!("{document} names `{named}`, which does not exist"));
            }
        }
    }
    complaints
}

/// What looks like a path of this repository: link targets without a scheme, and code spans that begin with one of
/// the top folders.
fn named_paths(text: &str) -> Vec<&str> {
    const TOPS: &[&str] = &[
        "crates/",
        "docs/",
        "examples/",
        "benches/",
        "fuzz/",
        "xtask/",
        "rules/",
        "corpus/",
        "deploy/",
        "console/",
        ".ci/",
    ];
    let mut found = Vec::new();
    for (at, _) in text.match_indices("](") {
        let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
            found.push(target);
        }
    }
    for line in text.lines() {
        for span in line.split('`').skip(1).step_by(2) {
            let is_path = TOPS.iter().any(|top| span.starts_with(top)) && !span.contains(['<', '*', ' ', '{']);
            if is_path {
                found.push(span);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_links_and_code_spans_and_nothing_else() {
        let text = "See [the map](ARCHITECTURE.md#map), `crates/base/core` and `cargo test`, <https://x.test>, [y](https://y.test).";
        assert_eq!(named_paths(text), ["ARCHITECTURE.md", "crates/base/core"]);
    }
}
