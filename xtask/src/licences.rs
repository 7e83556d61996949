//! What the product is made of: licences of all dependencies, and crates that come in two versions.
//!
//! `cargo deny` does this too, but building it takes longer than our own build and its advisory list cannot be
//! fetched without the network; these two checks need only `cargo tree`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Licences that may be linked into an Apache-2.0 product without further duties than a notice.
const ALLOWED: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "MIT-0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "0BSD",
];

/// A second async or TLS stack, or a second crypto library, is a decision, never an accident.
const NEVER: &[&str] = &["openssl-sys", "native-tls", "ring", "async-std", "smol", "serde_yaml"];

/// Crates of which exactly one version may be linked.
const ONE_VERSION: &[&str] = &[
    "rustls",
    "tokio",
    "hyper",
    "http",
    "h2",
    "aws-lc-rs",
    "aws-lc-sys",
    "rustls-webpki",
    "tonic",
    "prost",
    "serde",
    "cedar-policy",
];

/// Complaints about licences, forbidden crates and doubled ones.
pub(crate) fn check(root: &Path) -> Vec<String> {
    // `cargo tree` and not `cargo metadata`: the latter lists optional dependencies that nobody switched on.
    let output = std::process::Command::new("cargo")
        .args(["tree", "--workspace", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}|{l}"])
        .current_dir(root)
        .output();
    match output {
        Ok(output) if output.status.success() => judge(&String::from_utf8_lossy(&output.stdout)),
        Ok(output) => vec![format!("`cargo tree` failed: {}", String::from_utf8_lossy(&output.stderr))],
        Err(error) => vec![format!("`cargo tree` could not be run: {error}")],
    }
}

/// Judges lines such as `serde v1.0.0 (proc-macro)|MIT OR Apache-2.0`.
fn judge(tree: &str) -> Vec<String> {
    let mut complaints = BTreeSet::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let Some((package, licence)) = line.split_once('|') else { continue };
        let mut words = package.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let licence = licence.trim_end_matches("(*)").trim();
        if !is_allowed(licence) {
            complaints.insert(format!(
                "{name} {version} is under `{licence}`; add it to the list with a reason, or replace it"
            ));
        }
        if NEVER.contains(&name) {
            complaints.insert(format!("{name} {version} came in; find who brings it with `cargo tree -i {name}`"));
        }
        versions.entry(name).or_default().insert(version);
    }
    for name in ONE_VERSION {
        if let Some(several) = versions.get(name).filter(|v| v.len() > 1) {
            complaints.insert(format!("{name} comes in {} versions: {several:?}", several.len()));
        }
    }
    complaints.into_iter().collect()
}

/// Evaluates an SPDX expression (also the old form with `/` for OR) against [`ALLOWED`].
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let verdict = any_of(&words, &mut at);
    verdict && at == words.len() && !words.is_empty()
}

fn any_of(words: &[&str], at: &mut usize) -> bool {
    let mut verdict = all_of(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        verdict |= all_of(words, at);
    }
    verdict
}

fn all_of(words: &[&str], at: &mut usize) -> bool {
    let mut verdict = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        verdict &= one(words, at);
    }
    verdict
}

fn one(words: &[&str], at: &mut usize) -> bool {
    if words.get(*at) == Some(&"(") {
        *at += 1;
        let verdict = any_of(words, at);
        *at += 1;
        return verdict;
    }
    let Some(name) = words.get(*at) else { return false };
    *at += 1;
    if words.get(*at) == Some(&"WITH") {
        let with = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
        return ALLOWED.contains(&with.as_str()) || ALLOWED.contains(name);
    }
    ALLOWED.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_licence_expressions() {
        for (expression, allowed) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("GPL-3.0-only OR MIT", true),
            ("GPL-3.0-only AND MIT", false),
            ("ISC AND (Apache-2.0 OR ISC)", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR AGPL-3.0-only", true),
            ("AGPL-3.0-only", false),
            ("", false),
        ] {
            assert_eq!(is_allowed(expression), allowed, "{expression:?}");
        }
    }

    #[test]
    fn complains_of_doubles_and_of_strangers() {
        let tree = "rustls v0.23.1|MIT\nrustls v0.24.0|MIT (*)\nring v0.17.0|ISC\nsozu v2.0.0|AGPL-3.0-only\n\nbank v0.1.0 (/x)|MIT\n";
        assert_eq!(judge(tree).len(), 3);
    }
}
