//! The test suite of JSON Schema. What is not passed stands in `skip.toml` with its reason, and what begins to pass is reported.

use bartizan_waf::json::{Bounds, read};
use bartizan_waf::schema::{Compiler, Dialect, Direction, Options, Unknown, check};
use bartizan_waf::source;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../corpus/json-schema")
}

/// `file / group` -> why.
fn skipped() -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder().join("skip.toml")).unwrap();
    let cases = text.lines().filter_map(|line| line.strip_prefix("case = "));
    cases.map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn files() -> Vec<(String, Value)> {
    let mut files = Vec::new();
    for part in ["", "optional"] {
        for entry in std::fs::read_dir(folder().join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "json") {
                let name = path.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned();
                files.push((name, serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()));
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

/// The verdicts on the tests of a group, or why there is none.
fn run(group: &Value, formats: bool) -> Result<Vec<bool>, String> {
    let text = serde_json::to_string(&group["schema"]).unwrap();
    let document =
        if text.starts_with('{') { source::read(&text) } else { bartizan_core::document::yaml(&text, &BOUNDS) };
    let document = document.map_err(|error| error.problem)?;
    let mut compiler = Compiler::new(&document, Dialect::Draft202012, "schema.json");
    let root = compiler.schema(&document, "");
    let (schemas, _) = compiler.finish().map_err(|errors| errors.to_string())?;
    let options = Options { direction: Direction::Request, unknown: Unknown::Allow, formats };
    let verdict = |test: &Value| {
        // As it stands in the file: numbers keep their digits.
        let text = serde_json::to_string(&test["data"]).unwrap();
        let tree = read(text.as_bytes(), &Bounds::BODY).unwrap();
        check(&schemas, root, &tree, options).is_ok()
    };
    Ok(group["tests"].as_array().unwrap().iter().map(verdict).collect())
}

const BOUNDS: bartizan_core::document::Bounds = bartizan_core::document::Bounds { depth: 8, values: 8 };

#[test]
fn passes_the_suite() {
    let skipped = skipped();
    let (mut failed, mut skips_used, mut passed) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (file, groups) in files() {
        let formats = file.starts_with("optional") && !file.contains("regex");
        for group in groups.as_array().unwrap() {
            let name = format!("{file} / {}", group["description"].as_str().unwrap());
            let expected: Vec<bool> =
                group["tests"].as_array().unwrap().iter().map(|test| test["valid"].as_bool().unwrap()).collect();
            let outcome = run(group, formats);
            if outcome.as_ref() == Ok(&expected) {
                passed += expected.len();
                continue;
            }
            if skipped.contains(&name) {
                skips_used.insert(name);
            } else {
                failed.insert(format!("{name}: {outcome:?}, expected {expected:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} groups fail:\n{}", failed.len(), failed.into_iter().collect::<Vec<_>>().join("\n"));
    let stale: Vec<_> = skipped.difference(&skips_used).collect();
    assert!(stale.is_empty(), "these pass now, or are not there: {stale:?}");
    assert!(passed > 1_000, "only {passed} tests");
}
