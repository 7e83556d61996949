//! A connection's memory says what the engine says.

use crate::support::{allows, ask, bank, compile};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Engine, Memo, from_fleet, limits};
use std::sync::Arc;

const BY_PATH: &str =
    "forbid (principal, action, resource in Service::\"accounts\") when { context.path like \"/admin*\" };";

#[test]
fn a_repeat_is_the_same_decision_without_a_second_evaluation() {
    let engine = Arc::new(compile(&bank(), BY_PATH).unwrap());
    let mut memo = Memo::default();
    for call in
        ["payment GET accounts /", "payment GET accounts /admin", "gateway GET users /a", "stranger GET users /"]
    {
        let first = ask(call, |ask| memo.decide(&engine, ask));
        let again = ask(call, |ask| memo.decide(&engine, ask));
        assert!(Arc::ptr_eq(&first, &again), "{call} was evaluated twice");
        assert_eq!(*first, ask(call, |ask| engine.decide(ask)), "{call}");
    }
}

#[test]
fn each_part_of_the_question_counts() {
    let engine = Arc::new(compile(&bank(), BY_PATH).unwrap());
    let mut memo = Memo::default();
    for _ in 0..2 {
        for (call, allowed) in [
            ("payment GET accounts /", true),
            ("payment GET accounts /admin", false),
            ("payment GET accounts/balance /", true),
            ("payment GET accounts/balance /admin", false),
            ("payment POST accounts /", true),
            ("payment connect accounts", false),
            ("users GET accounts /", false),
            ("payment GET legacy /admin", true),
        ] {
            assert_eq!(ask(call, |ask| memo.decide(&engine, ask)).is_allow(), allowed, "{call}");
        }
    }
}

#[test]
fn where_nothing_looks_at_the_path_one_entry_serves_all_paths() {
    let engine = Arc::new(compile(&bank(), BY_PATH).unwrap());
    let mut memo = Memo::default();
    let first = ask("gateway GET users /1", |ask| memo.decide(&engine, ask));
    let other = ask("gateway HEAD users /2", |ask| memo.decide(&engine, ask));
    assert!(Arc::ptr_eq(&first, &other));
}

#[test]
fn a_new_engine_empties_it_even_at_the_same_epoch() {
    let old = Arc::new(compile(&bank(), "").unwrap());
    let new = Arc::new(compile(&bank(), BY_PATH).unwrap());
    let mut memo = Memo::default();
    assert!(ask("payment GET accounts /admin", |ask| memo.decide(&old, ask)).is_allow());
    assert!(!ask("payment GET accounts /admin", |ask| memo.decide(&new, ask)).is_allow());
    let snapshot = from_fleet(&bank(), std::collections::BTreeMap::new());
    let later = Arc::new(Engine::compile(&snapshot, Epoch(8)).unwrap());
    drop((old, new));
    assert_eq!(ask("payment GET accounts /admin", |ask| memo.decide(&later, ask)).epoch, Epoch(8));
}

#[test]
fn a_client_that_never_repeats_itself_gets_right_answers() {
    let engine = Arc::new(compile(&bank(), BY_PATH).unwrap());
    let mut memo = Memo::default();
    for number in 0..3 * limits::MEMO_ENTRIES_MAX {
        for (path, allowed) in [(format!("/{number}"), true), (format!("/admin/{}", "x".repeat(number)), false)] {
            let call = format!("payment GET accounts {path}");
            assert_eq!(ask(&call, |ask| memo.decide(&engine, ask)).is_allow(), allowed, "{call}");
        }
    }
    assert!(format!("{memo:?}").contains("exact"), "{memo:?}");
    assert!(allows(&engine, "payment GET accounts /"));
}
