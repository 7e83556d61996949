//! Texts at and beyond the limits.

use crate::support::{ask, bank, compile, decide, files};
use bartizan_core::limits::POLICY_FILE_BYTES_MAX;
use bartizan_policy::{check, limits};
use std::fmt::Write;

fn chain(link: &str, joint: &str, count: usize) -> String {
    format!("permit (principal, action, resource) when {{ {} }};", vec![link; count].join(joint))
}

#[test]
fn the_deepest_policies_that_are_let_in_still_evaluate() {
    // Test threads have 2 MiB of stack, as tokio's workers do; what remains must do for Cedar, also unoptimised.
    let most = limits::OPERATORS_MAX - 5; // brackets of scope and condition, `when`
    let nots = format!("permit (principal, action, resource) when {{ {}true{} }};", "(".repeat(29), ")".repeat(29));
    let mut elses = "true".to_owned();
    for _ in 0..most / 3 {
        elses = format!("if context.path == \"x\" then false else {elses}");
    }
    let elses = format!("permit (principal, action, resource) when {{ {elses} }};");
    let whens = format!("permit (principal, action, resource) {};", "when { true }".repeat(most / 2));
    for text in [
        chain("true", " && ", most),
        chain("false", " || ", most) + "permit (principal, action, resource);",
        chain("context.path == \"/\"", " && ", most / 3),
        chain("1", " + ", most - 5).replace("};", "> 0 };"),
        chain("[context.path].contains(\"/\")", " && ", most / 5),
        nots,
        elses,
        whens,
    ] {
        let engine = compile(&bank(), &text).map_err(|errors| format!("{errors}")).unwrap();
        let decision = ask("users GET payment /", |ask| decide(&engine, ask));
        assert!(decision.is_allow(), "{:?} for {}", decision.reason, &text[..120]);
    }
}

#[test]
fn deeper_ones_are_refused_before_cedar_recurses() {
    let much = 100_000;
    for text in [
        format!("permit (principal, action, resource) when {{ {}", "(".repeat(limits::POLICY_BYTES_MAX / 2)),
        format!(
            "permit (principal, action, resource) when {{ {}true{} }};",
            "(".repeat(limits::NESTING_MAX),
            ")".repeat(limits::NESTING_MAX)
        ),
        chain("true", "&&", limits::OPERATORS_MAX),
        chain("1", "-", 5_000),
        chain("1", "-", much),
        format!("permit (principal, action, resource) when {{ context{} }};", ".a".repeat(10_000)),
        format!("permit (principal, action, resource) when {{ {} true }};", "!".repeat(20_000)),
        format!("permit (principal, action, resource) when {{ {} }};", "if ".repeat(10_000)),
        format!("permit (principal, action, resource) when {{ context{} }};", "[\"a\"]".repeat(5_000)),
        format!("permit (principal, action, resource) {};", "unless{true}".repeat(3_000)),
    ] {
        let errors = compile(&bank(), &text).map(|_| ()).expect_err(&text[..80]);
        let message = &errors.as_slice()[0].message;
        assert!(message.starts_with("the policy has "), "{message}");
    }
}

#[test]
fn long_files_and_many_errors_are_cut() {
    let long = " ".repeat(POLICY_FILE_BYTES_MAX + 1);
    insta::assert_snapshot!(check(&bank(), &files(&long)).unwrap_err(), @"own.cedar: 1048577 bytes long; split it: at most 1048576 bytes are read from one file");
    let errors = compile(&bank(), &";".repeat(POLICY_FILE_BYTES_MAX)).map(|_| ()).unwrap_err();
    assert_eq!(errors.as_slice().len(), limits::ERRORS_MAX);
    let mut unknown = String::new();
    for number in 0..500 {
        writeln!(unknown, "forbid (principal, action, resource == Service::\"s{number}\");").unwrap();
    }
    let errors = compile(&bank(), &unknown).map(|_| ()).unwrap_err();
    assert_eq!(errors.as_slice().len(), limits::ERRORS_MAX);
}
