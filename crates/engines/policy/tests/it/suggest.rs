//! What is suggested after a denial: put in force, it lets that call through and no other one.

use crate::support::{ask, bank, files, name, plain_bank};
use bartizan_core::fleet::{Call, Fleet};
use bartizan_core::snapshot::Epoch;
use bartizan_policy::{Change, Engine, NoChange, check, from_fleet, suggest};
use std::collections::BTreeMap;

type Files = BTreeMap<String, String>;

fn suggested(fleet: &Fleet, files: &Files, call: &str) -> Result<Vec<Change>, NoChange> {
    ask(call, |ask| suggest(fleet, files, ask))
}

fn is_allowed(fleet: &Fleet, files: &Files, call: &str) -> bool {
    let engine = Engine::compile(&from_fleet(fleet, files.clone()), Epoch(1)).unwrap();
    ask(call, |ask| engine.decide(ask).is_allow())
}

/// What somebody does who follows the suggestion: the text takes the place of the policy that begins at that line, stands in a file of its
/// own, or names one more callee.
fn apply(fleet: &mut Fleet, files: &mut Files, changes: &[Change], call: &str) {
    for change in changes {
        match (&change.file, &change.replaces) {
            (Some(file), Some((_, line))) => {
                let text = &files[file];
                let before: usize = text.split_inclusive('\n').take(*line as usize - 1).map(str::len).sum();
                let length = text[before..].find(';').unwrap() + 1;
                let whole = format!("{}{}{}", &text[..before], change.text, &text[before + length..]);
                files.insert(file.clone(), whole);
            }
            (Some(file), None) => drop(files.insert(file.clone(), change.text.clone())),
            (None, _) => {
                let words: Vec<&str> = call.split(' ').collect();
                let to = name(words[2].split('/').next().unwrap());
                assert!(change.text.contains(&format!("  {}:\n", words[0])), "{}", change.text);
                assert!(change.text.contains(&format!("      - {to}\n")), "{}", change.text);
                let calls = &mut fleet.services.get_mut(&name(words[0])).unwrap().calls;
                calls.push(Call { to, via: None, edge: Default::default(), narrow: None });
            }
        }
    }
    check(fleet, files).unwrap();
}

#[test]
fn each_denial_with_a_way_out_is_let_through_by_it_and_its_neighbours_are_not() {
    let night = "@id(\"night\")\nforbid (principal, action, resource in Service::\"accounts\")\nwhen { context.path like \"/night*\" };\n";
    let twice = format!(
        "{night}\n@id(\"writes\")\nforbid (principal == Workload::\"payment\", action == Action::\"write\", resource);\n"
    );
    let tcp = "@id(\"no\")\nforbid (principal, action == Action::\"connect\", resource == Service::\"postgres\");\n";
    for (what, policies, call, still_denied) in [
        (
            "no edge",
            "",
            "users GET accounts /a",
            &["users POST accounts /a", "users GET accounts /b", "users GET payment /a"][..],
        ),
        (
            "no edge, of a route",
            "",
            "users GET accounts/balance /a",
            &["users GET accounts/close /a", "users GET accounts /a"],
        ),
        ("no edge, a connection", "", "payment connect postgres", &["users connect postgres"]),
        (
            "a policy",
            night,
            "payment GET accounts /night",
            &["payment GET accounts /night/2", "payment POST accounts /night"],
        ),
        ("a quoted path", night, "payment GET accounts /night\"\\é", &["payment GET accounts /night"]),
        (
            "two policies",
            &twice,
            "payment POST accounts /night",
            &["payment POST accounts /day", "payment GET accounts /night"],
        ),
        (
            "a policy and no edge",
            night,
            "users GET accounts /night",
            &["users GET accounts /day", "payment GET accounts /night"],
        ),
        ("a connection", tcp, "accounts connect postgres", &[]),
        (
            "of which something was taken",
            night,
            "payment GET accounts/balance /night/[redacted]",
            &["payment POST accounts/balance /night"],
        ),
    ] {
        let (mut fleet, mut files) = (plain_bank(), files(policies));
        assert!(!is_allowed(&fleet, &files, call), "{what}");
        let changes = suggested(&fleet, &files, call).unwrap_or_else(|no| panic!("{what}: {no:?}"));
        apply(&mut fleet, &mut files, &changes, call);
        assert!(is_allowed(&fleet, &files, call), "{what}: {changes:#?}");
        for other in still_denied {
            assert!(!is_allowed(&fleet, &files, other), "{what}, {other}: {changes:#?}");
        }
        assert_eq!(suggested(&fleet, &files, call), Err(NoChange::AllowedNow), "{what}");
    }
}

#[test]
fn where_nothing_is_suggested_it_is_said_why() {
    for (policies, call, why) in [
        ("", "payment GET accounts /a", NoChange::AllowedNow),
        ("", "gateway GET payment /a", NoChange::Gateway),
        ("", "unauthenticated GET accounts /a", NoChange::Unauthenticated),
        ("", "stranger GET accounts /a", NoChange::NotAService),
        ("", "payment GET nowhere /a", NoChange::NotAService),
        ("this is no policy", "users GET accounts /a", NoChange::NoneFound),
    ] {
        let no = suggested(&bank(), &files(policies), call).unwrap_err();
        assert_eq!(no, why, "{call}");
        assert!(!no.instead().is_empty());
    }
}
