//! Rules about the files of the console: each says what it is for, none is too wide to read, makes HTML out of text, or names an address
//! outside.

use std::path::{Path, PathBuf};

/// Longest line of a script or style, in characters. Tables of columns and documents of fixtures are one row a line.
const LINE_CHARS_MAX: usize = 400;

/// What turns text into markup or code, and what would need a looser policy than the page has.
const FORBIDDEN: &[&str] = &[
    "dangerouslySetInnerHTML",
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    "createContextualFragment",
];

/// Every script and style of ours, without what is built and what is installed.
fn web_files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.join("console")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.file_name().and_then(|name| name.to_str()) {
                Some("node_modules" | "dist" | ".unit") => {}
                _ if path.is_dir() => folders.push(path),
                _ if path.extension().is_some_and(|e| ["ts", "tsx", "mjs", "css"].iter().any(|it| e == *it)) => {
                    found.push(path);
                }
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Complaints about single files of the console.
pub(crate) fn shape(root: &Path) -> Vec<String> {
    let mut complaints = Vec::new();
    for path in web_files(root) {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        complaints.extend(of_file(&name, &text));
    }
    complaints
}

fn of_file(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//") && !text.starts_with("/*") {
        complaints.push(format!("{name}: begin with a comment that says what the file is for"));
    }
    // What is shown to people; fixtures and tests plant such things on purpose.
    let shown = name.starts_with("console/src/");
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        if line.chars().count() > LINE_CHARS_MAX {
            complaints.push(format!("{place}: longer than {LINE_CHARS_MAX} characters"));
        }
        if !shown {
            continue;
        }
        if let Some(word) = FORBIDDEN.iter().find(|word| line.contains(**word)) {
            complaints.push(format!("{place}: `{word}` makes markup or code out of text"));
        }
        let outside = ["http://", "https://", "ws://", "wss://"].iter().any(|scheme| {
            line.split(scheme).skip(1).any(|after| after.starts_with(|it: char| it.is_ascii_alphanumeric()))
        });
        if outside {
            complaints.push(format!("{place}: names an address outside; the console works without any"));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_page_must_not_do_and_nothing_else() {
        let fine = "// A part.\nconst scheme = /^https?:\\/\\/[^/]/\nelement.textContent = text\n";
        assert_eq!(of_file("console/src/a.ts", fine), Vec::<String>::new());
        for (text, why) in [
            ("const a = 1\n", "no header"),
            ("// A.\nit.innerHTML = text\n", "markup"),
            ("// A.\nfetch('https://cdn.test/x.js')\n", "an address outside"),
            ("// A.\nnew WebSocket('wss://far.test')\n", "an address outside"),
        ] {
            assert_eq!(of_file("console/src/a.ts", text).len(), 1, "{why}: {text}");
        }
        let planted = "// A fixture.\nconst it = 'https://runbooks.example/x'\n";
        assert_eq!(of_file("console/dev/a.mjs", planted), Vec::<String>::new());
        assert_eq!(of_file("console/dev/a.mjs", &format!("// A.\n{}\n", "x".repeat(401))).len(), 1);
    }
}
