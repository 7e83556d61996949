//! Exit codes and ways out.

use crate::bartizan::{command, run};

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2() {
    let temp = tempfile::tempdir().unwrap();
    for (args, part) in [
        (&["nonsense"][..], "unrecognized subcommand"),
        (&["up"], "<FLEET>"),
        (&["up", "f.yaml", "--mode", "half"], "possible values: off, mtls, full"),
        (&["explain", "abc"], "32 lower-case hex digits"),
        (&["events", "--service", "No Service"], "service name"),
        (&["status", "--data", "d", "--fleet", "f"], "cannot be used with"),
        (&["ca", "show"], "--dir"),
        (&[], "Usage"),
    ] {
        let refused = run(temp.path(), args);
        assert_eq!(refused.code, 2, "{args:?}: {refused:?}");
        assert!(refused.err.contains(part), "{args:?}: {}", refused.err);
    }
}

#[test]
fn asking_about_no_fleet_says_how_to_name_one() {
    let temp = tempfile::tempdir().unwrap();
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    for args in
        [&["status"][..], &["events"], &["metrics"], &["reload"], &["token", "node"], &["explain", id], &["trace", id]]
    {
        let refused = run(temp.path(), args);
        assert_eq!(refused.code, 1, "{args:?}");
        assert!(refused.err.contains("--fleet") && refused.err.contains("--data"), "{args:?}: {}", refused.err);
    }
}

#[test]
fn asking_a_fleet_that_does_not_run_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join(".bartizan/shop");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("lock"), "").unwrap();
    let refused = run(temp.path(), &["status"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("is not running") && refused.err.contains("bartizan up"), "{}", refused.err);
    let by_variable = command(temp.path(), &["status"]).env("BARTIZAN_DATA", &data).output().unwrap();
    assert!(String::from_utf8(by_variable.stderr).unwrap().contains("is not running"));
}

#[test]
fn a_node_without_a_token_says_where_to_get_one() {
    let temp = tempfile::tempdir().unwrap();
    let refused = run(
        temp.path(),
        &[
            "node",
            "--name",
            "n",
            "--control",
            "127.0.0.1:1",
            "--trust-bundle",
            "r",
            "--trust-domain",
            "t",
            "--socket",
            "s",
            "--proxy-binary",
            "p",
        ],
    );
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("bartizan token node"), "{}", refused.err);
}

#[test]
fn the_schema_is_json() {
    let temp = tempfile::tempdir().unwrap();
    let done = run(temp.path(), &["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert!(done.code == 0 && schema["properties"]["services"].is_object(), "{schema}");
}
