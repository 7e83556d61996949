//! The boards for Grafana, read by Grafana's own models: a Grafana itself is in no registry that the tests can use.

use std::path::{Path, PathBuf};
use std::process::Command;

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/boards.py");

fn board(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../../monitoring/grafana/{name}.json"));
    std::fs::read_to_string(path).unwrap()
}

/// What the models say of a board.
fn judged(board: &str) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/judges/bin/python");
    assert!(python.exists(), "`{}` is not there; run `sh xtask/judges.sh` (`make needs` does)", python.display());
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("board.json");
    std::fs::write(&file, board).unwrap();
    let output = Command::new(python).arg(READER).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn grafanas_models_know_every_field_of_the_boards_and_no_other() {
    let good = board("debug");
    for (right, wrong) in [
        ("\"fieldConfig\"", "\"feildConfig\""),
        ("\"type\": \"timeseries\"", "\"type\": \"timeserious\""),
        ("\"refId\"", "\"refid\""),
        ("\"unit\": \"reqps\"", "\"unot\": \"reqps\""),
        ("\"displayMode\"", "\"displaymode\""),
        ("\"gridPos\"", "\"gridpos\""),
        ("\"expr\": \"bartizan:", "\"query\": \"bartizan:"),
        ("\"showPoints\"", "\"showPoint\""),
        ("\"templating\"", "\"template\""),
    ] {
        let altered = good.replacen(right, wrong, 1);
        assert_ne!(altered, good, "{right} is in it");
        assert!(judged(&altered).contains("LOST"), "{wrong} in the place of {right} is known to nobody");
    }
    for name in ["executive", "on-call", "debug"] {
        let said = judged(&board(name));
        assert!(!said.contains("LOST") && said.contains(" panels, "), "{name}: {said}");
        assert!(!said.starts_with("0 ") && !said.contains(" 0 queries"), "{name}: {said}");
    }
}
