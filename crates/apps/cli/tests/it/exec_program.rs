//! `bartizan exec-program`: becomes the program, and only under the parent it was told of.

use crate::bartizan::run;

#[test]
fn becomes_the_program_with_its_exit_code() {
    let temp = tempfile::tempdir().unwrap();
    let us = std::process::id().to_string();
    let done =
        run(temp.path(), &["exec-program", "--parent", &us, "--", "/bin/sh", "-c", "echo $0 $1; exit 3", "a", "b"]);
    assert_eq!((done.code, done.out.as_str()), (3, "a b\n"), "{done:?}");
}

#[test]
fn refuses_another_parent_and_what_is_no_program() {
    let temp = tempfile::tempdir().unwrap();
    let refused = run(temp.path(), &["exec-program", "--parent", "1", "--", "/bin/echo", "ran"]);
    assert!(refused.code == 1 && refused.out.is_empty() && refused.err.contains("the parent ended"), "{refused:?}");
    let us = std::process::id().to_string();
    let refused = run(temp.path(), &["exec-program", "--parent", &us, "--", "/nonexistent/program"]);
    assert!(refused.code == 1 && refused.err.contains("cannot run `/nonexistent/program`"), "{refused:?}");
}
