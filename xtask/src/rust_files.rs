//! Rules about single Rust files: a header, no careless panics, unsafe code in two files only.

use std::path::{Path, PathBuf};

/// Every `.rs` file that is ours, generated ones included, build output excluded.
fn rust_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "examples", "xtask", "fuzz"].iter().map(|f| root.join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.file_name().and_then(|n| n.to_str()) {
                Some("target" | "node_modules" | "corpus" | "artifacts") => {}
                _ if path.is_dir() => folders.push(path),
                _ if path.extension().is_some_and(|e| e == "rs") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// Complaints about files whose first line is not `//!` (fuzz targets have their `#![no_main]` first).
pub(crate) fn headers(root: &Path) -> Vec<String> {
    let headless = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        !text.lines().find(|line| !line.starts_with("#![no_main]")).is_some_and(|line| line.starts_with("//!"))
    };
    let files = rust_files(root).into_iter().filter(headless);
    files.map(|f| format!("{}: begin with a `//!` line that says what the file is for", shown(root, &f))).collect()
}

/// Complaints about `unwrap` and about `expect` without a reason, outside tests, examples, benches and fuzz targets.
///
/// Textual on purpose, and so a little stricter than the compiler's view: a test module at the end of a file
/// (`#[cfg(test)]` in column 0) ends the part that is looked at.
pub(crate) fn unwraps(root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for path in rust_files(root) {
        let name = shown(root, &path);
        let of_tests = ["/tests/", "/tests.rs", "/examples/", "/benches/", "crates/dev/", "fuzz/", "control_v1.rs"];
        if of_tests.iter().any(|part| format!("/{name}").contains(part)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("#[cfg(test)]") {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(concat!(".unw", "rap()")) || code.contains(concat!(".expect(", "\"\")")) {
                complaints.push(format!("{name}:{}: state why it cannot fail, or handle it", number + 1));
            }
        }
    }
    complaints
}

/// Where unsafe code is allowed: a file each.
const UNSAFE: &[&str] = &["crates/planes/node/src/workload/peer_pidfd.rs", "crates/planes/proxy/src/program_text.rs"];

/// Complaints about `unsafe` blocks and about loosened lints outside two files.
pub(crate) fn unsafe_only_in_its_files(root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for path in rust_files(root) {
        let name = shown(root, &path);
        if UNSAFE.contains(&&*name) || name.starts_with("xtask/src/") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains("allow(unsafe_code") || code.split_whitespace().any(|word| word == "unsafe") {
                complaints.push(format!(
                    "{name}:{}: unsafe code belongs into one of {}",
                    number + 1,
                    UNSAFE.join(", ")
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_of_each_careless_line_once() {
        let root = std::env::temp_dir().join(format!("tidy-files-{}", std::process::id()));
        let folder = root.join("crates/base/core/src");
        std::fs::create_dir_all(&folder).unwrap();
        let careless =
            "fn f() { g().unwrap(); }\nfn h() { unsafe { i() } }\n#[cfg(test)]\nmod t { fn j() { k().unwrap() } }\n";
        std::fs::write(folder.join("lib.rs"), careless).unwrap();
        std::fs::write(folder.join("good.rs"), "//! Good.\n// g().unwrap() in a comment is none\n").unwrap();
        assert_eq!(headers(&root).len(), 1);
        assert_eq!(unwraps(&root).len(), 1);
        assert_eq!(unsafe_only_in_its_files(&root).len(), 1);
        std::fs::remove_dir_all(root).unwrap();
    }
}
